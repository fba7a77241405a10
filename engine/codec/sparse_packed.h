// Sparse rows in little more than two bytes an entry: gaps between the components' top bytes as bits, their other bytes
// as they are, values as 8-bit fixed-point numbers.
//
// A component of dim up to 2^16 has a top byte and one below it (up to 2^24 two below, else three). Components rise,
// and so do their top bytes: a row's bits tell, from the lowest of the first byte on, a 1 for each entry and before it
// a 0 for each time that the top byte has risen by one since the entry before (since 0); as many 0 follow as it takes
// to the largest top byte there may be. (Elias, JACM 1974; Fano, MIT 1971.) That is one bit an entry and at most 255
// more for a row, and what else there is to an entry lies where its number says.
//
//   <section>           row after row: the scale, f32 (fixed.h); the bits, filled up with zeros to a whole byte; the
//   lowest byte of each
//                       component; where there is one, the second lowest of each; the third; the values, u8
//   <section>.offsets   (n + 1) u32 or u64   row i is bytes offsets[i] to offsets[i + 1] - 1 (sparse_rows.h)
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Dot product only. Throws Error(corrupt) if the offsets' length is not that of size + 1.
std::unique_ptr<Codes> open_sparse_packed(const RowSections& sections, std::uint64_t size, std::size_t dim);
/// Rounds values to the nearest multiple of the row's scale.
std::unique_ptr<Encoder> encoder_sparse_packed(std::size_t dim);

}  // namespace cassata
