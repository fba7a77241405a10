// Random rotations keep lengths and dot products, have an inverse, and spread every coordinate.
#include "engine/codec/rotation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "tests/support/random_case.h"

namespace cassata::rotation_test {
namespace {

using namespace test;

constexpr std::size_t kDims[] = {1,  2,  3,   4,   5,   7,   8,   15,  16,  17,  31,   64,
                                 65, 96, 100, 127, 128, 129, 300, 512, 600, 768, 1000, 1024};

double product(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += double{a[i]} * b[i];
  return sum;
}

TEST(Rotation, KeepsProducts) {
  for (const std::size_t dim : kDims) {
    SCOPED_TRACE(dim);
    Random random(dim);
    const std::vector<std::int8_t> signs = Rotation::random_signs(dim);
    const Rotation rotation(signs, dim);
    const Vectors given = normal_vectors(random, 6, dim);
    Vectors turned = given;
    for (std::size_t i = 0; i < given.size(); ++i) rotation.apply(turned.values.data() + i * dim);
    for (std::size_t i = 0; i < given.size(); ++i)
      for (std::size_t j = 0; j <= i; ++j)
        ASSERT_NEAR(product(turned.row(i), turned.row(j), dim), product(given.row(i), given.row(j), dim),
                    1e-5 * static_cast<double>(dim))
            << "vectors " << i << " and " << j;
  }
}

TEST(Rotation, IsUndone) {
  for (const std::size_t dim : kDims) {
    SCOPED_TRACE(dim);
    Random random(dim);
    const std::vector<std::int8_t> signs = Rotation::random_signs(dim);
    const Rotation rotation(signs, dim);
    const Vectors given = normal_vectors(random, 1, dim);
    std::vector<float> there = given.values, back = given.values;
    rotation.apply(there.data());
    rotation.undo(there.data());
    rotation.undo(back.data());
    rotation.apply(back.data());
    for (std::size_t i = 0; i < dim; ++i) {
      ASSERT_NEAR(there[i], given.values[i], 1e-5) << "place " << i;
      ASSERT_NEAR(back[i], given.values[i], 1e-5) << "place " << i;
    }
  }
}

/// A single coordinate must be spread evenly: codes of few bits are accurate only if no coordinate dominates.
TEST(Rotation, SpreadsEachCoordinateOverAll) {
  for (const std::size_t dim : {64, 100, 127, 128, 200, 300, 768}) {
    SCOPED_TRACE(dim);
    const std::vector<std::int8_t> signs = Rotation::random_signs(dim);
    const Rotation rotation(signs, dim);
    for (std::size_t i = 0; i < dim; i += 1 + dim / 37) {
      std::vector<float> values(dim, 0.0F);
      values[i] = 1;
      rotation.apply(values.data());
      for (const float value : values)
        ASSERT_LE(std::abs(value), 7 / std::sqrt(static_cast<float>(dim))) << "coordinate " << i;
    }
  }
}

TEST(Rotation, SignsAreTheSameAgainAndBothThere) {
  for (const std::size_t dim : kDims) {
    const std::vector<std::int8_t> signs = Rotation::random_signs(dim);
    EXPECT_EQ(signs, Rotation::random_signs(dim));
    EXPECT_EQ(signs.size(), dim * Rotation::kRounds);
    for (const std::int8_t sign : std::set(signs.begin(), signs.end())) EXPECT_EQ(std::abs(sign), 1);
  }
  const std::vector<std::int8_t> signs = Rotation::random_signs(1000);
  int sum = 0;
  for (const std::int8_t sign : signs) sum += sign;
  EXPECT_LT(std::abs(sum), 400) << "of 4000";
}

}  // namespace
}  // namespace cassata::rotation_test
