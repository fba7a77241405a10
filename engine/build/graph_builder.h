// Builds an HNSW graph over stored vectors, in parallel and deterministically.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cassata/types.h"
#include "engine/base/parallel.h"
#include "engine/build/near_copies.h"
#include "engine/codec/codes.h"
#include "engine/graph/adjacency.h"
#include "engine/graph/hierarchy.h"

namespace cassata {

struct GraphBuildParams {
  Metric metric;
  std::uint32_t m;                ///< most neighbours of a node in an upper layer; the base layer has 2 m
  std::uint32_t ef_construction;  ///< candidates from which the neighbours of a new node are selected
  unsigned num_threads;
  Progress progress;
  std::chrono::milliseconds checkpoint_interval{0};  ///< least time between commits of the graph log
};

/// A graph under construction. Nodes are numbered so that the nodes of each layer are the first ones; a node has the
/// same number in every layer.
struct BuiltGraph {
  /// A graph without edges. Nodes that are only in the base layer have the order of ids. `base` is memory for the lists
  /// of the base layer, size * 2 m ids; if empty, the graph allocates its own.
  BuiltGraph(std::uint64_t size, std::uint32_t m, std::span<Id> base = {});

  /// Number of nodes in the upper layers.
  std::size_t upper() const noexcept { return level_sizes.empty() ? 0 : level_sizes.front(); }

  std::vector<Id> ids;                     ///< node -> id
  std::vector<std::uint64_t> level_sizes;  ///< number of nodes in layer 1, 2, ...
  std::vector<NeighborLists> levels;       ///< the layers, from the base layer up
  /// Exact and near duplicates, as (node, representative), in the order of their discovery. They have no edges.
  std::vector<std::pair<Id, Id>> duplicates;
  float near_radius = 0;  ///< largest length (metric.h) between a near duplicate and its representative
};

/// The nodes from `begin` to `end` in a fixed random order: consecutive rows are often similar, and the nodes of an
/// insertion batch do not see each other.
std::vector<Id> shuffled(Id begin, Id end);

/// Inserts vectors in batches that grow with the graph (ParlayANN; Manohar et al., PPoPP 2024). Each vector of a batch
/// is searched in the graph as it was before the batch; then reverse edges are grouped by target, and lists that became
/// too long are pruned. This needs no locks and gives the same graph for any number of threads.
class GraphBuilder {
 public:
  /// Called for each node whose list in layer `level` a batch has changed.
  using Changed = std::function<void(std::size_t level, Id node)>;
  /// Called after each batch, with its number of nodes.
  using Done = std::function<void(std::size_t nodes)>;

  /// Borrows both.
  GraphBuilder(BuiltGraph& graph, const GraphBuildParams& params, Threads threads);
  ~GraphBuilder();
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  /// Sets the codes, which are borrowed: node i is row rows[i] of both. `traversal` codes, which may be compact, find
  /// candidates; `pruning` codes, which are finer, select neighbours among them. Both may be the same.
  void set_codes(const Codes& traversal, const Codes& pruning, std::span<const Id> rows);
  /// The pruning codes of these nodes are in memory, so that insertion need not fetch them from disk.
  void set_resident(Id begin, Id end);
  /// Sets the callbacks for later batches; either may be empty.
  void observe(Changed changed, Done done);
  /// Inserts `nodes`, which should be shuffled(), in their order. The first `done` of them are already inserted. The
  /// size of a batch grows with the inserted nodes among `nodes` plus `similar`, the number of other inserted nodes
  /// near them. Duplicates get no edges.
  void insert(std::span<const Id> nodes, std::size_t done, std::size_t similar);
  /// out[i] = a node of layer 1 close to node first + i. Requires upper layers, with all their nodes inserted. Reports
  /// stage "place".
  void find_upper_nodes(Id first, std::span<Id> out);
  /// Makes every node reachable (repair_connectivity()). Call it after all insertions.
  void repair();

 private:
  struct Worker;
  struct ReverseEdge;

  void insert_batch(std::span<const Id> nodes);
  void bind(Id node, Worker& worker);
  /// Result of the search for a new node, besides its lists.
  struct Found {
    Id duplicate_of = kNoId;
    Candidate nearest = {0, kNoId};
  };
  Found find_neighbors(Id node, Worker& worker);
  /// The near-duplicate rule, created on first use from the nodes of the upper layers: their numbers never change, so a
  /// resumed build gets the same rule.
  const NearRule& near();
  void find_duplicates(std::span<const Id> nodes, std::span<Found> found);
  void add_reverse_edges(std::size_t level, std::span<const Id> nodes);
  void merge_reverse_edges(NeighborLists& level, std::span<const ReverseEdge> edges, Worker& worker);
  /// The highest layer of the node; 0 is the base layer.
  std::size_t top_level(Id node) const;
  /// Scores the worker's candidates by the pruning codes and sorts them. A NaN, from distances beyond the range of f32,
  /// counts as infinity.
  void score_exactly(Id node, Worker& worker);

  BuiltGraph& graph_;
  const GraphBuildParams& params_;
  const Codes* traversal_ = nullptr;
  const Codes* pruning_ = nullptr;
  std::span<const Id> rows_;
  Id resident_begin_ = 0, resident_end_ = kNoId;
  std::size_t inserted_ = 0;  // number of nodes, for progress
  std::optional<NearRule> near_;
  Threads threads_;
  Changed changed_;
  Done done_;
  std::vector<Worker> workers_;
};

/// Builds the graph over all vectors in memory. Ids are row numbers of the codes.
BuiltGraph build_graph(const Codes& traversal, const Codes& pruning, const GraphBuildParams& params);

}  // namespace cassata
