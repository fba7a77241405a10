// The order of sparse rows: complete, the same for any number of threads, similar rows together.
#include "engine/build/region_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/random_case.h"

namespace cassata::region_order_test {
namespace {

using namespace test;

constexpr std::size_t kBlock = 32;

TEST(Order, IsAPermutationForAnyNumberOfThreads) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::size_t n = seed == 0 ? 1 : seed == 1 ? 20'000 : 1 + below(random, 700);
    const std::size_t dim =
        seed % 3 == 0 ? (std::size_t{1} << 20) + 5 + below(random, 1 << 20) : 1 + below(random, 300);
    const SparseVectors rows = seed % 5 == 4 ? random_sparse(random, n, 1, 1) : random_sparse(random, n, dim, 20);
    const std::vector<Id> order = order_by_similarity(rows.batch(dim), kBlock, 1, {});
    EXPECT_EQ(order_by_similarity(rows.batch(dim), kBlock, 3, {}), order);
    std::vector<Id> sorted = order, all(n);
    std::sort(sorted.begin(), sorted.end());
    std::iota(all.begin(), all.end(), Id{0});
    EXPECT_EQ(sorted, all);
  }
}

/// Orders rows of 16 clusters. Returns the share of pairs in a block whose rows are of one cluster: 1 / 16 by chance.
/// One row in a hundred is multiplied by `factor`.
double share_together(unsigned seed, float factor) {
  constexpr std::size_t kClusters = 16, kRows = 2048, kPlaces = 40;
  Random random(seed);
  SparseVectors rows;
  std::vector<std::size_t> cluster;
  for (std::size_t i = 0; i < kRows; ++i, rows.end_row()) {
    cluster.push_back(below(random, kClusters));
    for (std::size_t place = 0; place < kPlaces; ++place)
      if (below(random, 4) == 0)
        rows.add(static_cast<std::uint32_t>(cluster[i] * kPlaces + place), i % 100 == 17 ? factor : 1);
  }
  const std::vector<Id> order = order_by_similarity(rows.batch(kClusters * kPlaces), kBlock, 2, {});
  std::size_t together = 0;
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t j = i / kBlock * kBlock; j < i; ++j) together += cluster[order[i]] == cluster[order[j]];
  return static_cast<double>(together) / (kRows * (kBlock - 1) / 2.0);
}

TEST(Order, BlocksAreOfOneClusterMoreThanByChance) {
  for (unsigned seed = 0; seed < 10; ++seed) EXPECT_GT(share_together(seed, 1), 0.25) << "seed " << seed;
}

TEST(Order, AFewWildRowsDoNotScatterTheOthers) {
  for (unsigned seed = 0; seed < 10; ++seed)
    for (const float factor : {1e3F, 1e9F, 1e17F})
      EXPECT_GT(share_together(seed, factor), share_together(seed, 1) - 0.1) << "seed " << seed << ", times " << factor;
}

}  // namespace
}  // namespace cassata::region_order_test
