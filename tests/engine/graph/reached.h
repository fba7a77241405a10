// Reachability of nodes.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/graph/adjacency.h"

namespace cassata::test {

/// For each node: true if a path leads to it from node 0.
inline std::vector<bool> reached_in(const NeighborLists& level) {
  std::vector<bool> met(level.size());
  std::vector<Id> open = {0};
  met[0] = true;
  while (!open.empty()) {
    const Id node = open.back();
    open.pop_back();
    for (const Id next : level.list(node))
      if (!met[next]) {
        met[next] = true;
        open.push_back(next);
      }
  }
  return met;
}

/// The nodes that no path from node 0 reaches.
inline std::size_t unreached_in(const NeighborLists& level) {
  const auto met = reached_in(level);
  return static_cast<std::size_t>(std::ranges::count(met, false));
}

}  // namespace cassata::test
