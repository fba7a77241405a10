#include "engine/build/graph_builder.h"

#include <algorithm>
#include <memory>

#include "engine/build/connect.h"
#include "engine/build/parallel.h"
#include "engine/build/prune.h"
#include "engine/search/beam.h"

namespace cassata {
namespace {

/// Neighbours of a node during insertion: one place stays free for connect_all().
std::size_t list_limit(const NeighborLists& level) { return level.max_degree() - 1; }

/// What a thread needs.
struct Worker {
  std::unique_ptr<Scorer> query;  // bound to the vector that is inserted
  std::unique_ptr<Scorer> pair;   // bound to its neighbours in turn
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
  GraphBuilder(const Codes& codes, const GraphParams& params);
  BuiltGraph build();

 private:
  void insert_batch(std::size_t begin, std::size_t end);
  void find_neighbors(Id node, Worker& worker);
  void connect_back(NeighborLists& level, std::size_t begin, std::size_t end);
  void add_back_edges(NeighborLists& level, std::span<const BackEdge> edges, Worker& worker);
  /// The level on which the node stands highest; 0 is the ground.
  std::size_t top_level(Id node) const;

  const Codes& codes_;
  const GraphParams& params_;
  BuiltGraph graph_;
  std::vector<Worker> workers_;
};

GraphBuilder::GraphBuilder(const Codes& codes, const GraphParams& params) : codes_(codes), params_(params) {
  LevelAssignment assignment = assign_levels(codes.size(), params.m);
  graph_.ids = std::move(assignment.nodes);
  graph_.level_sizes = std::move(assignment.sizes);
  std::vector<bool> placed(codes.size());
  for (const Id id : graph_.ids) placed[id] = true;
  for (Id id = 0; id < codes.size(); ++id)
    if (!placed[id]) graph_.ids.push_back(id);
  graph_.levels.emplace_back(codes.size(), 2 * params.m);
  for (const std::uint64_t size : graph_.level_sizes) graph_.levels.emplace_back(size, params.m);
  workers_.resize(threads_of(params.num_threads));
  for (Worker& w : workers_) {
    w.query = codes.scorer(params.metric);
    w.pair = codes.scorer(params.metric);
  }
}

std::size_t GraphBuilder::top_level(Id node) const {
  std::size_t level = 0;
  while (level < graph_.level_sizes.size() && node < graph_.level_sizes[level]) ++level;
  return level;
}

BuiltGraph GraphBuilder::build() {
  constexpr std::size_t kGrowth = 16, kMaxBatch = 4096;  // a batch is at most 1/16 of the graph it is added to
  const std::size_t size = codes_.size();
  for (std::size_t begin = 1; begin < size;) {
    const std::size_t end = std::min(size, begin + std::clamp<std::size_t>(begin / kGrowth, 1, kMaxBatch));
    insert_batch(begin, end);
    if (params_.progress) params_.progress("graph", end, size);
    begin = end;
  }
  SubsetScorer query(*workers_.front().query, graph_.ids, size);
  for (NeighborLists& level : graph_.levels) connect_all(level, query, params_.ef_construction, workers_.front().work);
  return std::move(graph_);
}

void GraphBuilder::insert_batch(std::size_t begin, std::size_t end) {
  parallel_for(params_.num_threads, end - begin, 8, [&](std::size_t first, std::size_t last, unsigned thread) {
    for (std::size_t i = first; i < last; ++i) find_neighbors(static_cast<Id>(begin + i), workers_[thread]);
  });
  for (std::size_t l = 0; l < graph_.levels.size(); ++l)
    if (begin < graph_.levels[l].size()) connect_back(graph_.levels[l], begin, std::min(end, graph_.levels[l].size()));
}

void GraphBuilder::find_neighbors(Id node, Worker& w) {
  SubsetScorer query(*w.query, graph_.ids, codes_.size()), pair(*w.pair, graph_.ids, codes_.size());
  query.bind(node);
  w.work.entries.assign(1, 0);
  const std::size_t top = top_level(node), width = params_.ef_construction;
  for (std::size_t l = graph_.levels.size(); l-- > 0;) {
    beam_search(graph_.levels[l], query, w.work.entries, l <= top ? width : l == 1 ? entry_count(width) : 1, 0, w.work);
    const std::vector<Candidate>& found = w.work.beam.entries();
    if (l <= top) {
      w.pruner.choose(found, list_limit(graph_.levels[l]), pair, w.chosen);
      graph_.levels[l].assign(node, w.chosen);  // nobody sees it before the batch's edges back are made
    }
    w.work.entries.clear();
    for (std::size_t i = 0; i < std::min(found.size(), entry_count(width)); ++i) w.work.entries.push_back(found[i].id);
  }
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
    SubsetScorer pair(*w.pair, graph_.ids, codes_.size());
    w.distances.resize(w.chosen.size());
    pair.bind(target);
    pair.score(w.chosen, w.distances.data());
    w.candidates.clear();
    for (std::size_t i = 0; i < w.chosen.size(); ++i) w.candidates.push_back({w.distances[i], w.chosen[i]});
    std::sort(w.candidates.begin(), w.candidates.end());
    w.pruner.choose(w.candidates, list_limit(level), pair, w.chosen);
  }
  level.assign(target, w.chosen);
}

}  // namespace

BuiltGraph build_graph(const Codes& codes, const GraphParams& params) { return GraphBuilder(codes, params).build(); }

}  // namespace cassata
