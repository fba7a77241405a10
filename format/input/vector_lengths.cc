#include "format/input/vector_lengths.h"
#include "format/base/text.h"

#include <algorithm>
#include <cmath>

namespace cassata {
namespace {

/// Squared length in f64; infinite or NaN if a value is.
double exact_squared_length(std::span<const float> values) noexcept {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum;
}

}  // namespace

float squared_length(std::span<const float> values) noexcept {
  constexpr std::size_t kLanes = 16;  // independent sums, which compilers vectorize
  float sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (std::size_t j = 0; j < kLanes; ++j) sums[j] += values[i + j] * values[i + j];
  float sum = 0;
  for (; i < values.size(); ++i) sum += values[i] * values[i];
  for (const float part : sums) sum += part;
  return sum;
}

bool comparable(std::span<const float> values) noexcept {
  constexpr double kLeast = kLeastLength * kLeastLength, kMost = kMostLength * kMostLength;
  constexpr double kRounding = 2;  // far more than the error of f32 sums
  if (const double square = squared_length(values); square >= kLeast * kRounding && square <= kMost / kRounding)
    return true;
  const double square = exact_squared_length(values);
  return square == 0 || (square >= kLeast && square <= kMost);
}

std::size_t largest_value(std::span<const float> values) noexcept {
  return static_cast<std::size_t>(std::ranges::max_element(values, {}, [](float value) { return std::abs(value); }) -
                                  values.begin());
}

std::string length_fault(std::span<const float> values) {
  return short_number(values[largest_value(values)]) + " in a vector of length " +
         short_number(std::sqrt(exact_squared_length(values))) + ", expected 0 or " + short_number(kLeastLength) +
         " to " + short_number(kMostLength) + ", so that f32 can hold its square";
}

}  // namespace cassata
