// Dense rows of a few bits a dimension: what a walk goes by, so that it reads a quarter, an eighth or a thirtieth of
// the bytes.
//
//   <section>         n rows: f32 scale, bias, rest; then dim codes (engine/kernels/quantized_distance.h says how they
//   lie) <section>.model   f32 x dim: the vectors' mean (center.h); for rabitq then i8 x 4 x dim: the signs of a
//   rotation (rotation.h)
//
// A vector x is held as  r = rotation(x - mean),  r being near  bias + scale x codes. With q' = rotation(q - a mean)
// the distance is
//   dot product:  -q . mean + a rest - q' . (bias + scale x codes),   rest = -mean . (x - mean),  a = q . mean /
//   |mean|^2 euclidean:     |q'|^2   +   rest - 2 q' . (bias + scale x codes), rest = |r|^2,               a = 1
//
// So what a query has of the mean's direction, often most of it, is not rounded, however long the query is.
//
// int8 and int4: each row's own smallest and largest value are the first and the last code (Aguerrebere et al., VLDB
// 2023). rabitq: 1 to 8 bits; codes that lie in the direction of r as near as they can, and a scale by which products
// with them are right in the mean (Gao and Long, SIGMOD 2024; Gao et al., SIGMOD 2025).
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Longest vectors that have such codes: sums stay within 32 bits.
inline constexpr std::size_t kMaxQuantizedDim = 65536;
inline constexpr std::uint32_t kMaxRabitqBits = 8;

/// Throw Error(corrupt) if a section's length is not what it must be, or there are no such codes.
std::unique_ptr<Codes> open_dense_int8(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
std::unique_ptr<Codes> open_dense_int4(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
std::unique_ptr<Codes> open_rabitq(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);

/// Throw Error(invalid_argument) if there are no such codes.
std::unique_ptr<Encoder> encoder_dense_int8(const CodesSpec& spec);
std::unique_ptr<Encoder> encoder_dense_int4(const CodesSpec& spec);
std::unique_ptr<Encoder> encoder_rabitq(const CodesSpec& spec);

}  // namespace cassata
