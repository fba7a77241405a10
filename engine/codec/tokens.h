// Token vectors: a row is a document, any number of tokens of one dimension. The distance is -MaxSim: the largest dot
// product with a token of the document, for each token of the query, summed over the query's tokens (Khattab and
// Zaharia, SIGIR 2020). The distance to a document without tokens is infinite, and from a query without tokens 0.
//
//   <section>.offsets  (n + 1) u32, or u64 beyond 4 GiB: the first byte of each document in <section>, and its length
//
// Plain tokens:
//   <section>          tokens x dim f16: one document after another, token by token, no padding
//
// Two-level tokens: a token is the sum of a centroid and a product-quantized residual.
//   <section>          for each document, of t tokens: t centroid numbers, u16, or u32 if there are more than 65,536
//                      centroids; then t x m_pq u8, the codes of the residuals
//   <section>.model    for each of m_pq subspaces, dim / m_pq x 256 f32: the first coordinate of all its centroids,
//                      then the second, and so on
//                      then the centroids of tokens, dim f32 each, up to the end of the section
//
// Two-level tokens with norms: each token's residual is multiplied by its norm. As above, but
//   <section>          has t f16, the norms, finite and not negative, between the numbers and the codes of a document
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/codec/codes.h"

namespace cassata {

/// Open `size` documents; spec.dim is the dimension of tokens. Throw Error(corrupt) if a section's length does not
/// match the spec, or dim is not 1 to kMaxDim. Scorers bind VectorView::tokens; stored documents cannot be bound.
std::unique_ptr<Codes> open_tokens_f16(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
/// Throw Error(corrupt) also if m_pq does not divide dim, or there are tokens but no centroids.
std::unique_ptr<Codes> open_tokens_two_level(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
std::unique_ptr<Codes> open_tokens_two_level_norms(const RowSections& sections, std::uint64_t size,
                                                   const CodesSpec& spec);

/// Encodes Batch::tokens. encode() throws Error(invalid_argument) for values beyond f16's +-65504.
std::unique_ptr<Encoder> encoder_tokens_f16(const CodesSpec& spec);

/// Appends the bytes of a document of two-level tokens: for each token the number of its centroid, below `n_centroids`,
/// its norm (the bits of an f16; `norms` is empty without norms), and m_pq codes.
void append_two_level(std::span<const std::uint32_t> centroids, std::span<const std::uint16_t> norms,
                      std::span<const std::uint8_t> residuals, std::size_t n_centroids, std::vector<std::byte>& out);

/// The bytes of the model of two-level tokens. `centroids` is n x dim, `pq_centroids` m_pq x 256 x dim / m_pq, both
/// row-major.
std::vector<std::byte> two_level_model(std::span<const float> centroids, std::span<const float> pq_centroids,
                                       std::size_t m_pq);

}  // namespace cassata
