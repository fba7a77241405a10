// Bounds on the lengths of vectors: f32 must hold their squared distances and dot products.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cassata {

/// The L2 length of a vector is 0 or within these bounds. So f32 holds squared lengths and dot products, with room for
/// intermediate results of encodings: the sum of two, or 16 times a square. Nanoseconds since 1970 are within the
/// bounds.
inline constexpr double kLeastLength = 1e-15, kMostLength = 2e18;

/// Squared L2 length in f32, summed in a fixed order. Infinite or NaN if a value is, or if f32 cannot hold the sum.
float squared_length(std::span<const float> values) noexcept;

/// True if all values are finite and the length is 0 or within the bounds.
bool comparable(std::span<const float> values) noexcept;

/// Index of the value with the largest absolute value. Requires at least one value.
std::size_t largest_value(std::span<const float> values) noexcept;

/// Text of a message for a vector of finite values that is not comparable(). It follows the place of the largest value.
std::string length_fault(std::span<const float> values);

}  // namespace cassata
