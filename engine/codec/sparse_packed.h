// Packed sparse rows, little more than two bytes an entry: the top bytes of components as a bit string, their lower
// bytes as bytes, values as 8-bit fixed-point values.
//
// A component has a top byte and one lower byte if dim is at most 2^16, two if it is at most 2^24, else three.
// Components ascend, and so do their top bytes, which are coded as Elias-Fano codes high bits (Elias, JACM 1974; Fano,
// MIT 1971): from the lowest bit of the first byte on, each entry is a 1, preceded by one 0 for each step of the top
// byte since the entry before (since 0 for the first). After the last entry, 0s follow for the steps to the largest top
// byte that dim allows. That takes one bit an entry and at most 255 more a row.
//
//   <section>           row after row: the scale, f32 (fixed_point.h); the bits, padded with 0 to a whole byte;
//                       the lowest byte of each component; the second lowest of each, if any; the third, if any;
//                       the values, u8
//   <section>.offsets   (n + 1) u32 or u64   row i is bytes offsets[i] to offsets[i + 1] - 1 (row_offsets.h)
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Opens `size` rows, for the dot product alone. Throws Error(corrupt) if the offsets' section does not hold size + 1
/// numbers.
std::unique_ptr<Codes> open_sparse_packed(const RowSections& sections, std::uint64_t size, std::size_t dim);
/// Rounds values to the nearest multiples of the row's scale (fixed_point.h).
std::unique_ptr<Encoder> encoder_sparse_packed(std::size_t dim);

}  // namespace cassata
