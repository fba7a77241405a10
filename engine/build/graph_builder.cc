#include "engine/build/graph_builder.h"

#include <algorithm>
#include <memory>

#include "engine/build/parallel.h"
#include "engine/build/prune.h"
#include "engine/search/beam.h"

namespace cassata {
namespace {

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

/// Nodes are numbered in the order of their insertion: those of the upper levels by position, then the rest by id. So a level's nodes are
/// the first ones, and one number says what a node is on every level.
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
  NeighborLists ground_by_id() const;

  const Codes& codes_;
  const GraphParams& params_;
  LevelAssignment assignment_;
  std::vector<Id> order_;              // node -> id
  std::vector<NeighborLists> levels_;  // from the ground up
  std::vector<Worker> workers_;
};

GraphBuilder::GraphBuilder(const Codes& codes, const GraphParams& params)
    : codes_(codes), params_(params), assignment_(assign_levels(codes.size(), params.m)), order_(assignment_.nodes) {
  std::vector<bool> placed(codes.size());
  for (const Id id : order_) placed[id] = true;
  for (Id id = 0; id < codes.size(); ++id)
    if (!placed[id]) order_.push_back(id);
  levels_.emplace_back(codes.size(), 2 * params.m);
  for (const std::uint64_t size : assignment_.sizes) levels_.emplace_back(size, params.m);
  workers_.resize(threads_of(params.num_threads));
  for (Worker& w : workers_) {
    w.query = codes.scorer(params.metric);
    w.pair = codes.scorer(params.metric);
  }
}

std::size_t GraphBuilder::top_level(Id node) const {
  std::size_t level = 0;
  while (level < assignment_.sizes.size() && node < assignment_.sizes[level]) ++level;
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
  std::vector<NeighborLists> upper(std::make_move_iterator(levels_.begin() + 1), std::make_move_iterator(levels_.end()));
  return {.levels = std::move(assignment_), .upper = std::move(upper), .ground = ground_by_id()};
}

void GraphBuilder::insert_batch(std::size_t begin, std::size_t end) {
  parallel_for(params_.num_threads, end - begin, 8, [&](std::size_t first, std::size_t last, unsigned thread) {
    for (std::size_t i = first; i < last; ++i) find_neighbors(static_cast<Id>(begin + i), workers_[thread]);
  });
  for (std::size_t l = 0; l < levels_.size(); ++l)
    if (begin < levels_[l].size()) connect_back(levels_[l], begin, std::min(end, levels_[l].size()));
}

void GraphBuilder::find_neighbors(Id node, Worker& w) {
  SubsetScorer query(*w.query, order_, codes_.size()), pair(*w.pair, order_, codes_.size());
  query.bind(node);
  w.work.entries.assign(1, 0);
  const std::size_t top = top_level(node), width = params_.ef_construction;
  for (std::size_t l = levels_.size(); l-- > 0;) {
    beam_search(levels_[l], query, w.work.entries, l <= top ? width : l == 1 ? entry_count(width) : 1, 0, w.work);
    const std::vector<Candidate>& found = w.work.beam.entries();
    if (l <= top) {
      w.pruner.choose(found, levels_[l].max_degree(), pair, w.chosen);
      levels_[l].assign(node, w.chosen);  // nobody sees it before the batch's edges back are made
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
    for (std::size_t i = first; i < last; ++i) add_back_edges(level, std::span(edges).subspan(starts[i], starts[i + 1] - starts[i]), workers_[thread]);
  });
}

void GraphBuilder::add_back_edges(NeighborLists& level, std::span<const BackEdge> edges, Worker& w) {
  const Id target = edges.front().target;
  const auto list = level.list(target);
  w.chosen.assign(list.begin(), list.end());
  for (const BackEdge& edge : edges) w.chosen.push_back(edge.source);
  if (w.chosen.size() > level.max_degree()) {
    SubsetScorer pair(*w.pair, order_, codes_.size());
    w.distances.resize(w.chosen.size());
    pair.bind(target);
    pair.score(w.chosen, w.distances.data());
    w.candidates.clear();
    for (std::size_t i = 0; i < w.chosen.size(); ++i) w.candidates.push_back({w.distances[i], w.chosen[i]});
    std::sort(w.candidates.begin(), w.candidates.end());
    w.pruner.choose(w.candidates, level.max_degree(), pair, w.chosen);
  }
  level.assign(target, w.chosen);
}

NeighborLists GraphBuilder::ground_by_id() const {
  NeighborLists out(codes_.size(), levels_.front().max_degree());
  std::vector<Id> list;
  for (Id node = 0; node < codes_.size(); ++node) {
    list.clear();
    for (const Id neighbor : levels_.front().list(node)) list.push_back(order_[neighbor]);
    out.assign(order_[node], list);
  }
  return out;
}

}  // namespace

BuiltGraph build_graph(const Codes& codes, const GraphParams& params) { return GraphBuilder(codes, params).build(); }

}  // namespace cassata
