// Exact results over a stream: those of a scan of all vectors at once, for any sizes of the stream's batches.
#include "cassata/exact.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/index/registry.h"
#include "tests/support/brute_force.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"

namespace cassata::exact_test {
namespace {

using namespace test;

/// A stream of a batch's rows, a few at a time.
class FewAtATime final : public VectorStream {
 public:
  FewAtATime(const Batch& all, std::size_t few)
      : VectorStream("vectors", all.sparse() ? VectorKind::sparse : VectorKind::dense, all.rows, all.dim, false),
        all_(all),
        few_(few) {}
  Batch next_batch() override {
    const std::size_t rows = std::min<std::size_t>(few_, size() - done());
    const Batch batch = all_.part(done(), rows);
    note(rows, {});
    return batch;
  }
  std::uint64_t entries() const noexcept override {
    return all_.sparse() ? all_.offsets[all_.rows] - all_.offsets[0] : size() * dim();
  }

 private:
  Batch all_;
  std::size_t few_;
};

std::vector<std::int64_t> exact_ids(VectorStream& vectors, Metric metric, const Batch& queries, std::size_t k,
                                    unsigned threads = 1) {
  std::vector<std::int64_t> ids(queries.rows * k);
  std::vector<float> scores(ids.size());
  search_exact(vectors, metric, queries, {.k = k, .num_threads = threads}, {.ids = ids, .scores = scores});
  return ids;
}

TEST(SearchExact, FindsWhatBruteForceFindsHoweverTheVectorsCome) {
  for (unsigned seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = kMetrics[random() % std::size(kMetrics)].metric;
    const std::size_t n = 1 + below(random, 80), k = 1 + below(random, n + 5);
    // Where scores are not exact, no two may be equal.
    const auto make = [&](std::size_t count, std::size_t dim) {
      return exact_on_whole_numbers(metric) ? whole_vectors(random, count, dim) : normal_vectors(random, count, dim);
    };
    const Vectors vectors = make(n, 2 + below(random, 6)), queries = make(1 + below(random, 40), vectors.dim);
    const SparseVectors sparse = sparse_of(vectors), sparse_queries = sparse_of(queries);
    const bool dense = random() % 2 || !has_metric(row_of(Encoding::sparse_f32).distances, metric);
    FewAtATime stream(dense ? vectors.matrix() : sparse.batch(vectors.dim), 1 + below(random, 30));
    const auto ids =
        exact_ids(stream, metric, dense ? queries.matrix() : sparse_queries.batch(queries.dim), k, 1 + seed % 2);
    for (std::size_t q = 0; q < queries.size(); ++q) {
      std::vector<std::int64_t> expected;
      for (const Candidate& c : brute_force(vectors, metric, queries.row(q), k)) expected.push_back(c.id);
      expected.resize(k, -1);
      ASSERT_EQ(std::vector(ids.begin() + static_cast<std::ptrdiff_t>(q * k),
                            ids.begin() + static_cast<std::ptrdiff_t>((q + 1) * k)),
                expected)
          << "query " << q << ", k " << k;
    }
  }
}

TEST(SearchExact, TellsOfItsProgress) {
  Random random(1);
  const Vectors vectors = whole_vectors(random, 10, 3);
  FewAtATime stream(vectors.matrix(), 4);
  std::vector<std::uint64_t> reported;
  std::vector<std::int64_t> ids(1);
  std::vector<float> scores(1);
  search_exact(stream, Metric::euclidean, vectors.part(0, 1).matrix(), {.k = 1}, {.ids = ids, .scores = scores},
               [&](std::string_view, std::uint64_t done, std::uint64_t total) {
                 reported.push_back(done);
                 EXPECT_EQ(total, 10u);
               });
  EXPECT_EQ(reported, (std::vector<std::uint64_t>{4, 8, 10}));
}

TEST(SearchExact, RefusesWhatDoesNotFit) {
  Random random(1);
  const Vectors vectors = whole_vectors(random, 10, 3), wide = whole_vectors(random, 2, 4);
  const SparseVectors sparse = sparse_of(vectors);
  Vectors bad = vectors.part(0, 2);
  bad.values[4] = std::numeric_limits<float>::quiet_NaN();
  const auto refuse = [&](const std::vector<std::string>& parts, const Batch& queries) {
    FewAtATime stream(vectors.matrix(), 4);
    expect_error(Errc::invalid_argument, parts, [&] { exact_ids(stream, Metric::euclidean, queries, 2); });
  };
  refuse({"queries: dim is 4", "3"}, wide.matrix());
  refuse({"queries: sparse"}, sparse.batch(3));
  refuse({"queries: row 1, column 1", "nan"}, bad.matrix());
}

}  // namespace
}  // namespace cassata::exact_test
