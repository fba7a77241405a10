// Distances of a scattered query to sparse rows: right on every instruction set, and reading nothing past a row.
#include "engine/kernels/sparse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/kernels/dense.h"
#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels {
namespace {

using namespace test;

constexpr std::size_t kShortTable = 65536;

struct Case {
  Metric metric;
  std::size_t component_bytes;
  ElementType type;
  std::uint32_t limit;
  std::vector<float> table;
  std::vector<std::uint32_t> components;
  std::vector<float> values;
};

Case random_case(unsigned seed, std::size_t length) {
  Random random(seed);
  std::normal_distribution<float> normal;
  Case c{.metric = seed % 2 ? Metric::euclidean : Metric::dot_product,
         .component_bytes = seed / 2 % 2 ? 2u : 4u,
         .type = seed / 4 % 2 ? ElementType::f16 : ElementType::f32,
         .limit = static_cast<std::uint32_t>(1 + below(random, 1000)),
         .table = {},
         .components = {},
         .values = std::vector<float>(length)};
  c.table.resize((c.component_bytes == 2 ? kShortTable : c.limit) + 1);
  for (std::uint32_t i = 0; i < c.limit; ++i) c.table[i] = below(random, 2) ? normal(random) : 0;
  const std::uint64_t largest = c.component_bytes == 2 ? 65535 : 4294967295;
  for (float& value : c.values) {
    value = normal(random);
    c.components.push_back(static_cast<std::uint32_t>(below(random, 4) ? below(random, c.limit) : largest - below(random, largest - c.limit)));
  }
  if (c.type == ElementType::f16) {
    std::vector<std::uint16_t> halves(length);
    f32_to_f16(c.values.data(), halves.data(), length);
    f16_to_f32(halves.data(), c.values.data(), length);
  }
  return c;
}

void store(const Case& c, std::byte* components, std::byte* values) {
  for (std::size_t i = 0; i < c.components.size(); ++i) std::memcpy(components + i * c.component_bytes, &c.components[i], c.component_bytes);
  std::vector<std::uint16_t> halves(c.values.size());
  if (c.type == ElementType::f16) f32_to_f16(c.values.data(), halves.data(), halves.size());
  const void* from = c.type == ElementType::f16 ? static_cast<const void*>(halves.data()) : c.values.data();
  if (!c.values.empty()) std::memcpy(values, from, c.values.size() * element_bytes(c.type));
}

/// By definition; entries from the limit on meet 0.
double reference(const Case& c, double& tolerance) {
  double sum = 0;
  tolerance = 0;
  for (std::size_t i = 0; i < c.values.size(); ++i) {
    const double v = c.values[i], t = c.components[i] < c.limit ? c.table[c.components[i]] : 0.0F;
    const double part = c.metric == Metric::euclidean ? v * v - 2 * v * t : -v * t;
    sum += part;
    tolerance += 1e-6 * (v * v + 2 * std::abs(v * t));
  }
  return sum;
}

TEST(SparseKernels, AreRightAtEveryLengthAndPlace) {
  for_each_target([] {
    for (std::size_t length = 0; length <= 100; ++length)
      for (unsigned seed = 0; seed < 16; ++seed) {
        SCOPED_TRACE("length " + std::to_string(length) + ", seed " + std::to_string(seed));
        const Case c = random_case(seed, length);
        const std::size_t after = seed < 8 ? 0 : 1 + seed % 3;  // right before the unreadable page, or off any alignment
        const GuardedBytes components(length * c.component_bytes + after), values(length * element_bytes(c.type) + after);
        store(c, components.data(), values.data());
        const GuardedBytes table(c.table.size() * sizeof(float));
        std::memcpy(table.data(), c.table.data(), c.table.size() * sizeof(float));
        double tolerance = 0;
        const double expected = reference(c, tolerance);
        const SparseKernel kernel = sparse_kernel(c.metric, c.component_bytes, c.type);
        ASSERT_NEAR(kernel(reinterpret_cast<const float*>(table.data()), c.limit, components.data(), values.data(), length), expected, tolerance);
      }
  });
}

}  // namespace
}  // namespace cassata::kernels
