// Token vectors: a row is a document, any number of vectors of one length. Distance is -MaxSim: for each token of the
// query the largest dot product with a token of the document, summed over the query's (Khattab and Zaharia, SIGIR
// 2020). A document without tokens is infinitely far; from a query without tokens, everything is at 0.
//
//   <section>.offsets  (n + 1) u32, or u64 if a document begins beyond 4 GiB: the byte of <section> where each begins;
//   the last, its length
//
// Tokens as they are:
//   <section>          tokens x dim f16: one document after another, token by token, no padding
//
// Of two levels: a token is the sum of a centroid and of a residual, which is product-quantized.
//   <section>          for each document, of t tokens: t numbers of centroids, u16, or u32 if there are more than
//   65,536; then t x m_pq u8, the
//                      codes of residuals
//   <section>.model    for each of m_pq subspaces, its dim / m_pq x 256 f32: the first coordinate of all its centroids,
//   then the second, ...
//                      then the centroids of tokens, each of dim f32, as many as the section has room for
//
// Of two levels with norms: each token's residual is multiplied by a norm of its own. As above, but
//   <section>          has t f16, the norms, finite and not negative, between the numbers and the codes of a document
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/codec/codes.h"

namespace cassata {

/// `spec.dim` is that of tokens. Both throw Error(corrupt) where a section has not the length that the spec demands, or
/// dim is not 1 to kMaxDim. Scorers are bound to VectorView::tokens, and to nothing else: documents are no queries.
std::unique_ptr<Codes> open_tokens_f16(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
/// Also if m_pq does not divide dim, or there are tokens but no centroid.
std::unique_ptr<Codes> open_tokens_two_level(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
std::unique_ptr<Codes> open_tokens_two_level_norms(const RowSections& sections, std::uint64_t size,
                                                   const CodesSpec& spec);

/// Encodes Batch::tokens. Refuses values beyond f16.
std::unique_ptr<Encoder> encoder_tokens_f16(const CodesSpec& spec);

/// Appends a document of two levels: the number of each token's centroid, out of `n_centroids`, its norm (the bits of
/// an f16), unless there are no norms, and m_pq codes for each.
void append_two_level(std::span<const std::uint32_t> centroids, std::span<const std::uint16_t> norms,
                      std::span<const std::uint8_t> residuals, std::size_t n_centroids, std::vector<std::byte>& out);

/// The model of two levels. `centroids` are n x dim, row by row; `pq_centroids` m_pq x 256 x dim / m_pq, row by row.
std::vector<std::byte> two_level_model(std::span<const float> centroids, std::span<const float> pq_centroids,
                                       std::size_t m_pq);

}  // namespace cassata
