#include "engine/build/graph_builder.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <tuple>
#include <utility>

#include "engine/base/parallel.h"
#include "engine/build/repair_connectivity.h"
#include "engine/build/select_neighbors.h"
#include "engine/search/beam_walk.h"

namespace cassata {
namespace {

/// Neighbours of a node during insertion: one place stays free for repair_connectivity().
std::size_t list_limit(const NeighborLists& level) { return level.max_degree() - 1; }

}  // namespace

/// What a thread needs.
struct GraphBuilder::Worker {
  std::unique_ptr<Scorer> query;  // bound to the vector that is inserted, by the codes that are traversal
  std::unique_ptr<Scorer> pair;   // bound to it and to its neighbours in turn, by the pruning ones
  std::vector<float> values;      // of the vector that is inserted
  Workspace work;
  NeighborSelector selector;
  std::vector<Candidate> candidates;
  std::vector<Id> chosen, absent;
  std::vector<float> distances;
};

/// An edge back, from `target` to the node that chose it.
struct GraphBuilder::BackEdge {
  Id target, source;
  friend bool operator<(const BackEdge& a, const BackEdge& b) {
    return a.target != b.target ? a.target < b.target : a.source < b.source;
  }
};

BuiltGraph::BuiltGraph(std::uint64_t size, std::uint32_t m, std::span<Id> base) {
  LevelAssignment assignment = assign_levels(size, m);
  ids = std::move(assignment.nodes);
  level_sizes = std::move(assignment.sizes);
  std::vector<bool> placed(size);
  for (const Id id : ids) placed[id] = true;
  for (Id id = 0; id < size; ++id)
    if (!placed[id]) ids.push_back(id);
  levels.push_back(base.empty() ? NeighborLists(size, 2 * m) : NeighborLists(size, 2 * m, base));
  for (const std::uint64_t nodes : level_sizes) levels.emplace_back(nodes, m);
}

std::vector<Id> shuffled(Id begin, Id end) {
  std::vector<Id> nodes(end - begin);
  for (Id& node : nodes) node = static_cast<Id>(begin + (&node - nodes.data()));
  std::mt19937 random(begin);  // NOLINT: the same order every time
  for (std::size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random() % i]);
  return nodes;
}

GraphBuilder::GraphBuilder(BuiltGraph& graph, const GraphParams& params, Threads threads)
    : graph_(graph), params_(params), threads_(threads), workers_(threads.count) {}

GraphBuilder::~GraphBuilder() = default;

void GraphBuilder::use(const Codes& traversal, const Codes& pruning, std::span<const Id> rows) {
  traversal_ = &traversal;
  pruning_ = &pruning;
  rows_ = rows;
  for (Worker& w : workers_) {
    w.query = traversal.scorer(params_.metric);
    w.pair = pruning.scorer(params_.metric);
    if (&traversal != &pruning) w.values.resize(pruning.dim());
  }
}

void GraphBuilder::have(Id begin, Id end) {
  have_begin_ = begin;
  have_end_ = end;
}

void GraphBuilder::tell(Changed changed, Done done) {
  changed_ = std::move(changed);
  done_ = std::move(done);
}

std::size_t GraphBuilder::top_level(Id node) const {
  std::size_t level = 0;
  while (level < graph_.level_sizes.size() && node < graph_.level_sizes[level]) ++level;
  return level;
}

void GraphBuilder::insert(std::span<const Id> nodes, std::size_t done, std::size_t met) {
  constexpr std::size_t kGrowth = 16, kMaxBatch = 4096;  // a batch is at most 1/16 of what it is added to
  inserted_ += done;
  if (done == nodes.size()) return;
  near();
  while (done < nodes.size()) {
    const auto batch = nodes.subspan(
        done, std::min(nodes.size() - done, std::clamp<std::size_t>((done + met) / kGrowth, 1, kMaxBatch)));
    insert_batch(batch);
    done += batch.size();
    inserted_ += batch.size();
    if (done_) done_(batch.size());
  }
}

const NearRule& GraphBuilder::near() {
  if (!near_) {
    SubsetScorer scorer(*workers_.front().pair, rows_, pruning_->size());
    near_.emplace(params_.metric, graph_.upper() > 1 ? graph_.upper() : graph_.ids.size(), scorer);
  }
  return *near_;
}

void GraphBuilder::connect() {
  graph_.near_radius = near().radius();
  SubsetScorer scorer(*workers_.front().pair, rows_, pruning_->size());
  std::vector<Id> apart;
  for (const auto& [node, representative] : graph_.duplicates) apart.push_back(node);
  for (NeighborLists& level : graph_.levels)
    repair_connectivity(level, scorer, params_.ef_construction, apart, workers_.front().work, params_.progress);
}

void GraphBuilder::insert_batch(std::span<const Id> nodes) {
  constexpr std::size_t kNodes = 8, kNodesATurn = 64 * kNodes;
  const auto report = [&](std::size_t done) {
    if (params_.progress) params_.progress("graph", 1 + inserted_ + done, graph_.ids.size());
  };
  std::vector<Found> found(nodes.size());
  parallel_for(threads_, nodes.size(), kNodes, kNodesATurn, report,
               [&](std::size_t first, std::size_t last, unsigned thread) {
                 for (std::size_t i = first; i < last; ++i) found[i] = find_neighbors(nodes[i], workers_[thread]);
               });
  find_duplicates(nodes, found);
  for (std::size_t l = 0; l < graph_.levels.size(); ++l) connect_back(l, nodes);
}

void GraphBuilder::bind(Id node, Worker& w) {
  if (traversal_ == pruning_) return w.query->bind(rows_[node]);
  pruning_->decode(rows_[node], w.values.data());
  w.query->bind(VectorView{.values = w.values});
}

/// Duplicates within a batch have not seen each other, but the same nearest node at the same distance.
void GraphBuilder::find_duplicates(std::span<const Id> nodes, std::span<Found> found) {
  constexpr std::size_t kCompared = 8;
  std::vector<std::size_t> fresh;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (found[i].duplicate_of == kNoId && found[i].nearest.id != kNoId) fresh.push_back(i);
  std::ranges::sort(
      fresh, {}, [&](std::size_t i) { return std::tuple(found[i].nearest.id, found[i].nearest.distance, nodes[i]); });
  Worker& w = workers_.front();
  SubsetScorer pair(*w.pair, rows_, pruning_->size());
  std::vector<std::size_t> kept;  // with the same nearest node
  for (const std::size_t i : fresh) {
    const Candidate nearest = found[i].nearest;
    if (!kept.empty() && found[kept.back()].nearest.id != nearest.id) kept.clear();
    w.chosen.clear();
    for (std::size_t back = 1; back <= std::min(kCompared, kept.size()); ++back) {
      const std::size_t other = kept[kept.size() - back];
      if (!near_->may_be_near(found[other].nearest.distance, nearest.distance)) break;
      w.chosen.push_back(nodes[other]);
    }
    if (!w.chosen.empty()) {
      w.candidates.clear();
      for (const Id other : w.chosen) w.candidates.push_back({0, other});
      score_exactly(nodes[i], w);
      found[i].duplicate_of = near_->find(nodes[i], w.candidates, pair);
    }
    if (found[i].duplicate_of == kNoId) kept.push_back(i);
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (found[i].duplicate_of == kNoId) continue;
    graph_.duplicates.emplace_back(nodes[i], found[i].duplicate_of);
    for (std::size_t l = 0; l <= top_level(nodes[i]); ++l) graph_.levels[l].assign(nodes[i], {});
  }
}

GraphBuilder::Found GraphBuilder::find_neighbors(Id node, Worker& w) {
  SubsetScorer query(*w.query, rows_, traversal_->size()), pair(*w.pair, rows_, pruning_->size());
  Found out;
  bind(node, w);
  w.work.entries.assign(1, 0);
  const std::size_t top = top_level(node), width = params_.ef_construction;
  for (std::size_t l = graph_.levels.size(); l-- > 0;) {
    beam_search(graph_.levels[l], query, w.work.entries, l <= top ? width : l == 1 ? entry_count(width) : 1, 0, w.work);
    const std::vector<Candidate>& found = w.work.beam.entries();
    if (l <= top) {
      w.candidates = found;
      if (traversal_ != pruning_) score_exactly(node, w);
      if (l == 0) {
        out.duplicate_of = near_->find(node, w.candidates, pair);
        if (out.duplicate_of != kNoId) return out;
        if (!w.candidates.empty()) out.nearest = w.candidates.front();
      }
      w.selector.select_neighbors(w.candidates, list_limit(graph_.levels[l]), pair, w.chosen, near_->wild());
      graph_.levels[l].assign(node, w.chosen);  // nobody sees it before the batch's edges back are made
    }
    w.work.entries.clear();
    for (std::size_t i = 0; i < std::min(found.size(), entry_count(width)); ++i) w.work.entries.push_back(found[i].id);
  }
  return out;
}

void GraphBuilder::place(Id first, std::span<Id> out) {
  constexpr std::size_t kNodes = 64, kNodesATurn = 4096, kWidth = 8;
  const auto report = [&](std::size_t done) {
    if (params_.progress) params_.progress("place", done, out.size());
  };
  parallel_for(threads_, out.size(), kNodes, kNodesATurn, report,
               [&](std::size_t begin, std::size_t end, unsigned thread) {
                 Worker& w = workers_[thread];
                 SubsetScorer query(*w.query, rows_, traversal_->size());
                 for (std::size_t i = begin; i < end; ++i) {
                   bind(static_cast<Id>(first + i), w);
                   w.work.entries.assign(1, 0);
                   for (std::size_t l = graph_.levels.size(); l-- > 1;) {
                     beam_search(graph_.levels[l], query, w.work.entries, l == 1 ? kWidth : 1, 0, w.work);
                     w.work.entries.assign(1, w.work.beam.entries().front().id);
                   }
                   out[i] = w.work.entries.front();
                 }
               });
}

void GraphBuilder::score_exactly(Id node, Worker& w) {
  SubsetScorer pair(*w.pair, rows_, pruning_->size());
  w.chosen.clear();
  for (const Candidate& c : w.candidates) w.chosen.push_back(c.id);
  w.distances.resize(w.chosen.size());
  w.absent.clear();
  std::copy_if(w.chosen.begin(), w.chosen.end(), std::back_inserter(w.absent),
               [&](Id id) { return id < have_begin_ || id >= have_end_; });
  if (!w.absent.empty()) pair.fetch(w.absent);
  pair.prefetch(w.chosen);
  pair.bind(node);
  pair.score(w.chosen, w.distances.data());
  for (std::size_t i = 0; i < w.chosen.size(); ++i)
    w.candidates[i].distance = std::isnan(w.distances[i]) ? std::numeric_limits<float>::infinity() : w.distances[i];
  std::sort(w.candidates.begin(), w.candidates.end());
}

void GraphBuilder::connect_back(std::size_t number, std::span<const Id> nodes) {
  NeighborLists& level = graph_.levels[number];
  std::vector<BackEdge> edges;
  for (const Id node : nodes) {
    if (node >= level.size()) continue;
    if (changed_) changed_(number, node);
    for (const Id target : level.list(node)) edges.push_back({target, node});
  }
  std::sort(edges.begin(), edges.end());
  std::vector<std::size_t> starts;  // of each target's edges
  for (std::size_t i = 0; i < edges.size(); ++i)
    if (i == 0 || edges[i].target != edges[i - 1].target) starts.push_back(i);
  starts.push_back(edges.size());
  parallel_for(threads_, starts.size() - 1, 16, [&](std::size_t first, std::size_t last, unsigned thread) {
    for (std::size_t i = first; i < last; ++i)
      add_back_edges(level, std::span(edges).subspan(starts[i], starts[i + 1] - starts[i]), workers_[thread]);
  });
  if (!changed_) return;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) changed_(number, edges[starts[i]].target);
}

void GraphBuilder::add_back_edges(NeighborLists& level, std::span<const BackEdge> edges, Worker& w) {
  const Id target = edges.front().target;
  const auto list = level.list(target);
  w.chosen.assign(list.begin(), list.end());
  for (const BackEdge& edge : edges) w.chosen.push_back(edge.source);
  if (w.chosen.size() > list_limit(level)) {
    SubsetScorer pair(*w.pair, rows_, pruning_->size());
    w.candidates.clear();
    for (const Id id : w.chosen) w.candidates.push_back({0, id});
    score_exactly(target, w);
    w.selector.select_neighbors(w.candidates, list_limit(level), pair, w.chosen, near_->wild());
  }
  level.assign(target, w.chosen);
}

BuiltGraph build_graph(const Codes& traversal, const Codes& pruning, const GraphParams& params) {
  BuiltGraph graph(pruning.size(), params.m);
  const Id first = std::max<Id>(1, static_cast<Id>(graph.upper())), size = static_cast<Id>(pruning.size());
  std::vector<Id> nodes = shuffled(1, first);  // node 0 needs no neighbours
  // The others are numbered in the order of their insertion: lists that are made together lie together.
  std::vector<Id> ids;
  for (const Id node : shuffled(first, size)) ids.push_back(graph.ids[node]);
  std::ranges::copy(ids, graph.ids.begin() + first);
  for (Id node = first; node < size; ++node) nodes.push_back(node);
  GraphBuilder builder(graph, params, params.num_threads);
  builder.use(traversal, pruning, graph.ids);
  builder.insert(nodes, 0, 1);
  builder.connect();
  return graph;
}

}  // namespace cassata
