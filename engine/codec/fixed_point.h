// Fixed-point values: whole numbers times a row's scale.
//
// Rows without negative values use all of a number's range, the others two's complement, which a negative scale tells.
// The scale is the smallest that reaches the row's largest value. Where all values are multiples of a power of two that
// reaches it, too, it is that one, and they are stored exactly: small whole numbers and their halves, quarters and so
// on. Else a value is off by at most half of the scale's size: by 1/510 of the largest for 8 bits (1/254 with negative
// values), 1/131,070 for 16 (1/65,534); values below f32's normal range, 1e-38, may be off by more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace cassata {

/// The numbers of `values` and their scale.
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
    const std::int64_t most = std::numeric_limits<Number>::max() >> (negative ? 1 : 0);
    const float step = step_of(values, largest, static_cast<float>(most));
    scale = negative ? -step : step;
    for (const float v : values) {
      const std::int64_t number = step == 0 ? 0 : std::llround(static_cast<double>(v) / static_cast<double>(step));
      numbers.push_back(static_cast<Number>(std::clamp(number, -most, most)));
    }
  }

 private:
  static float step_of(std::span<const float> values, float largest, float most) {
    if (largest == 0) return 0;
    const double exact = std::exp2(std::ceil(std::log2(static_cast<double>(largest) / static_cast<double>(most))));
    const auto is_multiple = [&](float v) {
      return std::rint(static_cast<double>(v) / exact) * exact == static_cast<double>(v);
    };
    if (exact >= static_cast<double>(std::numeric_limits<float>::min()) && std::ranges::all_of(values, is_multiple))
      return static_cast<float>(exact);
    return std::max(largest / most, std::numeric_limits<float>::denorm_min());
  }
};

/// The value that `number` stands for.
template <class Number>
float fixed_value(float scale, Number number) noexcept {
  const auto whole = scale < 0 ? static_cast<std::int32_t>(static_cast<std::make_signed_t<Number>>(number))
                               : static_cast<std::int32_t>(number);
  return static_cast<float>(whole) * std::abs(scale);
}

}  // namespace cassata
