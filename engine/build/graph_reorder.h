// Reorders nodes so that neighbours lie close together.
#pragma once

#include <span>
#include <vector>

#include "cassata/types.h"
#include "engine/graph/adjacency.h"

namespace cassata {

/// Returns the order: order[row] is the node that becomes this row. Recursive graph bisection (Dhulipala et al., KDD
/// 2016) makes the differences between the rows of a list small. It needs twice the memory of the graph. The order does
/// not depend on `num_threads`. Reports stage "order" to `progress`.
std::vector<Id> reorder(const NeighborLists& graph, unsigned num_threads, const Progress& progress = {});
/// Orders a subset of the nodes, each given once, by the edges among them. Needs twice the memory of their lists.
std::vector<Id> reorder(const NeighborLists& graph, std::span<const Id> nodes, unsigned num_threads,
                        const Progress& progress = {});

}  // namespace cassata
