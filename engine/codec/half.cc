#include "engine/codec/half.h"

#include <vector>

#include "engine/kernels/dense_distance.h"
#include "format/base/text.h"
#include "format/input/vector_lengths.h"

namespace cassata {
namespace {

/// True if rounding to f16 moves the vector by more than 1 % of its length.
bool loses_much(std::span<const float> values) {
  std::vector<std::uint16_t> halves(values.size());
  std::vector<float> kept(values.size());
  kernels::dense::f32_to_f16(values.data(), halves.data(), values.size());
  kernels::dense::f16_to_f32(halves.data(), kept.data(), values.size());
  double lost = 0, all = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i], difference = value - static_cast<double>(kept[i]);
    lost += difference * difference;
    all += value * value;
  }
  return lost > 1e-4 * all;
}

}  // namespace

void check_halves(std::span<const float> values, const std::function<std::string()>& row,
                  const std::function<std::string(std::size_t)>& place) {
  // Largest rounding error of a value below f16's normal range. Values within that range lose at most a share of 2^-11.
  constexpr double kRounding = 0x1p-25;
  if (static_cast<double>(values.size()) * kRounding * kRounding <=
          5e-5 * static_cast<double>(squared_length(values)) ||
      !loses_much(values))
    return;
  const std::size_t i = largest_value(values);
  invalid_argument(row() + ", " + place(i) + ": " + short_number(static_cast<double>(values[i])) +
                   " is the vector's largest value, too small for f16: more than 1 % of the vector would be lost; "
                   "scale all vectors, or store f32");
}

}  // namespace cassata
