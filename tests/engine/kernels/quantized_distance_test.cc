// Distances to rows of a few bits a dimension: right, the same whichever function computes them, and reading nothing
// past the rows.
#include "engine/kernels/quantized_distance.h"

#define HWY_WANT_AVX3_DL  // as quantized.cc: one more instruction set that for_each_target() goes through

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::quantized {
namespace {

using test::below;
using test::for_each_target;
using test::GuardedBytes;
using test::Random;

constexpr unsigned kMaxBits = 8;

/// Parts of a code, the highest first, as their widths: the powers of two that make up `bits`.
std::vector<unsigned> widths_of(unsigned bits) {
  std::vector<unsigned> widths;
  for (unsigned width = kMaxBits; width != 0; width /= 2)
    if ((bits & width) != 0) widths.push_back(width);
  return widths;
}

std::size_t part_bytes(std::size_t dim, unsigned width) { return (dim * width + 127) / 128 * 16; }

/// Random codes as they lie in a file: before a page that may not be read.
struct Rows {
  std::size_t dim, count;
  unsigned bits;
  std::size_t row_bytes;
  std::vector<std::uint8_t> codes;
  std::vector<QuantizedHead> heads;
  GuardedBytes bytes;

  Rows(Random& random, std::size_t dim_, unsigned bits_, std::size_t count_)
      : dim(dim_),
        count(count_),
        bits(bits_),
        row_bytes(bytes_of_row(dim, bits)),
        codes(dim * count),
        heads(count),
        bytes(row_bytes * count) {
    std::normal_distribution<float> normal;
    for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(below(random, std::size_t{1} << bits));
    for (QuantizedHead& head : heads) head = {normal(random), normal(random), normal(random)};
    for (std::size_t row = 0; row < count; ++row) store(row);
  }

  static std::size_t bytes_of_row(std::size_t dim, unsigned bits) {
    std::size_t sum = sizeof(QuantizedHead);
    for (const unsigned width : widths_of(bits)) sum += part_bytes(dim, width);
    return sum;
  }

  void store(std::size_t row) {
    std::byte* to = bytes.data() + row * row_bytes;
    std::memset(to, 0, row_bytes);
    std::memcpy(to, &heads[row], sizeof(QuantizedHead));
    to += sizeof(QuantizedHead);
    unsigned left = bits;
    for (const unsigned width : widths_of(bits)) {
      left -= width;
      for (std::size_t bit = 0; bit < dim * width; ++bit)
        to[bit / 8] |= static_cast<std::byte>((codes[row * dim + bit / width] >> (left + bit % width) & 1) << bit % 8);
      to += part_bytes(dim, width);
    }
  }
};

std::vector<float> normal_values(Random& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

/// The whole number that a query has for coordinate `i`, which stands there once for each part of a code.
std::int8_t number_of(const QuantizedQuery& query, const QuantizedLayout& layout, std::size_t i) {
  const auto in = [&](const QuantizedLayout::Part& part) {
    const std::size_t runs = 8 / part.width;
    return query.values[part.query + i % runs * part.bytes + i / runs];
  };
  for (std::size_t p = 1; p < layout.count; ++p)
    EXPECT_EQ(in(layout.parts[p]), in(layout.parts[0])) << "coordinate " << i << ", part " << p;
  return in(layout.parts[0]);
}

QuantizedQuery quantized(const std::vector<float>& values, const QuantizedLayout& layout) {
  QuantizedQuery query;
  quantize(values.data(), layout, query);
  return query;
}

/// By definition, and how far f32 may be from it.
void expect_distance(float distance, const Rows& rows, std::size_t row, const QuantizedQuery& query,
                     const QuantizedLayout& layout) {
  std::int64_t product = 0, sum = 0;
  for (std::size_t i = 0; i < rows.dim; ++i) {
    const std::int64_t number = number_of(query, layout, i);
    product += number * rows.codes[row * rows.dim + i];
    sum += number;
  }
  const QuantizedHead head = rows.heads[row];
  const double by_bias = double{query.factor} * query.scale * head.bias * static_cast<double>(sum);
  const double by_scale = double{query.factor} * query.scale * head.scale * static_cast<double>(product);
  const double magnitude =
      std::abs(query.base) + std::abs(query.rest_factor * head.rest) + std::abs(by_bias) + std::abs(by_scale);
  ASSERT_NEAR(distance, query.base + query.rest_factor * head.rest - by_bias - by_scale, magnitude * 0x1p-20);
}

std::size_t random_dim(Random& random) { return 1 + below(random, random() % 4 == 0 ? 600 : 70); }

TEST(QuantizedKernels, ARowHoldsThePartsOfItsCodes) {
  for (unsigned bits = 1; bits <= kMaxBits; ++bits)
    for (const std::size_t dim : {1, 15, 16, 17, 32, 127, 128, 129, 300}) {
      const QuantizedLayout layout(dim, bits);
      EXPECT_EQ(layout.row_bytes, Rows::bytes_of_row(dim, bits)) << bits << " bits, dim " << dim;
    }
}

TEST(QuantizedKernels, ARowIsRoundedToTheNearestNumbers) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 200; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const QuantizedLayout layout(random_dim(random), seed % 2 == 0 ? 8 : 4);
      const Rows rows(random, layout.dim, layout.bits, 3);
      QuantizedQuery query;
      quantize_row(rows.bytes.data(), layout, query);  // what was there leaves nothing behind
      const std::size_t row = 2;
      const QuantizedHead& head = rows.heads[row];
      EXPECT_EQ(quantize_row(rows.bytes.data() + row * rows.row_bytes, layout, query), head.rest);
      ASSERT_EQ(query.values.size(), layout.query_values);
      float sum = 0, most = 0;
      for (std::size_t i = 0; i < layout.dim; ++i) {
        const float rounded = query.scale * static_cast<float>(number_of(query, layout, i));
        ASSERT_NEAR(rounded, head.bias + head.scale * rows.codes[row * layout.dim + i], query.scale * 0.501F)
            << "coordinate " << i;
        sum += rounded;
        most += std::abs(rounded);
      }
      EXPECT_NEAR(query.sum, sum, most * 1e-5F);
      float distance = 0;
      const Id other = 1;
      gather(query, layout, rows.bytes.data(), &other, 1, &distance);
      expect_distance(distance, rows, other, query, layout);
    }
  });
}

TEST(QuantizedKernels, ARowOfOneValueIsAQuery) {
  for_each_target([] {
    for (const float bias : {0.0F, 3.0F, -1e-30F}) {
      const QuantizedLayout layout(20, 4);
      Random random(1);
      Rows rows(random, layout.dim, layout.bits, 1);
      rows.heads[0] = {.scale = 0, .bias = bias, .rest = 1};
      rows.store(0);
      QuantizedQuery query;
      quantize_row(rows.bytes.data(), layout, query);
      EXPECT_FLOAT_EQ(query.sum, 20 * bias);
    }
  });
}

TEST(QuantizedKernels, AQueryIsRoundedToTheNearestNumbers) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 200; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const QuantizedLayout layout(random_dim(random), 1 + seed % kMaxBits);
      const std::vector<float> values = normal_values(random, layout.dim);
      const QuantizedQuery query = quantized(values, layout);
      ASSERT_EQ(query.values.size(), layout.query_values);
      float sum = 0;
      for (std::size_t i = 0; i < layout.dim; ++i) {
        const float rounded = query.scale * static_cast<float>(number_of(query, layout, i));
        ASSERT_NEAR(rounded, values[i], query.scale * 0.5001F) << "coordinate " << i;
        sum += rounded;
      }
      ASSERT_NEAR(query.sum, sum, 1e-3F);
      ASSERT_LE(std::abs(query.scale * 127 -
                         std::abs(*std::ranges::max_element(values, {}, [](float v) { return std::abs(v); }))),
                1e-5F);
    }
  });
}

TEST(QuantizedKernels, DistancesAreThoseByDefinition) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 400; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const std::size_t dim = random_dim(random);
      const Rows rows(random, dim, 1 + seed % kMaxBits, 1 + below(random, 20));
      const QuantizedLayout layout(dim, rows.bits);
      QuantizedQuery query = quantized(normal_values(random, dim), layout);
      query.base = static_cast<float>(below(random, 5));
      query.rest_factor = static_cast<float>(below(random, 3)) - 1.5F;
      query.factor = static_cast<float>(1 + below(random, 2));
      std::vector<float> out(rows.count);
      range(query, layout, rows.bytes.data(), 0, rows.count, out.data());
      for (std::size_t row = 0; row < rows.count; ++row) {
        SCOPED_TRACE(row);
        ASSERT_NO_FATAL_FAILURE(expect_distance(out[row], rows, row, query, layout))
            << rows.bits << " bits, dim " << dim;
      }
    }
  });
}

TEST(QuantizedKernels, EveryDimensionOfEveryWidth) {
  for_each_target([] {
    Random random(1);
    for (unsigned bits = 1; bits <= kMaxBits; ++bits)
      for (std::size_t dim = 1; dim <= 600; dim += dim < 140 ? 1 : 23) {
        SCOPED_TRACE(::testing::Message() << bits << " bits, dim " << dim);
        const Rows rows(random, dim, bits, 1);
        const QuantizedLayout layout(dim, bits);
        const QuantizedQuery query = quantized(normal_values(random, dim), layout);
        float out = 0;
        range(query, layout, rows.bytes.data(), 0, 1, &out);
        ASSERT_NO_FATAL_FAILURE(expect_distance(out, rows, 0, query, layout));
      }
  });
}

TEST(QuantizedKernels, SameBitsInRangeAndGather) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 200; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const std::size_t dim = random_dim(random);
      const Rows rows(random, dim, 1 + seed % kMaxBits, 1 + below(random, 60));
      const QuantizedLayout layout(dim, rows.bits);
      const QuantizedQuery query = quantized(normal_values(random, dim), layout);
      const std::size_t first = below(random, rows.count);
      std::vector<float> scanned(rows.count);
      range(query, layout, rows.bytes.data(), 0, rows.count, scanned.data());
      std::vector<float> from(rows.count - first);
      range(query, layout, rows.bytes.data(), first, from.size(), from.data());
      for (std::size_t i = 0; i < from.size(); ++i)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(from[i]), std::bit_cast<std::uint32_t>(scanned[first + i]))
            << "row " << first + i;
      std::vector<Id> ids(below(random, 2 * rows.count));
      for (Id& id : ids) id = static_cast<Id>(below(random, rows.count));
      std::vector<float> gathered(ids.size());
      gather(query, layout, rows.bytes.data(), ids.data(), ids.size(), gathered.data());
      for (std::size_t i = 0; i < ids.size(); ++i)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(gathered[i]), std::bit_cast<std::uint32_t>(scanned[ids[i]]))
            << "place " << i;
    }
  });
}

TEST(QuantizedKernels, TheLongestVectorsDoNotOverflow) {
  constexpr std::size_t kDim = 65536;
  for_each_target([] {
    for (unsigned bits = 1; bits <= kMaxBits; ++bits) {
      SCOPED_TRACE(bits);
      Random random(bits);
      Rows rows(random, kDim, bits, 1);
      const std::int64_t last = (1 << bits) - 1;
      std::ranges::fill(rows.codes, static_cast<std::uint8_t>(last));
      rows.heads[0] = {.scale = 1, .bias = 0, .rest = 0};
      rows.store(0);
      const QuantizedLayout layout(kDim, bits);
      for (const float sign : {1.0F, -1.0F}) {
        const QuantizedQuery query = quantized(std::vector<float>(kDim, 127 * sign), layout);
        float out = 0;
        range(query, layout, rows.bytes.data(), 0, 1, &out);
        ASSERT_EQ(out, -sign * static_cast<float>(last * 127 * std::int64_t{kDim}));
      }
    }
  });
}

TEST(QuantizedKernels, AnyQueryIsRounded) {
  constexpr float kLargest = std::numeric_limits<float>::max(), kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  for_each_target([] {
    const QuantizedLayout layout(40, 3);
    for (const float extreme : {0.0F, std::numeric_limits<float>::denorm_min(), 1e-40F, 1e-37F, kLargest, -kLargest,
                                kInfinity, -kInfinity, kNaN}) {
      SCOPED_TRACE(extreme);
      for (const float other : {0.0F, extreme / 2, extreme}) {
        std::vector<float> values(40, other);
        values[7] = extreme;
        const QuantizedQuery query = quantized(values, layout);
        if (!std::isfinite(extreme)) continue;  // the numbers may be any
        EXPECT_EQ(number_of(query, layout, 7), extreme == 0 ? 0 : extreme < 0 ? -127 : 127);
        if (other == 0) {
          EXPECT_EQ(number_of(query, layout, 8), 0);
        }
      }
    }
  });
}

TEST(QuantizedKernels, NoRowsNoReads) {
  for_each_target([] {
    const QuantizedLayout layout(40, 8);
    const QuantizedQuery query = quantized(std::vector<float>(40, 1.0F), layout);
    const GuardedBytes nothing(0);
    gather(query, layout, nothing.data(), nullptr, 0, nullptr);
    range(query, layout, nothing.data(), 0, 0, nullptr);
  });
}

}  // namespace
}  // namespace cassata::kernels::quantized
