// MaxSim and nearest rows: equal to plain loops in double precision for any shape, without reads past the rows.
#include "engine/kernels/maxsim.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "engine/kernels/dense_distance.h"
#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::maxsim {
namespace {

using test::for_each_target;
using test::GuardedBytes;
using test::Random;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_values(Random& random, std::size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

float max_sim(const PackedVectors& query, const void* halves, std::size_t n) {
  const Kernels kernels = dispatch();
  kernels.forget(query.parts());
  kernels.raise_f16(query.parts(), halves, n);
  return kernels.sum(query.parts());
}

/// Values that f16 holds.
std::vector<float> random_halves(Random& random, std::size_t n, std::vector<std::uint16_t>& halves) {
  std::vector<float> values = random_values(random, n);
  halves.resize(n);
  dense::f32_to_f16(values.data(), halves.data(), n);
  dense::f16_to_f32(halves.data(), values.data(), n);
  return values;
}

struct Shape {
  std::size_t vectors, rows, dim;
};

/// Shapes round every border: of registers, of blocks of rows, of stretches of coordinates.
Shape random_shape(unsigned seed) {
  Random random(seed);
  const auto up_to = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(1, most)(random); };
  return {.vectors = up_to(seed % 4 ? 20 : 70), .rows = up_to(seed % 3 ? 14 : 60), .dim = up_to(seed % 5 ? 40 : 400)};
}

/// A dot product, and how far a sum in f32 of any order may be from it.
struct Product {
  double value = 0, tolerance = 0;
};

Product product(const float* a, const float* b, std::size_t dim) {
  Product p;
  double magnitude = 0;
  for (std::size_t j = 0; j < dim; ++j) {
    p.value += double{a[j]} * b[j];
    magnitude += std::abs(double{a[j]} * b[j]);
  }
  p.tolerance = static_cast<double>(dim + 2) * 0x1p-24 * magnitude;
  return p;
}

TEST(MaxSim, MatchesDoublePrecision) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 300; ++seed) {
      SCOPED_TRACE(seed);
      const Shape s = random_shape(seed);
      Random random(seed);
      std::vector<std::uint16_t> halves;
      const std::vector<float> query = random_values(random, s.vectors * s.dim),
                               rows = random_halves(random, s.rows * s.dim, halves);
      const std::size_t after = seed % 3 ? seed % 67 : 0;  // bytes that move the rows off any alignment
      const GuardedBytes bytes(halves.size() * 2 + after);
      std::memcpy(bytes.data(), halves.data(), halves.size() * 2);
      double expected = 0, tolerance = 0;
      for (std::size_t i = 0; i < s.vectors; ++i) {
        double largest = -kInfinity, error = 0;
        for (std::size_t r = 0; r < s.rows; ++r) {
          const Product p = product(&query[i * s.dim], &rows[r * s.dim], s.dim);
          largest = std::max(largest, p.value);
          error = std::max(error, p.tolerance);
        }
        expected += largest;
        tolerance += error + std::abs(largest) * 0x1p-22;
      }
      PackedVectors packed;
      packed.pack(query.data(), s.vectors, s.dim);
      EXPECT_GE(packed.parts().lanes, s.vectors);
      ASSERT_NEAR(max_sim(packed, bytes.data(), s.rows), expected, tolerance)
          << s.vectors << " x " << s.dim << " against " << s.rows << " rows";
      // The same by f32 rows and in parts, to the last bit.
      const Kernels kernels = dispatch();
      const float whole = kernels.sum(packed.parts());
      kernels.forget(packed.parts());
      const std::size_t part = s.rows / 3;
      kernels.raise_f32(packed.parts(), &rows[part * s.dim], s.rows - part);
      kernels.raise_f16(packed.parts(), bytes.data(), part);
      ASSERT_EQ(kernels.sum(packed.parts()), whole);
    }
  });
}

TEST(MaxSim, EveryPlaceCounts) {
  for_each_target([] {
    for (const std::size_t dim : {1, 2, 3, 16, 17, 127, 128, 129, 131}) {
      for (const std::size_t vectors : {1, 2, 7, 9, 17, 33}) {
        for (std::size_t place = 0; place < dim; ++place) {
          // Vector i is i + 1 at `place`; the best of the rows for it is the last, which has a 2 there; the others are
          // -1 everywhere.
          std::vector<float> query(vectors * dim), rows(13 * dim, -1.0F);
          for (std::size_t i = 0; i < vectors; ++i) query[i * dim + place] = static_cast<float>(i + 1);
          rows[12 * dim + place] = 2;
          std::vector<std::uint16_t> halves(rows.size());
          dense::f32_to_f16(rows.data(), halves.data(), rows.size());
          PackedVectors packed;
          packed.pack(query.data(), vectors, dim);
          ASSERT_EQ(max_sim(packed, halves.data(), 13), static_cast<float>(vectors * (vectors + 1)))
              << vectors << " vectors of " << dim << ", place " << place;
        }
      }
    }
  });
}

TEST(MaxSim, ProductsHaveTheSameBitsWhereverARowStands) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 200; ++seed) {
      SCOPED_TRACE(seed);
      const Shape s = random_shape(seed);
      Random random(seed);
      const std::vector<float> vectors = random_values(random, s.vectors * s.dim),
                               rows = random_values(random, s.rows * s.dim);
      PackedVectors packed;
      packed.pack(vectors.data(), s.vectors, s.dim);
      const std::size_t lanes = packed.parts().lanes;
      std::vector<std::uint32_t> ids(40);
      for (auto& id : ids) id = static_cast<std::uint32_t>(random() % s.rows);
      std::vector<float> all(ids.size() * lanes), one(lanes + 1, 77.0F);
      dispatch().products(packed.parts(), rows.data(), ids.data(), ids.size(), all.data());
      for (std::size_t i = 0; i < ids.size(); ++i) {
        dispatch().products(packed.parts(), rows.data(), &ids[i], 1, one.data());
        EXPECT_EQ(one[lanes], 77.0F) << "wrote past the lanes";
        for (std::size_t v = 0; v < s.vectors; ++v) {
          const Product expected = product(&vectors[v * s.dim], &rows[ids[i] * s.dim], s.dim);
          ASSERT_NEAR(one[v], expected.value, expected.tolerance) << "vector " << v;
          ASSERT_EQ(std::bit_cast<std::uint32_t>(all[i * lanes + v]), std::bit_cast<std::uint32_t>(one[v]))
              << "vector " << v << ", place " << i;
        }
      }
    }
  });
}

TEST(MaxSim, CodedTokensAreSumsOfTheirParts) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 100; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const Shape s = random_shape(seed);
      const std::size_t subspaces = 1 + random() % 9, width = 1 + random() % 9, dim = subspaces * width;
      const std::vector<float> query = random_values(random, s.vectors * dim), rows = random_values(random, 5 * dim);
      const std::vector<float> books = random_values(random, dim * kCentroids);
      std::vector<std::uint32_t> ids(5), places(s.rows);
      for (std::uint32_t i = 0; i < 5; ++i) ids[i] = 4 - i;
      for (auto& place : places) place = static_cast<std::uint32_t>(random() % 5);
      std::vector<std::uint8_t> codes(s.rows * subspaces);
      for (auto& code : codes) code = static_cast<std::uint8_t>(random());
      const bool has_norms = seed % 2 == 1;
      const std::vector<float> norms = random_values(random, s.rows);
      std::vector<float> tokens(s.rows * dim);
      for (std::size_t t = 0; t < s.rows; ++t)
        for (std::size_t j = 0; j < dim; ++j)
          tokens[t * dim + j] = rows[ids[places[t]] * dim + j] +
                                (has_norms ? norms[t] : 1) * books[j * kCentroids + codes[t * subspaces + j / width]];

      const Kernels kernels = dispatch();
      PackedVectors packed;
      packed.pack(query.data(), s.vectors, dim);
      std::vector<float> products(5 * packed.parts().lanes), tables(subspaces * kCentroids * packed.parts().lanes);
      kernels.products(packed.parts(), rows.data(), ids.data(), 5, products.data());
      kernels.fill_tables(packed.parts(), books.data(), subspaces, width, tables.data());
      kernels.forget(packed.parts());
      kernels.raise_coded(packed.parts(), {s.rows, subspaces, places.data(), codes.data(), products.data(),
                                           tables.data(), has_norms ? norms.data() : nullptr});
      const float coded = kernels.sum(packed.parts());
      kernels.forget(packed.parts());
      kernels.raise_f32(packed.parts(), tokens.data(), s.rows);
      ASSERT_NEAR(coded, kernels.sum(packed.parts()), 1e-5 * static_cast<double>(s.vectors * dim))
          << s.vectors << " x " << dim;
    }
  });
}

TEST(NearestRows, AreThoseOfALoop) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 150; ++seed) {
      SCOPED_TRACE(seed);
      Shape s = random_shape(seed);
      if (seed % 50 == 0) s.vectors = 3000;  // more than are packed at a time
      Random random(seed);
      const std::vector<float> vectors = random_values(random, s.vectors * s.dim),
                               rows = random_values(random, s.rows * s.dim);
      std::vector<float> bias(s.rows), best(s.vectors);
      for (std::size_t r = 0; r < s.rows; ++r)
        bias[r] = static_cast<float>(product(&rows[r * s.dim], &rows[r * s.dim], s.dim).value / 2);
      std::vector<std::uint32_t> which(s.vectors, 12345);
      nearest_rows(vectors.data(), s.vectors, s.dim, rows.data(), bias.data(), s.rows, best.data(), which.data());
      for (std::size_t v = 0; v < s.vectors; ++v) {
        ASSERT_LT(which[v], s.rows);
        for (std::size_t r = 0; r < s.rows; ++r) {
          const Product p = product(&vectors[v * s.dim], &rows[r * s.dim], s.dim);
          const double value = p.value - bias[r], tolerance = p.tolerance + 0x1p-22 * std::abs(value);
          ASSERT_LE(value, best[v] + tolerance) << "vector " << v << ", row " << r;
          if (r == which[v]) {
            ASSERT_NEAR(value, best[v], tolerance) << "vector " << v << ", row " << r;
          }
        }
      }
    }
  });
}

TEST(NearestRows, TheFirstOfEqualsWinsAndNaNIsPassedOver) {
  for_each_target([] {
    const std::vector<float> vectors{1, 0, 0, 1, std::numeric_limits<float>::quiet_NaN(), 0};
    std::vector<float> rows(2 * 40), bias(40, 0.0F), best(3);
    for (const std::size_t r : {5, 6, 17, 39}) rows[2 * r] = 3;
    for (const std::size_t r : {14, 15, 38}) rows[2 * r + 1] = 2;
    rows[2 * 3] = std::numeric_limits<float>::quiet_NaN();
    std::vector<std::uint32_t> which(3);
    nearest_rows(vectors.data(), 3, 2, rows.data(), bias.data(), 40, best.data(), which.data());
    EXPECT_EQ(which, (std::vector<std::uint32_t>{5, 14, 0}));
    EXPECT_EQ(best[0], 3);
    EXPECT_EQ(best[1], 2);
  });
}

}  // namespace
}  // namespace cassata::kernels::maxsim
