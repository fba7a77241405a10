// Exhaustive search, to which the others are compared.
#include "engine/search/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/codec/dense.h"
#include "tests/engine/search/table_scorer.h"
#include "tests/support/brute_force.h"

namespace cassata::scan_test {
namespace {

using namespace test;

std::vector<std::vector<Candidate>> scan_all(const Codes& codes, Metric metric, const Vectors& queries,
                                             std::span<const Id> ids, std::size_t k) {
  std::vector<std::unique_ptr<Scorer>> scorers;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    scorers.push_back(codes.scorer(metric));
    scorers.back()->bind(queries.view(q));
  }
  std::vector<std::vector<Candidate>> best(queries.size(), {{0, 0}});  // old results are replaced
  scan(scorers, codes.size(), ids, k, best);
  return best;
}

TEST(Scan, FindsWhatBruteForceFinds) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = random() % 2 ? Metric::euclidean : Metric::dot_product;
    const std::size_t n = 1 + below(random, seed % 5 ? 100 : 1500);  // more than one block of rows
    const Vectors vectors = whole_vectors(random, n, 1 + below(random, 8)),
                  queries = whole_vectors(random, 1 + below(random, 5), vectors.dim);
    const StoredVectors stored(seed % 2 ? encoder_dense_f32(vectors.dim) : encoder_dense_f16(vectors.dim), vectors);
    const std::size_t ks[] = {0, 1, below(random, n + 1), n, n + 5};
    const std::size_t k = ks[random() % 5];
    const auto best = scan_all(stored.codes(), metric, queries, {}, k);
    for (std::size_t q = 0; q < queries.size(); ++q)
      ASSERT_EQ(pairs_of(best[q]), pairs_of(brute_force(vectors, metric, queries.row(q), k)))
          << "query " << q << ", k " << k;
  }
}

TEST(Scan, OrdersTiesByTheIdsOfTheRows) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 700);
    const Vectors vectors = whole_vectors(random, n, 2), query = whole_vectors(random, 1, 2);
    std::vector<Id> ids(n);
    std::iota(ids.begin(), ids.end(), Id{0});
    std::ranges::shuffle(ids, random);
    Vectors rows = vectors;  // row `row` is vector ids[row]
    for (std::size_t row = 0; row < n; ++row)
      std::copy_n(vectors.row(ids[row]), 2, rows.values.begin() + static_cast<std::ptrdiff_t>(2 * row));
    const StoredVectors stored(encoder_dense_f32(2), rows);
    const std::size_t k = 1 + below(random, n);
    ASSERT_EQ(pairs_of(scan_all(stored.codes(), Metric::euclidean, query, ids, k).front()),
              pairs_of(brute_force(vectors, Metric::euclidean, query.row(0), k)));
  }
}

TEST(Scan, WhatIsNoNumberComesLast) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::unique_ptr<Scorer>> scorers;
  scorers.push_back(std::make_unique<TableScorer>(std::vector<float>{kNaN, 2, kInfinity, kNaN, 1, -kInfinity}));
  const std::vector<std::pair<float, Id>> all = {{-kInfinity, 5}, {1.0F, 4},      {2.0F, 1},
                                                 {kInfinity, 0},  {kInfinity, 2}, {kInfinity, 3}};
  for (std::size_t k = 1; k < 8; ++k) {
    std::vector<std::vector<Candidate>> best(1);
    scan(scorers, 6, {}, k, best);
    EXPECT_EQ(pairs_of(best[0]),
              std::vector(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(k, all.size()))))
        << "k " << k;
  }
}

TEST(Scan, OfManyEqualsTheLowestIdsWin) {
  constexpr std::size_t kRows = 5000, kBest = 10;
  std::vector<std::unique_ptr<Scorer>> scorers;
  scorers.push_back(std::make_unique<TableScorer>(std::vector<float>(kRows, 1.0F)));
  std::vector<std::vector<Candidate>> best(1);
  scan(scorers, kRows, {}, kBest, best);
  ASSERT_EQ(best[0].size(), kBest);
  for (Id id = 0; id < kBest; ++id) EXPECT_EQ(best[0][id].id, id);
}

}  // namespace
}  // namespace cassata::scan_test
