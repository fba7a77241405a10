// k-means with many centroids: they are close to the samples, the nearest is found, and threads do not change them.
#include "engine/multivector/centroids.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/support/random_case.h"

namespace cassata::centroids_test {
namespace {

using namespace test;

double squared_distance(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t j = 0; j < dim; ++j) sum += std::pow(double{a[j]} - double{b[j]}, 2);
  return sum;
}

/// Squared distance to the nearest centroid, by definition.
double least_distance(const float* vector, const Centroids& centroids, std::size_t dim) {
  double least = INFINITY;
  for (std::size_t c = 0; c < centroids.size(); ++c)
    least = std::min(least, squared_distance(vector, centroids.row(c), dim));
  return least;
}

std::vector<std::uint32_t> nearest(const Vectors& vectors, const Centroids& centroids) {
  std::vector<std::uint32_t> which(vectors.size());
  centroids.nearest(vectors.values.data(), vectors.size(), which.data());
  return which;
}

/// Mean squared distance to the centroids that nearest() finds.
double error_of(const Vectors& vectors, const Centroids& centroids) {
  const std::vector<std::uint32_t> which = nearest(vectors, centroids);
  double sum = 0;
  for (std::size_t i = 0; i < vectors.size(); ++i)
    sum += squared_distance(vectors.row(i), centroids.row(which[i]), vectors.dim);
  return sum / static_cast<double>(vectors.size());
}

TEST(Centroids, FewAreAllLookedAt) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = 1 + below(random, 40);
    const Vectors rows = whole_vectors(random, 1 + below(random, 200), dim),
                  vectors = whole_vectors(random, 1 + below(random, 300), dim);
    const Centroids centroids(rows.values, dim, 1);
    ASSERT_TRUE(std::ranges::equal(centroids.rows(), rows.values));
    const std::vector<std::uint32_t> which = nearest(vectors, centroids);
    for (std::size_t i = 0; i < vectors.size(); ++i)
      ASSERT_EQ(squared_distance(vectors.row(i), centroids.row(which[i]), dim),
                least_distance(vectors.row(i), centroids, dim))
          << "vector " << i;
  }
}

TEST(CentroidsAtSize, ManyAreLookedForInGroups) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = 8 + below(random, 30);
    const Vectors rows = clustered_vectors(random, Centroids::kMaxExhaustive + 1 + below(random, 2000), dim, 50);
    const Vectors vectors = clustered_vectors(random, 3000, dim, 50);
    const Centroids centroids(rows.values, dim, 1), same(rows.values, dim, 4);
    EXPECT_TRUE(std::ranges::equal(centroids.rows(), same.rows()));
    EXPECT_EQ(nearest(vectors, centroids), nearest(vectors, same));
    std::multiset<float> given(rows.values.begin(), rows.values.end()),
        held(centroids.rows().begin(), centroids.rows().end());
    EXPECT_EQ(given, held);
    double exact = 0;
    for (std::size_t i = 0; i < vectors.size(); ++i) exact += least_distance(vectors.row(i), centroids, dim);
    exact /= static_cast<double>(vectors.size());
    EXPECT_LE(error_of(vectors, centroids), 1.02 * exact);
    EXPECT_LE(error_of({dim, {centroids.rows().begin(), centroids.rows().end()}}, centroids),
              1e-6 * exact);  // each centroid finds itself
  }
}

TEST(Centroids, NumbersBeyondReasonLeadNowhereElse) {
  Random random(1);
  for (const float scale : {1e18F, 1e30F, 3e38F}) {
    SCOPED_TRACE(scale);
    Vectors rows = normal_vectors(random, 3000, 8);
    for (float& value : rows.values) value = std::fmax(-1.0F, std::fmin(1.0F, value)) * scale;
    const Centroids centroids = train_centroids(rows.values, 8, 1500, 2);
    for (const std::uint32_t c : nearest(rows, centroids)) ASSERT_LT(c, centroids.size());
  }
}

TEST(TrainCentroidsAtSize, MoreOfThemAreNearer) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors samples = clustered_vectors(random, 4000, 1 + below(random, 32), 200), others = samples.part(0, 1000);
    double former = INFINITY;
    for (const std::size_t count : {1, 8, 64, 512, 2048}) {
      const Centroids centroids = train_centroids(samples.values, samples.dim, count, 2);
      ASSERT_EQ(centroids.size(), count);
      const double error = error_of(others, centroids);
      EXPECT_LT(error, former) << count;
      former = error;
    }
  }
}

TEST(TrainCentroids, IsNearerThanSamplesAlone) {
  double trained = 0, untrained = 0;  // over several collections: samples may be good centroids by chance
  for (unsigned seed = 0; seed < 10; ++seed) {
    Random random(seed);
    const Vectors samples = normal_vectors(random, 5000, 6);
    Vectors some{6, {}};
    for (std::size_t i = 0; i < 100; ++i)
      some.values.insert(some.values.end(), samples.row(i * 50), samples.row(i * 50) + 6);
    trained += error_of(samples, train_centroids(samples.values, 6, 100, 1));
    untrained += error_of(samples, Centroids(some.values, 6, 1));
  }
  EXPECT_LT(trained, 0.8 * untrained);
}

TEST(TrainCentroidsAtSize, DoesNotDependOnThreads) {
  for (const std::size_t count : {100, 1500}) {
    SCOPED_TRACE(count);
    Random random(count);
    const Vectors samples = clustered_vectors(random, 9000, 24, 300);
    const Centroids one = train_centroids(samples.values, 24, count, 1),
                    four = train_centroids(samples.values, 24, count, 4);
    EXPECT_TRUE(std::ranges::equal(one.rows(), four.rows()));
  }
}

TEST(TrainCentroids, SamplesAreTheirOwnWhereThereAreAsMany) {
  for (const std::size_t count : {1, 2, 77, 1300}) {
    SCOPED_TRACE(count);
    Random random(count);
    const Vectors samples = normal_vectors(random, count, 12);
    EXPECT_NEAR(error_of(samples, train_centroids(samples.values, 12, count, 2)), 0, 1e-9);
  }
}

// The first centroids are all at equal samples, and have to move to the others.
TEST(TrainCentroids, CopiesOfFewAreFoundAll) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors different = normal_vectors(random, 2 + below(random, 100), 3);
    Vectors samples{3, {}};
    for (std::size_t i = 0; i < 3000; ++i) {
      const float* row = different.row(below(random, 3) == 0 ? below(random, different.size()) : 0);
      samples.values.insert(samples.values.end(), row, row + 3);
    }
    EXPECT_NEAR(error_of(samples, train_centroids(samples.values, 3, 2 * different.size(), 1)), 0, 1e-9);
  }
}

TEST(TrainCentroids, ReportsAndStopsWhereProgressThrows) {
  Random random(5);
  const Vectors samples = normal_vectors(random, 500, 4);
  std::uint64_t last = 0, all = 1;
  train_centroids(samples.values, 4, 20, 1, [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(stage, "centroids");
    EXPECT_GE(done, last);
    last = done;
    all = total;
  });
  EXPECT_EQ(last, all);
  EXPECT_THROW(train_centroids(samples.values, 4, 20, 2, [](auto, auto, auto) { throw 17; }), int);
}

}  // namespace
}  // namespace cassata::centroids_test
