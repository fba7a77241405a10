// Dense rows in f32, or rounded to f16.
//
//   <section>   n x dim elements, row-major, no padding
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

std::unique_ptr<RowCodec> codec_dense_f32(const RowSections& sections, const CodesSpec& spec);
std::unique_ptr<RowCodec> codec_dense_f16(const RowSections& sections, const CodesSpec& spec);

std::unique_ptr<Encoder> encoder_dense_f32(std::size_t dim);
/// Rounds to nearest even. encode() throws Error(invalid_argument) for values beyond f16's +-65504.
std::unique_ptr<Encoder> encoder_dense_f16(std::size_t dim);

}  // namespace cassata
