#include "engine/build/graph_builder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "engine/build/connect.h"
#include "engine/parallel.h"
#include "engine/build/prune.h"
#include "engine/search/beam.h"

namespace cassata {
namespace {

/// Neighbours of a node during insertion: one place stays free for connect_all().
std::size_t list_limit(const NeighborLists& level) { return level.max_degree() - 1; }

/// What a thread needs.
struct Worker {
  std::unique_ptr<Scorer> query;  // bound to the vector that is inserted, by the codes that are walked
  std::unique_ptr<Scorer> pair;   // bound to it and to its neighbours in turn, by the exact ones
  std::vector<float> values;      // of the vector that is inserted
  Workspace work;
  Pruner pruner;
  std::vector<Candidate> candidates;
  std::vector<Id> chosen;
  std::vector<float> distances;
};

/// An edge back, from `target` to the node that chose it.
struct BackEdge {
  Id target, source;
  friend bool operator<(const BackEdge& a, const BackEdge& b) { return a.target != b.target ? a.target < b.target : a.source < b.source; }
};

class GraphBuilder {
 public:
  GraphBuilder(const Codes& walked, const Codes& exact, const GraphParams& params);
  BuiltGraph build();

 private:
  void insert_batch(std::size_t begin, std::size_t end);
  void find_neighbors(Id node, Worker& worker);
  void connect_back(NeighborLists& level, std::size_t begin, std::size_t end);
  void add_back_edges(NeighborLists& level, std::span<const BackEdge> edges, Worker& worker);
  /// The level on which the node stands highest; 0 is the ground.
  std::size_t top_level(Id node) const;

  /// Distances of the candidates to the node, exact ones, in order; a NaN, as of distances beyond f32, is infinite.
  void score_exactly(Id node, Worker& worker);
  std::size_t size() const { return exact_.size(); }

  const Codes& walked_;
  const Codes& exact_;
  const GraphParams& params_;
  BuiltGraph graph_;
  std::vector<Worker> workers_;
};

GraphBuilder::GraphBuilder(const Codes& walked, const Codes& exact, const GraphParams& params) : walked_(walked), exact_(exact), params_(params) {
  LevelAssignment assignment = assign_levels(size(), params.m);
  graph_.ids = std::move(assignment.nodes);
  graph_.level_sizes = std::move(assignment.sizes);
  std::vector<bool> placed(size());
  for (const Id id : graph_.ids) placed[id] = true;
  for (Id id = 0; id < size(); ++id)
    if (!placed[id]) graph_.ids.push_back(id);
  graph_.levels.emplace_back(size(), 2 * params.m);
  for (const std::uint64_t size : graph_.level_sizes) graph_.levels.emplace_back(size, params.m);
  workers_.resize(threads_of(params.num_threads));
  for (Worker& w : workers_) {
    w.query = walked.scorer(params.metric);
    w.pair = exact.scorer(params.metric);
    if (&walked != &exact) w.values.resize(exact.dim());
  }
}

std::size_t GraphBuilder::top_level(Id node) const {
  std::size_t level = 0;
  while (level < graph_.level_sizes.size() && node < graph_.level_sizes[level]) ++level;
  return level;
}

BuiltGraph GraphBuilder::build() {
  constexpr std::size_t kGrowth = 16, kMaxBatch = 4096;  // a batch is at most 1/16 of the graph it is added to
  for (std::size_t begin = 1; begin < size();) {
    const std::size_t end = std::min(size(), begin + std::clamp<std::size_t>(begin / kGrowth, 1, kMaxBatch));
    insert_batch(begin, end);
    begin = end;
  }
  SubsetScorer scorer(*workers_.front().pair, graph_.ids, size());
  for (NeighborLists& level : graph_.levels) connect_all(level, scorer, params_.ef_construction, workers_.front().work);
  return std::move(graph_);
}

void GraphBuilder::insert_batch(std::size_t begin, std::size_t end) {
  constexpr std::size_t kNodes = 8, kNodesATurn = 64 * kNodes;
  const auto report = [&](std::size_t done) {
    if (params_.progress) params_.progress("graph", begin + done, size());
  };
  parallel_for(params_.num_threads, end - begin, kNodes, kNodesATurn, report, [&](std::size_t first, std::size_t last, unsigned thread) {
    for (std::size_t i = first; i < last; ++i) find_neighbors(static_cast<Id>(begin + i), workers_[thread]);
  });
  for (std::size_t l = 0; l < graph_.levels.size(); ++l)
    if (begin < graph_.levels[l].size()) connect_back(graph_.levels[l], begin, std::min(end, graph_.levels[l].size()));
}

void GraphBuilder::find_neighbors(Id node, Worker& w) {
  SubsetScorer query(*w.query, graph_.ids, size()), pair(*w.pair, graph_.ids, size());
  if (&walked_ == &exact_) {
    query.bind(node);
  } else {
    exact_.decode(graph_.ids[node], w.values.data());
    query.bind(VectorView{.values = w.values});
  }
  w.work.entries.assign(1, 0);
  const std::size_t top = top_level(node), width = params_.ef_construction;
  for (std::size_t l = graph_.levels.size(); l-- > 0;) {
    beam_search(graph_.levels[l], query, w.work.entries, l <= top ? width : l == 1 ? entry_count(width) : 1, 0, w.work);
    const std::vector<Candidate>& found = w.work.beam.entries();
    if (l <= top) {
      w.candidates = found;
      if (&walked_ != &exact_) score_exactly(node, w);
      w.pruner.choose(w.candidates, list_limit(graph_.levels[l]), pair, w.chosen);
      graph_.levels[l].assign(node, w.chosen);  // nobody sees it before the batch's edges back are made
    }
    w.work.entries.clear();
    for (std::size_t i = 0; i < std::min(found.size(), entry_count(width)); ++i) w.work.entries.push_back(found[i].id);
  }
}

void GraphBuilder::score_exactly(Id node, Worker& w) {
  SubsetScorer pair(*w.pair, graph_.ids, size());
  w.chosen.clear();
  for (const Candidate& c : w.candidates) w.chosen.push_back(c.id);
  w.distances.resize(w.chosen.size());
  pair.prefetch(w.chosen);
  pair.bind(node);
  pair.score(w.chosen, w.distances.data());
  for (std::size_t i = 0; i < w.chosen.size(); ++i)
    w.candidates[i].distance = std::isnan(w.distances[i]) ? std::numeric_limits<float>::infinity() : w.distances[i];
  std::sort(w.candidates.begin(), w.candidates.end());
}

void GraphBuilder::connect_back(NeighborLists& level, std::size_t begin, std::size_t end) {
  std::vector<BackEdge> edges;
  for (std::size_t node = begin; node < end; ++node)
    for (const Id target : level.list(static_cast<Id>(node))) edges.push_back({target, static_cast<Id>(node)});
  std::sort(edges.begin(), edges.end());
  std::vector<std::size_t> starts;  // of each target's edges
  for (std::size_t i = 0; i < edges.size(); ++i)
    if (i == 0 || edges[i].target != edges[i - 1].target) starts.push_back(i);
  starts.push_back(edges.size());
  parallel_for(params_.num_threads, starts.size() - 1, 16, [&](std::size_t first, std::size_t last, unsigned thread) {
    for (std::size_t i = first; i < last; ++i)
      add_back_edges(level, std::span(edges).subspan(starts[i], starts[i + 1] - starts[i]), workers_[thread]);
  });
}

void GraphBuilder::add_back_edges(NeighborLists& level, std::span<const BackEdge> edges, Worker& w) {
  const Id target = edges.front().target;
  const auto list = level.list(target);
  w.chosen.assign(list.begin(), list.end());
  for (const BackEdge& edge : edges) w.chosen.push_back(edge.source);
  if (w.chosen.size() > list_limit(level)) {
    SubsetScorer pair(*w.pair, graph_.ids, size());
    w.candidates.clear();
    for (const Id id : w.chosen) w.candidates.push_back({0, id});
    score_exactly(target, w);
    w.pruner.choose(w.candidates, list_limit(level), pair, w.chosen);
  }
  level.assign(target, w.chosen);
}

}  // namespace

BuiltGraph build_graph(const Codes& walked, const Codes& exact, const GraphParams& params) { return GraphBuilder(walked, exact, params).build(); }

}  // namespace cassata
