// Random valid neighbour lists.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/graph/adjacency.h"
#include "tests/support/random.h"

namespace cassata::test {

/// Up to `degree` other nodes below n, each once, in random order.
inline std::vector<Id> random_list(Random& random, Id node, std::size_t n, std::size_t degree) {
  std::vector<Id> list;
  for (std::size_t tries = below(random, degree + 1); tries > 0; --tries) {
    const Id id = static_cast<Id>(below(random, n));
    if (id != node && std::ranges::find(list, id) == list.end()) list.push_back(id);
  }
  return list;
}

/// A list for each of n nodes.
inline std::vector<std::vector<Id>> random_lists(Random& random, std::size_t n, std::size_t degree) {
  std::vector<std::vector<Id>> lists;
  for (Id node = 0; node < n; ++node) lists.push_back(random_list(random, node, n, degree));
  return lists;
}

}  // namespace cassata::test
