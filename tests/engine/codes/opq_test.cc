// Learned rotations: orthogonal whatever the samples, and of use where there is something to learn.
#include "engine/codes/opq.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/brute_force.h"

namespace cassata {
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
      ASSERT_NEAR(-exact_distance(Metric::dot_product, &rotation[i * dim], &rotation[j * dim], dim), i == j, 1e-4) << "rows " << i << " and " << j;
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
        if (i % dim >= dim / 2) samples.values[i] = 0;  // they do not fill the space
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

/// How much of the samples lies in the pieces' larger half, at most: what pieces of equal weight are worth. (Gaussian samples lose least where
/// the products of the variances in each piece are equal.)
TEST(Opq, SpreadsTheWeightOverThePieces) {
  Random random(2);
  Vectors samples = normal_vectors(random, 4000, 8);
  for (std::size_t i = 0; i < samples.values.size(); ++i)
    if (i % 8 >= 2) samples.values[i] *= 0.1F;  // all the weight is in the first piece
  const std::vector<float> rotation = learn_rotation(samples.values, 8, bounds_of(8, 4), 1);
  double weights[4] = {}, all = 0;
  std::vector<float> turned(8);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    rotate(rotation.data(), 8, samples.row(i), turned.data());
    for (std::size_t j = 0; j < 8; ++j) weights[j / 2] += double{turned[j]} * double{turned[j]}, all += double{turned[j]} * double{turned[j]};
  }
  for (const double weight : weights) EXPECT_LT(weight, 0.8 * all);  // of 0.97 before
}

}  // namespace
}  // namespace cassata
