// Sees to it that a walk can come to every node.
#pragma once

#include <cstddef>
#include <span>

#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/graph/adjacency.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Gives each node to which no path leads from node 0 an edge from the closest node that has one: pruning may leave
/// nodes without an edge to them, equal vectors above all. `scorer` scores nodes. Each list must have a free place; a
/// node that is attached brings one, so there always is one. `width` is that of the walks that look for the closest. No
/// path needs to lead to the nodes `apart`, which have no edges; those that are not on the level do not matter. Tells
/// `progress`, if any, of a stage "connect", in nodes.
void repair_connectivity(NeighborLists& level, Scorer& scorer, std::size_t width, std::span<const Id> apart,
                         Workspace& work, const Progress& progress = {});

}  // namespace cassata
