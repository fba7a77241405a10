// Distances of a scattered query to sparse rows: right on every instruction set, and reading nothing past a row.
#include "engine/kernels/sparse_dot.h"

// As sparse_packed.cc, whose kernels are tested on all of its instruction sets.
#define HWY_WANT_AVX3_DL
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "engine/kernels/dense_distance.h"
#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::sparse {
namespace {

using namespace test;

constexpr std::size_t kShortTable = 65536;
constexpr SparseValues kValues[] = {SparseValues::f32, SparseValues::f16, SparseValues::fixed8, SparseValues::fixed16};

std::size_t value_bytes(SparseValues values) {
  return values == SparseValues::f32 ? 4 : values == SparseValues::fixed8 ? 1 : 2;
}

/// A copy that ends `after` bytes before a page that may not be read.
struct Guarded : GuardedBytes {
  Guarded(const void* from, std::size_t bytes, std::size_t after) : GuardedBytes(bytes + after) {
    if (bytes != 0) std::memcpy(data(), from, bytes);
  }
};

struct Query {
  std::uint32_t limit;
  GuardedBytes table, filter;

  /// With a value at every other component, or at few.
  Query(Random& random, std::uint32_t dim, bool short_components, unsigned one_in, std::size_t filter_words)
      : limit(dim),
        table(((short_components ? kShortTable : dim) + 1) * sizeof(float)),
        filter(filter_words * sizeof(std::uint32_t)) {
    std::normal_distribution<float> normal;
    for (std::uint32_t c = 0; c < limit; ++c) {
      if (below(random, one_in) != 0) continue;
      reinterpret_cast<float*>(table.data())[c] = normal(random);
      if (filter_words != 0) reinterpret_cast<std::uint32_t*>(filter.data())[c / 32 % filter_words] |= 1u << c % 32;
    }
  }
  SparseQuery asked(bool by_filter) const {
    return {.table = reinterpret_cast<const float*>(table.data()),
            .limit = limit,
            .filter = by_filter ? reinterpret_cast<const std::uint32_t*>(filter.data()) : nullptr};
  }
  double at(std::uint32_t component) const { return component < limit ? asked(false).table[component] : 0; }
};

struct Entries {
  std::vector<std::uint32_t> components;
  std::vector<float> values;
  std::vector<std::byte> stored;  // the values
  float scale;
};

/// Values of each kind, some of them negative.
Entries random_entries(Random& random, std::size_t count, const Query& query, std::uint32_t largest,
                       SparseValues kind) {
  Entries e{.components = {}, .values = {}, .stored = {}, .scale = 0.25F};
  std::normal_distribution<float> normal;
  if (random() % 2) e.scale = -e.scale;
  for (std::size_t i = 0; i < count; ++i) {
    e.components.push_back(static_cast<std::uint32_t>(
        below(random, 4) ? below(random, query.limit) : largest - below(random, largest - query.limit)));
    const float number = normal(random);
    const auto bits =
        static_cast<std::uint16_t>(kind == SparseValues::fixed8 ? below(random, 256) : below(random, 65536));
    std::byte bytes[4];
    float value = number;
    std::uint16_t half = bits;
    switch (kind) {
      case SparseValues::f32: std::memcpy(bytes, &number, 4); break;
      case SparseValues::f16:
        dense::f32_to_f16(&number, &half, 1);
        dense::f16_to_f32(&half, &value, 1);
        std::memcpy(bytes, &half, 2);
        break;
      case SparseValues::fixed8:
        value = std::abs(e.scale) * static_cast<float>(e.scale < 0 ? static_cast<std::int8_t>(bits) : bits);
        bytes[0] = static_cast<std::byte>(bits);
        break;
      case SparseValues::fixed16:
        value = std::abs(e.scale) * static_cast<float>(e.scale < 0 ? static_cast<std::int16_t>(bits) : bits);
        std::memcpy(bytes, &bits, 2);
    }
    e.values.push_back(value);
    e.stored.insert(e.stored.end(), bytes, bytes + value_bytes(kind));
  }
  return e;
}

/// By definition; entries from the limit on meet 0.
double reference(Metric metric, const Query& query, const Entries& e, double& tolerance) {
  double sum = tolerance = 0;
  for (std::size_t i = 0; i < e.values.size(); ++i) {
    const double v = e.values[i], t = query.at(e.components[i]);
    sum += metric == Metric::euclidean ? v * v - 2 * v * t : -v * t;
    tolerance += 1e-6 * (v * v + 2 * std::abs(v * t));
  }
  return sum;
}

/// Both ways of the kernels to the distance.
template <class Row>
void expect_right(const Kernels<Row>& kernels, const Query& query, const Row& row, double expected, double tolerance) {
  ASSERT_NEAR(kernels.all(query.asked(false), row), expected, tolerance);
  if (kernels.few) {
    ASSERT_NEAR(kernels.few(query.asked(true), row), expected, tolerance) << "those that pass the filter";
  }
}

const std::size_t kLengths[] = {255, 256, 257, 300, 512, 600};

/// Every length up to 100, and some beyond what is decoded at a time.
std::size_t length_of(std::size_t i) { return i <= 100 ? i : kLengths[i - 101]; }
constexpr std::size_t kCases = 101 + std::size(kLengths);

TEST(SparseKernels, AreRightAtEveryLengthAndPlace) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 64; ++seed) {
      Random random(seed);
      const Metric metric = seed % 2 ? Metric::euclidean : Metric::dot_product;
      const std::size_t component_bytes = seed / 2 % 2 ? 2 : 4,
                        after = seed % 32 < 16 ? 0 : 1 + seed % 3;  // off any alignment, or none
      const SparseValues kind = kValues[seed / 4 % 4];
      const auto kernels = dispatch(metric, component_bytes, kind);
      const bool short_ones = component_bytes == 2, full = seed < 32;
      const Query query(random, static_cast<std::uint32_t>(1 + below(random, 1000)), short_ones, full ? 2 : 40,
                        kernels.filter_words);
      for (std::size_t i = full; i < kCases; i += 2) {
        SCOPED_TRACE("length " + std::to_string(length_of(i)) + ", seed " + std::to_string(seed));
        const Entries e = random_entries(random, length_of(i), query, short_ones ? 65535 : 4294967295, kind);
        const std::vector<std::uint16_t> narrow(e.components.begin(), e.components.end());
        const Guarded components(short_ones ? static_cast<const void*>(narrow.data()) : e.components.data(),
                                 component_bytes * narrow.size(), after),
            values(e.stored.data(), e.stored.size(), after);
        double tolerance = 0;
        const double expected = reference(metric, query, e, tolerance);
        const SparseRow row{
            .components = components.data(), .values = values.data(), .count = e.values.size(), .scale = e.scale};
        ASSERT_NO_FATAL_FAILURE(expect_right(kernels, query, row, expected, tolerance));
      }
    }
  });
}

/// Components that rise, below `dim`.
std::vector<std::uint32_t> rising(Random& random, std::size_t count, std::uint64_t dim) {
  std::set<std::uint32_t> chosen;
  while (chosen.size() < std::min<std::uint64_t>(count, dim))
    chosen.insert(static_cast<std::uint32_t>(below(random, dim)));
  return {chosen.begin(), chosen.end()};
}

TEST(PackedKernels, AreRightAtEveryLengthAndPlace) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 24; ++seed) {
      Random random(seed);
      const std::size_t low_bytes = 1 + seed % 3, after = seed % 4;
      const std::uint64_t dims[] = {1 + below(random, 3000), 65536, std::uint64_t{1} << 24, 4294967295},
                          dim = dims[low_bytes == 1 ? seed % 2 : low_bytes];
      const auto kernels = dispatch_packed(low_bytes);
      const bool full = seed < 12;
      const Query query(random, static_cast<std::uint32_t>(std::min<std::uint64_t>(dim, 100'000)), low_bytes == 1,
                        full ? 2 : 40, kernels.filter_words);
      for (std::size_t i = full; i < kCases; i += 2) {
        SCOPED_TRACE("length " + std::to_string(length_of(i)) + ", seed " + std::to_string(seed));
        Entries e = random_entries(random, std::min<std::uint64_t>(length_of(i), dim), query, query.limit + 1,
                                   SparseValues::fixed8);
        e.components = rising(random, e.values.size(), dim);
        std::vector<std::uint8_t> tops((e.values.size() + ((dim - 1) >> (8 * low_bytes)) + 7) / 8), low;
        for (std::size_t j = 0; j < e.components.size(); ++j) {
          const std::size_t bit = (e.components[j] >> (8 * low_bytes)) + j;
          tops[bit / 8] = static_cast<std::uint8_t>(tops[bit / 8] | 1u << bit % 8);
        }
        for (std::size_t plane = 0; plane < low_bytes; ++plane)
          for (const std::uint32_t c : e.components) low.push_back(static_cast<std::uint8_t>(c >> (8 * plane)));
        const Guarded bits(tops.data(), tops.size(), after), rest(low.data(), low.size(), after),
            values(e.stored.data(), e.stored.size(), after);
        double tolerance = 0;
        const double expected = reference(Metric::dot_product, query, e, tolerance);
        const auto at = [](const GuardedBytes& b) { return reinterpret_cast<const std::uint8_t*>(b.data()); };
        const PackedRow row{.tops = at(bits),
                            .tops_bytes = tops.size(),
                            .low = at(rest),
                            .values = at(values),
                            .count = e.values.size(),
                            .scale = e.scale};
        ASSERT_NO_FATAL_FAILURE(expect_right(kernels, query, row, expected, tolerance));
      }
    }
  });
}

}  // namespace
}  // namespace cassata::kernels::sparse
