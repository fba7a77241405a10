// Which vectors can be compared: f32 must hold their squared distances and dot products.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cassata {

/// A vector's length (L2) is 0 or within these bounds. So f32 holds the squared length and the products of any two
/// vectors, with room for what encodings compute on the way: the sum of two, 16 times a square. Nanoseconds since 1970
/// are within, too.
inline constexpr double kLeastLength = 1e-15, kMostLength = 2e18;

/// The sum of the squares, in f32, in an order that the values alone decide. A NaN or infinity if a value is one, or
/// the sum is beyond f32.
float squared_length(std::span<const float> values) noexcept;

/// Whether all values are finite and the length is 0 or within the bounds.
bool comparable(std::span<const float> values) noexcept;

/// The place of the value that is farthest from 0. There is at least one.
std::size_t largest_value(std::span<const float> values) noexcept;

/// What is wrong with a vector whose values are finite, but that is not comparable(): for a message, after the place of
/// its largest value.
std::string length_fault(std::span<const float> values);

}  // namespace cassata
