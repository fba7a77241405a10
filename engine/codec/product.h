// Product quantization (Jegou et al., PAMI 2011): a vector is cut into m_pq pieces, the subspaces; for each the number
// of the nearest of 256 centroids is stored. Distances are those of the query, as it is, to the decoded vectors
// (asymmetric), summed from tables.
//
//   <section>        n x m_pq u8: row-major, no padding
//   <section>.model  if rotated: dim x dim f32, row by row; what is cut is this matrix times the vector
//                    then, for each subspace, its width x 256 f32: the first coordinate of all its centroids, then the
//                    second, ...
//
// Subspaces are cut in order. Each is dim / m_pq wide, the first dim % m_pq ones one more.
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Throws Error(corrupt) if a section has not the length that the spec demands, or m_pq is not 1 to dim;
/// Error(incompatible) at another number of bits than version 1 has.
std::unique_ptr<Codes> open_product(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);

/// Longest vector that can be rotated: the matrix grows with its square.
inline constexpr std::size_t kMaxRotatedDim = 4096;

/// Throws Error(invalid_argument) if m_pq is not 1 to dim, or a dim too large is to be rotated.
std::unique_ptr<Encoder> encoder_product(const CodesSpec& spec);

}  // namespace cassata
