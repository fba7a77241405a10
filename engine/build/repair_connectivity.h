// Makes every node of a graph reachable.
#pragma once

#include <cstddef>
#include <span>

#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/graph/adjacency.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Gives each node that is unreachable from node 0 an edge from the nearest reachable node: neighbour selection may
/// leave nodes without incoming edges, equal vectors above all. Every list must have a free place; a node that is
/// attached brings another, so one always remains. `scorer` scores nodes; `width` is the beam width of the searches for
/// the nearest node. Nodes in `duplicates`, which have no edges, count as reachable; ids beyond the layer are ignored.
/// Reports stage "connect" to `progress`, in nodes.
void repair_connectivity(NeighborLists& level, Scorer& scorer, std::size_t width, std::span<const Id> duplicates,
                         Workspace& work, const Progress& progress = {});

}  // namespace cassata
