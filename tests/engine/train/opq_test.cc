// Learned rotations are orthogonal for any samples, and lower the error if coordinates are correlated.
#include "engine/train/opq.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/brute_force.h"

namespace cassata::opq_test {
namespace {

using namespace test;

std::vector<std::size_t> bounds_of(std::size_t dim, std::size_t pieces) {
  std::vector<std::size_t> out = {0};
  for (std::size_t s = 0; s < pieces; ++s) out.push_back(out.back() + dim / pieces + (s < dim % pieces));
  return out;
}

void expect_orthogonal(const std::vector<float>& rotation, std::size_t dim) {
  ASSERT_EQ(rotation.size(), dim * dim);
  for (std::size_t i = 0; i < dim; ++i)
    for (std::size_t j = 0; j < dim; ++j)
      ASSERT_NEAR(-exact_distance(Metric::dot_product, &rotation[i * dim], &rotation[j * dim], dim), i == j, 1e-4)
          << "rows " << i << " and " << j;
}

TEST(Opq, LearnsOrthogonalMatricesFromAnything) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = 1 + below(random, 40);
    Vectors samples = normal_vectors(random, 1 + below(random, 600), dim, seed % 3 ? 1.0F : 1e-10F);
    if (seed % 4 == 1) duplicate_rows(random, samples, 95);
    if (seed % 4 == 2)
      for (std::size_t i = 0; i < samples.values.size(); ++i)
        if (i % dim >= dim / 2) samples.values[i] = 0;  // samples in a subspace of half the dimensions
    if (seed % 8 == 3) samples.values.assign(samples.values.size(), 0);
    if (seed % 8 == 7) samples.values.assign(samples.values.size(), 3e38F);
    expect_orthogonal(learn_rotation(samples.values, dim, bounds_of(dim, 1 + below(random, dim)), 1), dim);
  }
}

TEST(Opq, RotatesThereAndBack) {
  Random random(1);
  for (const std::size_t dim : {1, 2, 7, 33, 100}) {
    const Vectors samples = normal_vectors(random, 400, dim);
    const std::vector<float> rotation = learn_rotation(samples.values, dim, bounds_of(dim, (dim + 1) / 2), 1);
    std::vector<float> turned(dim), back(dim), other(dim);
    rotate(rotation.data(), dim, samples.row(0), turned.data());
    rotate(rotation.data(), dim, samples.row(1), other.data());
    rotate_back(rotation.data(), dim, turned.data(), back.data());
    for (std::size_t j = 0; j < dim; ++j) {
      EXPECT_NEAR(turned[j], -exact_distance(Metric::dot_product, &rotation[j * dim], samples.row(0), dim), 1e-4);
      EXPECT_NEAR(back[j], samples.row(0)[j], 1e-3);
    }
    EXPECT_NEAR(exact_distance(Metric::euclidean, turned.data(), other.data(), dim),
                exact_distance(Metric::euclidean, samples.row(0), samples.row(1), dim), 1e-2);
  }
}

/// The product of the variances in each subspace, for samples with mean 0.
std::vector<double> products_of_variances(const Vectors& samples, const float* rotation,
                                          const std::vector<std::size_t>& bounds) {
  std::vector<double> squares(samples.dim), out;
  std::vector<float> turned(samples.dim);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    rotate(rotation, samples.dim, samples.row(i), turned.data());
    for (std::size_t j = 0; j < samples.dim; ++j)
      squares[j] += double{turned[j]} * double{turned[j]} / static_cast<double>(samples.size());
  }
  for (std::size_t s = 0; s + 1 < bounds.size(); ++s) {
    out.push_back(1);
    for (std::size_t j = bounds[s]; j < bounds[s + 1]; ++j) out.back() *= squares[j];
  }
  return out;
}

TEST(Opq, PiecesAreAlikeAndHaveNothingToDoWithEachOther) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors mixture = normal_vectors(random, 8, 8), sources = normal_vectors(random, 20'000, 8);
    constexpr double kDeviations[] = {8, 4, 2, 1, 1, 0.5, 0.25, 0.125};  // pairs can have equal products
    const std::vector<float> frame = learn_rotation(mixture.values, 8, bounds_of(8, 8), 1);  // any rotation
    Vectors samples{8, std::vector<float>(sources.values.size())}, scaled = sources;
    for (std::size_t i = 0; i < scaled.values.size(); ++i) scaled.values[i] *= static_cast<float>(kDeviations[i % 8]);
    for (std::size_t i = 0; i < samples.size(); ++i)
      rotate(frame.data(), 8, scaled.row(i), samples.values.data() + i * 8);
    const auto bounds = bounds_of(8, 4);
    // The best products of variances: 64 x 1/64, 16 x 1/16, 4 x 1/4 and 1 x 1, all equal.
    for (const double product :
         products_of_variances(samples, learn_rotation(samples.values, 8, bounds, 1).data(), bounds))
      EXPECT_NEAR(product, 1, 0.1);
  }
}

}  // namespace
}  // namespace cassata::opq_test
