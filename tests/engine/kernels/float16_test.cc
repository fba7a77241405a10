// Conversions between f32 and f16, value by value.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/kernels/dense_distance.h"
#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"

namespace cassata::kernels::dense {
namespace {

using test::for_each_target;

constexpr std::size_t kHalves = 65'536;
constexpr std::uint16_t kInfinity = 0x7C00;

bool is_nan(std::uint16_t half) { return (half & 0x7FFF) > kInfinity; }

/// The value of f16 bits as IEEE 754 defines it, without the machine's conversion; not for NaN.
double value_of(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const double fraction = half & 1023;
  double value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  if (exponent == 31) value = std::numeric_limits<double>::infinity();
  return half & 0x8000 ? -value : value;
}

std::vector<std::uint16_t> all_halves() {
  std::vector<std::uint16_t> halves(kHalves);
  std::iota(halves.begin(), halves.end(), std::uint16_t{0});
  return halves;
}

std::uint16_t to_half(float value) {
  std::uint16_t half = 0;
  f32_to_f16(&value, &half, 1);
  return half;
}

TEST(Half, EveryHalfWidens) {
  for_each_target([] {
    const std::vector<std::uint16_t> halves = all_halves();
    std::vector<float> values(kHalves);
    f16_to_f32(halves.data(), values.data(), kHalves);
    for (std::size_t i = 0; i < kHalves; ++i) {
      ASSERT_EQ(std::signbit(values[i]), i >= 0x8000) << i;
      if (is_nan(halves[i])) {
        ASSERT_TRUE(std::isnan(values[i])) << i;
      } else {
        ASSERT_EQ(values[i], value_of(halves[i])) << i;
      }
    }
  });
}

TEST(Half, EveryHalfComesBack) {
  for_each_target([] {
    const std::vector<std::uint16_t> halves = all_halves();
    std::vector<float> values(kHalves);
    std::vector<std::uint16_t> back(kHalves);
    f16_to_f32(halves.data(), values.data(), kHalves);
    f32_to_f16(values.data(), back.data(), kHalves);
    for (std::size_t i = 0; i < kHalves; ++i) {
      if (is_nan(halves[i])) {
        ASSERT_TRUE(is_nan(back[i]) && (back[i] & 0x8000) == (halves[i] & 0x8000)) << i;
      } else {
        ASSERT_EQ(back[i], halves[i]);
      }
    }
  });
}

/// Between each two neighbouring halves: the middle goes to the even one, a hair to either side to the nearer one.
TEST(Half, RoundsToNearestEven) {
  for_each_target([] {
    std::vector<float> values;
    std::vector<std::uint16_t> expected;
    for (std::uint16_t low = 0; low < kInfinity; ++low) {
      const std::uint16_t high = low + 1;
      // Past the largest finite half, rounding goes on as if there were a next one, 65,536.
      const double above = high == kInfinity ? 65'536 : value_of(high);
      const auto middle = static_cast<float>((value_of(low) + above) / 2);
      for (const float sign : {1.0F, -1.0F}) {
        const std::uint16_t bit = sign < 0 ? 0x8000 : 0;
        values.insert(values.end(),
                      {sign * middle, sign * std::nextafter(middle, 0.0F), sign * std::nextafter(middle, 1e6F)});
        for (const std::uint16_t half : {low % 2 ? high : low, low, high}) expected.push_back(half | bit);
      }
    }
    std::vector<std::uint16_t> halves(values.size());
    f32_to_f16(values.data(), halves.data(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(halves[i], expected[i]) << "from " << values[i];
  });
}

TEST(Half, BeyondItsRange) {
  for_each_target([] {
    const float huge = std::numeric_limits<float>::max();
    const float tiny = std::numeric_limits<float>::denorm_min();
    EXPECT_EQ(to_half(huge), kInfinity);
    EXPECT_EQ(to_half(-huge), kInfinity | 0x8000);
    EXPECT_EQ(to_half(std::numeric_limits<float>::infinity()), kInfinity);
    EXPECT_EQ(to_half(tiny), 0);
    EXPECT_EQ(to_half(-tiny), 0x8000);
    EXPECT_TRUE(is_nan(to_half(std::numeric_limits<float>::quiet_NaN())));
  });
}

TEST(Half, ReadsAndWritesNothingPastTheEnd) {
  for_each_target([] {
    for (std::size_t n = 0; n < 70; ++n) {
      const test::GuardedBytes floats(n * sizeof(float));
      const test::GuardedBytes halves(n * sizeof(std::uint16_t));
      auto* values = static_cast<float*>(static_cast<void*>(floats.data()));
      auto* bits = static_cast<std::uint16_t*>(static_cast<void*>(halves.data()));
      for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(i) - 30;
      f32_to_f16(values, bits, n);
      f16_to_f32(bits, values, n);
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(values[i], static_cast<float>(i) - 30) << n;
    }
  });
}

}  // namespace
}  // namespace cassata::kernels::dense
