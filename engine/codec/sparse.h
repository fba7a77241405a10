// Sparse rows: components as they are, values as f16, f32 or fixed-point numbers.
//
//   <section>           row after row: of fixed-point ones the scale, f32 (fixed.h); then the components (u16 where dim
//   is at most 65,536,
//                       else u32), then the values
//   <section>.offsets   (n + 1) u32 or u64   row i is bytes offsets[i] to offsets[i + 1] - 1 (sparse_rows.h)
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// The rows of two sections. Throws Error(corrupt) if the offsets' length is not that of size + 1.
std::unique_ptr<Codes> open_sparse_f16(const RowSections& sections, std::uint64_t size, std::size_t dim);
std::unique_ptr<Codes> open_sparse_f32(const RowSections& sections, std::uint64_t size, std::size_t dim);
std::unique_ptr<Codes> open_sparse_fixed8(const RowSections& sections, std::uint64_t size, std::size_t dim);
std::unique_ptr<Codes> open_sparse_fixed16(const RowSections& sections, std::uint64_t size, std::size_t dim);

/// Rounds values to nearest even; refuses those beyond f16's +-65504.
std::unique_ptr<Encoder> encoder_sparse_f16(std::size_t dim);
std::unique_ptr<Encoder> encoder_sparse_f32(std::size_t dim);
/// Round values to the nearest multiple of the row's scale.
std::unique_ptr<Encoder> encoder_sparse_fixed8(std::size_t dim);
std::unique_ptr<Encoder> encoder_sparse_fixed16(std::size_t dim);

}  // namespace cassata
