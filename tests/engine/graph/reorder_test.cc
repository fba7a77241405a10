// The order of rows in a permuted file.
#include "engine/graph/reorder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/support/random.h"

namespace cassata {
namespace {

using namespace test;

/// Lists of up to `degree` random ids; with few of them the graph falls to pieces.
NeighborLists random_graph(Random& random, std::size_t n, std::size_t degree) {
  NeighborLists graph(n, degree + 1);
  for (Id id = 0; id < n; ++id) {
    std::vector<Id> list(below(random, degree + 1));
    for (Id& other : list) other = static_cast<Id>(below(random, n));
    graph.assign(id, list);
  }
  return graph;
}

TEST(Reorder, IsAPermutationOfAnyGraph) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 300);
    std::vector<Id> order = reorder(random_graph(random, n, below(random, 4)));
    ASSERT_EQ(order.size(), n);
    std::ranges::sort(order);
    for (Id id = 0; id < n; ++id) ASSERT_EQ(order[id], id);
  }
}

TEST(Reorder, GoesFromNeighbourToNeighbour) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 3 + below(random, 500);
    std::vector<Id> ring(n);
    std::iota(ring.begin(), ring.end(), Id{0});
    std::ranges::shuffle(ring, random);
    NeighborLists graph(n, 2);
    for (std::size_t i = 0; i < n; ++i) graph.assign(ring[i], std::vector<Id>{ring[(i + 1) % n], ring[(i + n - 1) % n]});
    const std::vector<Id> order = reorder(graph);
    std::vector<std::size_t> row_of(n);
    for (std::size_t row = 0; row < n; ++row) row_of[order[row]] = row;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t a = row_of[ring[i]], b = row_of[ring[(i + 1) % n]];
      ASSERT_LE(std::max(a, b) - std::min(a, b), 2u) << "neighbours " << ring[i] << " and " << ring[(i + 1) % n];
    }
  }
}

}  // namespace
}  // namespace cassata
