// Sparse rows: components as integers, values as f16, f32 or fixed-point values.
//
//   <section>           row after row: the scale, f32, if values are fixed-point (fixed_point.h);
//                       the components, u16 if dim is at most 65,536, else u32; the values
//   <section>.offsets   (n + 1) u32 or u64   row i is bytes offsets[i] to offsets[i + 1] - 1 (row_offsets.h)
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Open `size` rows. Throw Error(corrupt) if the offsets' section does not hold size + 1 numbers.
std::unique_ptr<Codes> open_sparse_f16(const RowSections& sections, std::uint64_t size, std::size_t dim);
std::unique_ptr<Codes> open_sparse_f32(const RowSections& sections, std::uint64_t size, std::size_t dim);
std::unique_ptr<Codes> open_sparse_fixed8(const RowSections& sections, std::uint64_t size, std::size_t dim);
std::unique_ptr<Codes> open_sparse_fixed16(const RowSections& sections, std::uint64_t size, std::size_t dim);

/// Rounds values to nearest even. encode() throws Error(invalid_argument) for values beyond f16's +-65504.
std::unique_ptr<Encoder> encoder_sparse_f16(std::size_t dim);
std::unique_ptr<Encoder> encoder_sparse_f32(std::size_t dim);
/// Round values to the nearest multiples of the row's scale (fixed_point.h).
std::unique_ptr<Encoder> encoder_sparse_fixed8(std::size_t dim);
std::unique_ptr<Encoder> encoder_sparse_fixed16(std::size_t dim);

}  // namespace cassata
