// Dense rows of a few bits a dimension, mostly used as traversal codes: a traversal reads a quarter, an eighth or a
// thirtieth of the bytes of f32 rows.
//
//   <section>         n rows: f32 scale, bias, rest; then dim codes (layout: engine/kernels/quantized_distance.h)
//   <section>.model   f32 x dim: the center (center.h), called mean below
//                     for rabitq then i8 x 4 x dim: the signs of the rotation (rotation.h)
//
// The codes of a vector x approximate  r = rotation(x - mean)  by  bias + scale x codes. The distance of a query q is
//   dot product:  -q . mean + a rest - q' . (bias + scale x codes),    rest = -mean . (x - mean)
//   euclidean:    |q'|^2    +   rest - 2 q' . (bias + scale x codes),  rest = |r|^2
// where q' = rotation(q - a mean), with a = q . mean / |mean|^2 for the dot product and a = 1 for euclidean.
//
// The kernel rounds q' to 8 bits a dimension. The part of a query in the direction of the mean, often most of it, is
// not in q' and therefore not rounded.
//
// int8 and int4: the first and the last code are the smallest and the largest value of the row (Aguerrebere et al.,
// VLDB 2023). rabitq: 1 to 8 bits; the codes are chosen for the smallest angle to r, and the scale so that dot products
// with them are unbiased (Gao and Long, SIGMOD 2024; Gao et al., SIGMOD 2025).
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Largest dimension with such codes: sums stay within 32 bits.
inline constexpr std::size_t kMaxQuantizedDim = 65536;

/// Throw Error(corrupt) if the model's length does not match the spec, or the bits or the dimension are out of range.
std::unique_ptr<RowCodec> codec_dense_int8(const RowSections& sections, const CodesSpec& spec);
std::unique_ptr<RowCodec> codec_dense_int4(const RowSections& sections, const CodesSpec& spec);
std::unique_ptr<RowCodec> codec_rabitq(const RowSections& sections, const CodesSpec& spec);

/// Throw Error(invalid_argument) if the bits or the dimension are out of range.
std::unique_ptr<Encoder> encoder_dense_int8(const CodesSpec& spec);
std::unique_ptr<Encoder> encoder_dense_int4(const CodesSpec& spec);
std::unique_ptr<Encoder> encoder_rabitq(const CodesSpec& spec);

}  // namespace cassata
