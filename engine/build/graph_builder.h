// Builds a hierarchical navigable graph over stored vectors, in parallel and always the same.
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

struct GraphParams {
  Metric metric;
  std::uint32_t m;                ///< neighbours on the upper layers; 2 m on the base layer
  std::uint32_t ef_construction;  ///< candidates among which a node's neighbours are chosen
  unsigned num_threads;
  Progress progress;
  std::chrono::milliseconds checkpoint_interval{0};  ///< of a build that keeps what it did
};

/// Nodes are numbered so that those of the upper layers come first, by position: a level's nodes are the first ones,
/// and one number says what a node is on every level.
struct BuiltGraph {
  /// Without an edge; the rest is in the order of ids. `base`: memory for the lists of the base layer, size * 2 m
  /// ids; none: its own.
  BuiltGraph(std::uint64_t size, std::uint32_t m, std::span<Id> base = {});

  /// Nodes that stand on upper layers, too.
  std::size_t upper() const noexcept { return level_sizes.empty() ? 0 : level_sizes.front(); }

  std::vector<Id> ids;                     ///< of the nodes
  std::vector<std::uint64_t> level_sizes;  ///< nodes on level 1, 2, ...
  std::vector<NeighborLists> levels;       ///< from the base layer up
  /// Nodes that another one stands for, as a copy or a near copy of it: (node, representative), as they were found.
  /// They have no edges.
  std::vector<std::pair<Id, Id>> duplicates;
  float near_radius = 0;  ///< how far a near copy is from its representative at most (L2)
};

/// The nodes from `begin` to `end` in a random order, always the same: rows that follow one another are often alike,
/// and those of a batch do not see each other.
std::vector<Id> shuffled(Id begin, Id end);

/// Inserts vectors in batches that grow with the graph (Manohar et al., PPoPP 2024). Each vector of a batch looks for
/// its neighbours in the graph as it stood before the batch; then the edges back are gathered by target, and lists that
/// became too long are pruned. No locks, and the same graph for any number of threads.
class GraphBuilder {
 public:
  /// Nodes whose lists a batch has changed, on a level.
  using Changed = std::function<void(std::size_t level, Id node)>;
  /// A batch of so many nodes is done.
  using Done = std::function<void(std::size_t nodes)>;

  /// Borrows both.
  GraphBuilder(BuiltGraph& graph, const GraphParams& params, Threads threads);
  ~GraphBuilder();
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  /// Where the vectors lie from now on, borrowed: that of node i is number rows[i] of both. Walks go by the codes of
  /// `traversal`, which may be compact ones; neighbours are chosen by those of `pruning`, which are finer. Both may be
  /// the same.
  void use(const Codes& traversal, const Codes& pruning, std::span<const Id> rows);
  /// The finer codes of these nodes are in memory, and need not be asked for.
  void have(Id begin, Id end);
  /// What is told of every batch from now on.
  void tell(Changed changed, Done done);
  /// Inserts the nodes in the order given, but for the first `done` of them, which are inserted. Batches grow with what
  /// they are added to: those inserted of `nodes`, and `met` others that are like these. The order should be
  /// shuffled(). A node that turns out to be a duplicate of another gets no edges.
  void insert(std::span<const Id> nodes, std::size_t done, std::size_t met);
  /// out[i] = the node of level 1 that node first + i is close to. There are upper layers, and their nodes are
  /// inserted.
  void place(Id first, std::span<Id> out);
  /// Sees to it that a path leads to every node. Last.
  void connect();

 private:
  struct Worker;
  struct BackEdge;

  void insert_batch(std::span<const Id> nodes);
  void bind(Id node, Worker& worker);
  /// What of an inserted node is told apart from its lists.
  struct Found {
    Id duplicate_of = kNoId;
    Candidate nearest = {0, kNoId};
  };
  Found find_neighbors(Id node, Worker& worker);
  /// The rule, made when it is first asked for: by the same nodes even where a build is resumed, those of the upper
  /// levels, whose numbers stay.
  const NearRule& near();
  void find_duplicates(std::span<const Id> nodes, std::span<Found> found);
  void connect_back(std::size_t level, std::span<const Id> nodes);
  void add_back_edges(NeighborLists& level, std::span<const BackEdge> edges, Worker& worker);
  /// The level on which the node stands highest; 0 is the base layer.
  std::size_t top_level(Id node) const;
  /// Distances of the candidates to the node by the finer codes, in order; a NaN, as of distances beyond f32, is
  /// infinite.
  void score_exactly(Id node, Worker& worker);

  BuiltGraph& graph_;
  const GraphParams& params_;
  const Codes* traversal_ = nullptr;
  const Codes* pruning_ = nullptr;
  std::span<const Id> rows_;
  Id have_begin_ = 0, have_end_ = kNoId;
  std::size_t inserted_ = 0;  // for progress
  std::optional<NearRule> near_;
  Threads threads_;
  Changed changed_;
  Done done_;
  std::vector<Worker> workers_;
};

/// The graph over all vectors, which are numbered as the codes are.
BuiltGraph build_graph(const Codes& traversal, const Codes& pruning, const GraphParams& params);

}  // namespace cassata
