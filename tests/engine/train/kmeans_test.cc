// k-means: centroids are close to the samples, and every sample has its own if there are few.
#include "engine/train/kmeans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "engine/kernels/table_lookup.h"
#include "tests/support/random_case.h"

namespace cassata::kmeans_test {
namespace {

using namespace test;
using kernels::table_lookup::kCentroids;

VectorBlocks blocks_of(const Vectors& vectors) {
  VectorBlocks out(vectors.size(), vectors.dim);
  for (std::size_t i = 0; i < vectors.size(); ++i) out.set(i, vectors.row(i));
  return out;
}

/// Mean squared distance to the nearest centroid, by definition.
double error_of(const Vectors& vectors, const std::vector<float>& codebook) {
  double sum = 0;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    double least = INFINITY;
    for (std::size_t c = 0; c < kCentroids; ++c) {
      double distance = 0;
      for (std::size_t j = 0; j < vectors.dim; ++j) {
        const double difference = double{vectors.row(i)[j]} - double{codebook[j * kCentroids + c]};
        distance += difference * difference;
      }
      least = std::min(least, distance);
    }
    sum += least;
  }
  return sum / static_cast<double>(vectors.size());
}

TEST(VectorBlocks, GiveBackWhatIsSetAndItsNearestCentroids) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = normal_vectors(random, 1 + below(random, 200), 1 + below(random, 9));
    const Vectors codebook = normal_vectors(random, vectors.dim, kCentroids);
    const VectorBlocks blocks = blocks_of(vectors);
    std::vector<std::uint8_t> codes(blocks.size()), alone(1);
    blocks.nearest(codebook.values.data(), codes);
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      for (std::size_t j = 0; j < vectors.dim; ++j) ASSERT_EQ(blocks.at(i, j), vectors.row(i)[j]);
      blocks_of(vectors.part(i, 1)).nearest(codebook.values.data(), alone);
      ASSERT_EQ(codes[i], alone[0]) << "vector " << i;
    }
  }
}

std::vector<float> train_codebook(const VectorBlocks& samples) {
  CodebookTraining training(samples);
  for (int i = 0; i < CodebookTraining::kRounds; ++i) training.round();
  return training.codebook();
}

TEST(KMeans, FewSamplesAreTheirOwnCentroids) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = normal_vectors(random, 1 + below(random, kCentroids), 1 + below(random, 6));
    if (seed % 2) duplicate_rows(random, vectors, 30);
    EXPECT_EQ(error_of(vectors, train_codebook(blocks_of(vectors))), 0);
  }
}

// The first centroids are all at equal samples, and have to move to the others.
TEST(KMeans, ManyCopiesOfFewSamplesAreFoundAll) {
  for (unsigned seed = 0; seed < seeds(10); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors different = normal_vectors(random, 2 + below(random, 100), 3);
    Vectors vectors{3, {}};
    for (std::size_t i = 0; i < 5000; ++i) {
      const float* row = different.row(i < 300 ? 0 : below(random, different.size()));
      vectors.values.insert(vectors.values.end(), row, row + 3);
    }
    EXPECT_NEAR(error_of(vectors, train_codebook(blocks_of(vectors))), 0, 1e-9);
  }
}

TEST(KMeans, FindsCloudsAndLeavesNoCentroidUnused) {
  Random random(5);
  const Vectors vectors = clustered_vectors(random, 20'000, 4, 300);
  const VectorBlocks blocks = blocks_of(vectors);
  const std::vector<float> codebook = train_codebook(blocks);
  std::vector<float> first(4 * kCentroids);  // the first centroids: samples
  for (std::size_t c = 0; c < kCentroids; ++c)
    for (std::size_t j = 0; j < 4; ++j) first[j * kCentroids + c] = vectors.row(c)[j];
  EXPECT_LT(error_of(vectors, codebook), 0.75 * error_of(vectors, first));
  std::vector<std::uint8_t> codes(blocks.size());
  blocks.nearest(codebook.data(), codes);
  EXPECT_EQ(std::set<std::uint8_t>(codes.begin(), codes.end()).size(), kCentroids);
}

TEST(KMeans, ValuesAtTheEndOfTheRangeStayFinite) {
  Vectors vectors{2, {}};
  for (std::size_t i = 0; i < 1000; ++i)
    vectors.values.insert(vectors.values.end(), {i % 3 ? 3e38F : -3e38F, i % 2 ? 0.0F : 3e38F});
  for (const float value : train_codebook(blocks_of(vectors))) ASSERT_TRUE(std::isfinite(value));
}

}  // namespace
}  // namespace cassata::kmeans_test
