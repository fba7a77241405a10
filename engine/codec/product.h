// Product quantization (Jegou et al., PAMI 2011): the coordinates of a vector are divided into m_pq subspaces, and each
// is encoded by its subquantizer as the number of the nearest of 256 centroids. Distances are asymmetric: from the
// unquantized query to the decoded vectors, summed from lookup tables.
//
//   <section>        n x m_pq u8: row-major, no padding
//   <section>.model  if rotated: dim x dim f32, row by row: the rotation, which is applied before the division
//                    then the codebook of each subspace, width x 256 f32: the first coordinate of all its centroids,
//                    then the second, and so on
//
// Subspaces are consecutive coordinates, in order. Each has dim / m_pq of them, the first dim % m_pq ones one more.
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Throws Error(corrupt) if the model's length does not match the spec, or m_pq is not 1 to dim; Error(incompatible) if
/// the spec has bits: version 1 has 8-bit codes alone, for which the spec says 0.
std::unique_ptr<RowCodec> codec_product(const RowSections& sections, const CodesSpec& spec);

/// Largest dimension with a rotation, whose matrix has dim x dim values.
inline constexpr std::size_t kMaxRotatedDim = 4096;

/// Throws Error(invalid_argument) if m_pq is not 1 to dim, or a rotation is requested for more than kMaxRotatedDim.
std::unique_ptr<Encoder> encoder_product(const CodesSpec& spec);

}  // namespace cassata
