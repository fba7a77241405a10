// The order of rows in a permuted file.
#include "engine/build/graph_reorder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/random.h"

namespace cassata::graph_reorder_test {
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
    std::vector<Id> order = reorder(random_graph(random, n, below(random, 4)), 1);
    ASSERT_EQ(order.size(), n);
    std::ranges::sort(order);
    for (Id id = 0; id < n; ++id) ASSERT_EQ(order[id], id);
  }
}

TEST(Reorder, DoesNotDependOnThreads) {
  Random random(1);
  const NeighborLists graph = random_graph(random, 40'000, 6);
  const std::vector<Id> order = reorder(graph, 1);
  for (const unsigned threads : {2u, 3u, 0u}) ASSERT_TRUE(reorder(graph, threads) == order) << threads << " threads";
}

/// Mean binary logarithm of the differences between rows of a list with its node, sorted.
double mean_bits(const NeighborLists& graph, const std::vector<Id>& order) {
  std::vector<Id> row_of(order.size());
  for (Id row = 0; row < order.size(); ++row) row_of[order[row]] = row;
  double bits = 0, count = 0;
  for (Id node = 0; node < order.size(); ++node) {
    std::vector<Id> rows = {row_of[node]};
    for (const Id neighbor : graph.list(node)) rows.push_back(row_of[neighbor]);
    std::ranges::sort(rows);
    for (std::size_t i = 1; i < rows.size(); ++i) bits += std::log2(std::max<Id>(1, rows[i] - rows[i - 1])), ++count;
  }
  return bits / std::max(1.0, count);
}

TEST(Reorder, PutsCommunitiesTogether) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t size = 8 + below(random, 60), n = size * (20 + below(random, 50));
    std::vector<Id> hidden(n);  // communities are next to each other here, of which a list has 9 in 10
    std::iota(hidden.begin(), hidden.end(), Id{0});
    std::ranges::shuffle(hidden, random);
    NeighborLists graph(n, 12);
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<Id> list;
      for (std::size_t j = 0; j < 10; ++j)
        list.push_back(hidden[j == 0 ? below(random, n) : i / size * size + below(random, size)]);
      graph.assign(hidden[i], list);
    }
    std::vector<Id> shuffled = hidden;
    std::ranges::shuffle(shuffled, random);
    const double best = mean_bits(graph, hidden), found = mean_bits(graph, reorder(graph, 1)),
                 worst = mean_bits(graph, shuffled);
    EXPECT_LT(found, best + 0.25 * (worst - best)) << "best " << best << ", worst " << worst;
  }
}

}  // namespace
}  // namespace cassata::graph_reorder_test
