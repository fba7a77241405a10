// Checks that the encodings with f16 values share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "cassata/error.h"

namespace cassata {

/// False for infinities and NaNs.
inline bool finite_half(std::uint16_t half) noexcept { return (half & 0x7C00) != 0x7C00; }

/// Throws Error(invalid_argument) for a value that f16 rounds to infinity. `place` names its place in the row, e.g.
/// "column 3".
[[noreturn]] inline void refuse_beyond_half(std::string_view source, std::uint64_t row, const std::string& place,
                                            float value) {
  invalid_argument(std::string(source) + ": row " + std::to_string(row) + ", " + place + ": " + std::to_string(value) +
                   " is beyond f16, expected at most 65504; store f32");
}

/// Throws Error(invalid_argument) if all values are so small that f16 would lose more than 1 % of the vector's length.
/// For the message, row() names the vector, and place(i) the place of value i in it.
void check_halves(std::span<const float> values, const std::function<std::string()>& row,
                  const std::function<std::string(std::size_t)>& place);

}  // namespace cassata
