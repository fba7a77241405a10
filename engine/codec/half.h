// What encodings that round to f16 share.
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

/// The error for a value that became an infinity. `place` tells where in the row: "column 3".
[[noreturn]] inline void refuse_beyond_half(std::string_view source, std::uint64_t row, const std::string& place,
                                            float value) {
  invalid_argument(std::string(source) + ": row " + std::to_string(row) + ", " + place + ": " + std::to_string(value) +
                   " is beyond f16, expected at most 65504; store f32");
}

/// Throws Error(invalid_argument) if f16 would lose more than 1 % of the vector, since all its values are so small.
/// `row` is its name in the message; place(i) tells where in it value i is.
void check_halves(std::span<const float> values, const std::function<std::string()>& row,
                  const std::function<std::string(std::size_t)>& place);

}  // namespace cassata
