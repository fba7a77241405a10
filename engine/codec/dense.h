// Dense rows as they are, f32, or rounded to f16.
//
//   <section>   n x dim elements, row-major, no padding
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// The rows of a section. Throws Error(corrupt) if its length is not size x dim elements.
std::unique_ptr<Codes> open_dense_f32(const RowSections& sections, std::uint64_t size, std::size_t dim);
std::unique_ptr<Codes> open_dense_f16(const RowSections& sections, std::uint64_t size, std::size_t dim);

std::unique_ptr<Encoder> encoder_dense_f32(std::size_t dim);
/// Rounds to nearest even; refuses values beyond f16's +-65504.
std::unique_ptr<Encoder> encoder_dense_f16(std::size_t dim);

}  // namespace cassata
