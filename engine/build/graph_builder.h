// Builds a hierarchical navigable graph over stored vectors, in parallel and always the same.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/codes/codes.h"
#include "engine/graph/adjacency.h"
#include "engine/graph/levels.h"
#include "format/types.h"

namespace cassata {

struct GraphParams {
  Metric metric;
  std::uint32_t m;                ///< neighbours on the upper levels; 2 m on the ground level
  std::uint32_t ef_construction;  ///< candidates among which a node's neighbours are chosen
  unsigned num_threads;
  Progress progress;
};

/// Nodes are numbered in the order of their insertion: those of the upper levels by position, then the rest by id. So a level's nodes are
/// the first ones, and one number says what a node is on every level.
struct BuiltGraph {
  std::vector<Id> ids;                     ///< of the nodes
  std::vector<std::uint64_t> level_sizes;  ///< nodes on level 1, 2, ...
  std::vector<NeighborLists> levels;       ///< from the ground up
};

/// Inserts the vectors in batches that grow with the graph (Manohar et al., PPoPP 2024). Each vector of a batch looks for its neighbours in
/// the graph as it stood before the batch; then the edges back are gathered by target, and lists that became too long are pruned. No
/// locks, and the same graph for any number of threads. Walks go by the codes of `walked`, which may be compact ones; neighbours are chosen by
/// those of `exact`. Both may be the same.
BuiltGraph build_graph(const Codes& walked, const Codes& exact, const GraphParams& params);

}  // namespace cassata
