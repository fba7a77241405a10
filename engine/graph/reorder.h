// Orders nodes so that neighbours lie close to each other.
#pragma once

#include <vector>

#include "engine/graph/adjacency.h"

namespace cassata {

/// order[row] = the node that comes to stand there.
std::vector<Id> reorder(const NeighborLists& graph);

}  // namespace cassata
