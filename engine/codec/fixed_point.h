// Fixed-point values: integers times the scale of their row.
//
// Rows without negative values use unsigned integers; the others use two's complement, which a negative scale marks.
// The scale is the smallest one by which the integers reach the row's largest value, or, if all values are multiples of
// it, the smallest such power of two: then values are stored exactly (small integers, their halves, quarters and so
// on). Otherwise the error of a value is at most half of the scale: 1/510 of the largest value for 8 bits (1/254 with
// negative values), 1/131,070 for 16 bits (1/65,534). Values below f32's normal range, 1e-38, may have larger errors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace cassata {

/// The integers of `values` and their scale.
template <class Number>
struct FixedPoint {
  float scale = 0;
  std::vector<Number> numbers;

  explicit FixedPoint(std::span<const float> values) {
    float largest = 0;
    bool negative = false;
    for (const float v : values) {
      largest = std::max(largest, std::abs(v));
      negative |= v < 0;
    }
    const std::int64_t max = std::numeric_limits<Number>::max() >> (negative ? 1 : 0);
    const float step = step_of(values, largest, static_cast<float>(max));
    scale = negative ? -step : step;
    for (const float v : values) {
      const std::int64_t number = step == 0 ? 0 : std::llround(static_cast<double>(v) / static_cast<double>(step));
      numbers.push_back(static_cast<Number>(std::clamp(number, -max, max)));
    }
  }

 private:
  static float step_of(std::span<const float> values, float largest, float max) {
    if (largest == 0) return 0;
    const double exact = std::exp2(std::ceil(std::log2(static_cast<double>(largest) / static_cast<double>(max))));
    const auto is_multiple = [&](float v) {
      return std::rint(static_cast<double>(v) / exact) * exact == static_cast<double>(v);
    };
    if (exact >= static_cast<double>(std::numeric_limits<float>::min()) && std::ranges::all_of(values, is_multiple))
      return static_cast<float>(exact);
    return std::max(largest / max, std::numeric_limits<float>::denorm_min());
  }
};

/// The value of the integer `number`.
template <class Number>
float fixed_value(float scale, Number number) noexcept {
  const auto whole = scale < 0 ? static_cast<std::int32_t>(static_cast<std::make_signed_t<Number>>(number))
                               : static_cast<std::int32_t>(number);
  return static_cast<float>(whole) * std::abs(scale);
}

}  // namespace cassata
