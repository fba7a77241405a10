// Scans of columns: the same bits as plain comparisons give, on every instruction set, up to the last value of a page.
#include "engine/kernels/column_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::column_scan {
namespace {

using namespace test;

/// Values that are often equal, and the ends of the type.
template <class T>
T random_value(Random& random) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>) {
    const T rare[] = {Limits::quiet_NaN(),  Limits::infinity(), -Limits::infinity(), -T{0},
                      Limits::denorm_min(), Limits::lowest()};
    return random() % 4 ? static_cast<T>(below(random, 7)) / 2 - 1 : rare[random() % 6];
  } else {
    const T rare[] = {Limits::min(), Limits::max(), static_cast<T>(Limits::max() / 2 + 1), static_cast<T>(random())};
    return random() % 4 ? static_cast<T>(below(random, 5)) : rare[random() % 4];
  }
}

template <class T>
void compare_with_plain_code(Random& random) {
  const std::size_t n = below(random, 4) == 0 ? 64 * below(random, 5) : below(random, 300);
  const GuardedBytes value_bytes(n * sizeof(T)), word_bytes((n + 63) / 64 * 8);
  auto* const values = reinterpret_cast<T*>(value_bytes.data());
  auto* const words = reinterpret_cast<std::uint64_t*>(word_bytes.data());
  std::generate(values, values + n, [&] { return random_value<T>(random); });
  std::fill(words, words + (n + 63) / 64, random());
  const T low = random_value<T>(random), high = random_value<T>(random);
  dispatch().of(T{})(values, n, low, high, words);
  for (std::size_t i = 0; i < (n + 63) / 64 * 64; ++i) {
    const bool expected = i < n && low <= values[i] && values[i] <= high;
    ASSERT_EQ(words[i / 64] >> (i % 64) & 1, expected) << "value " << i << " of " << n;
  }
}

TEST(ColumnScan, GivesTheBitsOfPlainComparisons) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 300; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      compare_with_plain_code<std::int64_t>(random);
      compare_with_plain_code<double>(random);
      compare_with_plain_code<std::uint8_t>(random);
      compare_with_plain_code<std::uint16_t>(random);
      compare_with_plain_code<std::uint32_t>(random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

}  // namespace
}  // namespace cassata::kernels::column_scan
