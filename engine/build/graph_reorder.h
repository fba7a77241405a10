// Orders nodes so that neighbours lie close to each other.
#pragma once

#include <span>
#include <vector>

#include "cassata/types.h"
#include "engine/graph/adjacency.h"

namespace cassata {

/// order[row] = the node that comes to stand there. Recursive bisection of the graph (Dhulipala et al., KDD 2016) makes
/// the differences between the rows of a list small; it holds twice the graph more while it runs. The order does not
/// depend on `num_threads`. Tells `progress`, if any, of a stage "order".
std::vector<Id> reorder(const NeighborLists& graph, unsigned num_threads, const Progress& progress = {});
/// The same of some nodes, each once, by the edges among them; it holds twice as much as their lists take.
std::vector<Id> reorder(const NeighborLists& graph, std::span<const Id> nodes, unsigned num_threads,
                        const Progress& progress = {});

}  // namespace cassata
