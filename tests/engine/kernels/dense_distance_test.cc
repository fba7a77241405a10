// Distances of a query to dense rows: correct, equal whichever function computes them, without reads past the rows.
#include "engine/kernels/dense_distance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/metric_definition.h"
#include "tests/support/random.h"

namespace cassata::kernels::dense {
namespace {

using test::for_each_target;
using test::GuardedBytes;
using test::Random;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Rows as they are stored, and the same as the f32 values that they mean.
struct Case {
  Metric metric;
  ElementType type;
  std::size_t dim;
  std::vector<float> query;
  std::vector<float> values;
  std::size_t rows() const { return values.size() / dim; }
};

Case random_case(unsigned seed) {
  Random random(seed);
  const auto up_to = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
  const std::vector<Metric> metrics = test::distances();
  Case c{.metric = metrics[up_to(metrics.size() - 1)],
         .type = up_to(1) ? ElementType::f16 : ElementType::f32,
         .dim = seed % 16 ? 1 + up_to(299) : 1000 + up_to(3000),
         .query = {},
         .values = {}};
  std::normal_distribution<float> normal(0, up_to(1) ? 1.0F : 40.0F);
  c.query.resize(c.dim);
  c.values.resize(c.dim * (1 + up_to(40)));
  for (float& value : c.query) value = normal(random);
  for (float& value : c.values) value = normal(random);
  for (std::size_t i = 0; i < c.dim; ++i) {  // components that are 0 in the query, and in about half of the rows
    if (up_to(7) != 0) continue;
    c.query[i] = 0;
    for (std::size_t row = 0; row < c.rows(); ++row)
      if (up_to(1) == 0) c.values[row * c.dim + i] = 0;
  }
  if (c.type == ElementType::f16) {
    std::vector<std::uint16_t> halves(c.values.size());
    f32_to_f16(c.values.data(), halves.data(), halves.size());
    f16_to_f32(halves.data(), c.values.data(), halves.size());
  }
  return c;
}

std::size_t stored_bytes(const Case& c) { return c.values.size() * element_bytes(c.type); }

void store(const Case& c, std::byte* to) {
  if (c.type == ElementType::f32) {
    std::memcpy(to, c.values.data(), stored_bytes(c));
    return;
  }
  std::vector<std::uint16_t> halves(c.values.size());
  f32_to_f16(c.values.data(), halves.data(), halves.size());
  std::memcpy(to, halves.data(), stored_bytes(c));
}

/// The distance, and how far a sum in f32 may be from it: four partial sums at the least, one rounding an addition.
struct Reference {
  double distance;
  double tolerance;
};

Reference reference(const Case& c, std::size_t row) {
  double sum = 0;
  double magnitude = 0;
  for (std::size_t i = 0; i < c.dim; ++i) {
    const double term = test::term_of(c.metric, c.query[i], c.values[row * c.dim + i]);
    sum += term;
    magnitude += std::abs(term);
  }
  const double roundings = static_cast<double>(c.dim) / 4 + 12;
  return {sum, roundings * 0x1p-24 * magnitude};
}

std::vector<Id> random_ids(Random& random, std::size_t rows) {
  std::vector<Id> ids(std::uniform_int_distribution<std::size_t>(0, 2 * rows)(random));
  for (Id& id : ids) id = std::uniform_int_distribution<Id>(0, static_cast<Id>(rows - 1))(random);
  return ids;
}

TEST(DenseKernels, MatchDoublePrecision) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 400; ++seed) {
      SCOPED_TRACE(seed);
      const Case c = random_case(seed);
      const GuardedBytes rows(stored_bytes(c));
      store(c, rows.data());
      std::vector<float> distances(c.rows());
      dispatch(c.metric, c.type).range(c.query.data(), rows.data(), c.dim, 0, c.rows(), distances.data());
      for (std::size_t row = 0; row < c.rows(); ++row) {
        const Reference expected = reference(c, row);
        ASSERT_NEAR(distances[row], expected.distance, expected.tolerance) << "dim " << c.dim << ", row " << row;
      }
    }
  });
}

TEST(DenseKernels, SameBitsInEveryKernelAtEveryOffset) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 300; ++seed) {
      SCOPED_TRACE(seed);
      const Case c = random_case(seed);
      Random random(seed);
      // Bytes after the rows move them off any alignment; without any they end at the unreadable page.
      const std::size_t after = seed % 3 ? seed % 67 : 0;
      const GuardedBytes bytes(stored_bytes(c) + after);
      store(c, bytes.data());
      const std::size_t row_bytes = c.dim * element_bytes(c.type);
      const Kernels kernels = dispatch(c.metric, c.type);
      std::vector<float> one(c.rows());
      for (std::size_t i = 0; i < c.rows(); ++i)
        kernels.range(c.query.data(), bytes.data() + i * row_bytes, c.dim, 0, 1, &one[i]);

      const std::size_t first = c.rows() / 3;
      std::vector<float> range(c.rows() - first);
      kernels.range(c.query.data(), bytes.data(), c.dim, first, range.size(), range.data());
      for (std::size_t i = 0; i < range.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(range[i]), std::bit_cast<std::uint32_t>(one[first + i]))
            << "range, row " << first + i;
      }
      const std::vector<Id> ids = random_ids(random, c.rows());
      std::vector<float> gathered(ids.size());
      kernels.gather(c.query.data(), bytes.data(), c.dim, ids.data(), ids.size(), gathered.data());
      for (std::size_t i = 0; i < ids.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(gathered[i]), std::bit_cast<std::uint32_t>(one[ids[i]]))
            << "place " << i << ", row " << ids[i];
      }
    }
  });
}

/// A row of `dim` zeros but for `value` at `place`, against a query of `query` everywhere.
float distance_to(Metric metric, ElementType type, std::size_t dim, std::size_t place, float value, float query) {
  Case c{.metric = metric,
         .type = type,
         .dim = dim,
         .query = std::vector<float>(dim, query),
         .values = std::vector<float>(dim, 0.0F)};
  c.values[place] = value;
  const GuardedBytes row(stored_bytes(c));
  store(c, row.data());
  float distance = 0;
  dispatch(metric, type).range(c.query.data(), row.data(), dim, 0, 1, &distance);
  return distance;
}

TEST(DenseKernels, EveryPlaceCounts) {
  for_each_target([] {
    for (const ElementType type : {ElementType::f32, ElementType::f16}) {
      for (const std::size_t dim : {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65, 127, 130}) {
        for (std::size_t place = 0; place < dim; ++place) {
          ASSERT_EQ(distance_to(Metric::dot_product, type, dim, place, 3, 2), -6)
              << "dim " << dim << ", place " << place;
          ASSERT_EQ(distance_to(Metric::euclidean, type, dim, place, 3, 0), 9) << "dim " << dim << ", place " << place;
        }
      }
    }
  });
}

TEST(DenseKernels, ExtremeValues) {
  for_each_target([] {
    for (const std::size_t dim : {1, 5, 16, 67}) {
      const std::size_t place = dim - 1;
      SCOPED_TRACE(dim);
      const float smallest_half = 0x1p-24F;
      EXPECT_EQ(distance_to(Metric::dot_product, ElementType::f16, dim, place, smallest_half, 1), -smallest_half);
      EXPECT_EQ(distance_to(Metric::dot_product, ElementType::f16, dim, place, 65504, 2), -131008);
      EXPECT_EQ(distance_to(Metric::euclidean, ElementType::f16, dim, place, -65504, 0), 65504.0F * 65504.0F);
      EXPECT_EQ(distance_to(Metric::dot_product, ElementType::f32, dim, place, 3e38F, 2), -kInfinity);
      EXPECT_EQ(distance_to(Metric::euclidean, ElementType::f32, dim, place, 3e38F, 0), kInfinity);
      for (const ElementType type : {ElementType::f32, ElementType::f16}) {
        EXPECT_EQ(distance_to(Metric::dot_product, type, dim, place, -kInfinity, 1), kInfinity);
        EXPECT_TRUE(std::isnan(distance_to(Metric::dot_product, type, dim, place, kNaN, 1)));
        EXPECT_TRUE(std::isnan(distance_to(Metric::euclidean, type, dim, place, kNaN, 1)));
      }
    }
  });
}

TEST(DenseKernels, NoRowsNoReads) {
  for_each_target([] {
    const Kernels kernels = dispatch(Metric::euclidean, ElementType::f16);
    const float query = 0;
    const GuardedBytes nothing(0);
    kernels.gather(&query, nothing.data(), 1, nullptr, 0, nullptr);
    kernels.range(&query, nothing.data(), 1, 0, 0, nullptr);
  });
}

TEST(DenseKernels, DispatchFollowsTheTarget) {
  std::vector<std::string_view> names;
  for_each_target([&] { names.push_back(target_name()); });
  EXPECT_FALSE(names.empty());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "two instruction sets ran the same code";
  EXPECT_NE(std::find(names.begin(), names.end(), target_name()), names.end());
}

}  // namespace
}  // namespace cassata::kernels::dense
