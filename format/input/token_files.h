// Token vectors: documents and queries of which each is any number of vectors of one dimension (token_dim), and the
// folders of .npy files that hold them. Collections are read front to back in bounded memory; what is held of one is
// where each document begins.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/stream.h"
#include "cassata/types.h"
#include "format/input/npy.h"

namespace cassata {

/// Tokens of two levels, document after document: the vector of one is its centroid plus its pq centroids, one of each
/// subspace, one after another, which are multiplied by its norm where there are norms.
class TwoLevelStream {
 public:
  /// Some tokens: the centroid of each, its norm (the bits of an f16; none without has_norms()), and its `m_pq()`
  /// codes.
  struct Tokens {
    std::span<const std::uint32_t> centroids;
    std::span<const std::uint16_t> norms;
    std::span<const std::byte> codes;
  };

  /// Tokens in all.
  std::uint64_t size() const noexcept { return assignment_.rows(); }
  std::size_t token_dim() const noexcept { return token_dim_; }
  /// Subspaces, of token_dim() / m_pq() dimensions each.
  std::size_t m_pq() const noexcept { return static_cast<std::size_t>(residuals_.header().shape[1]); }
  /// Whether each token has a norm.
  bool has_norms() const noexcept { return norms_.has_value(); }
  /// Row by row, of token_dim() values.
  std::span<const float> centroids() const noexcept { return centroids_; }
  /// m_pq() x 256 x token_dim() / m_pq() values.
  std::span<const float> pq_centroids() const noexcept { return pq_centroids_; }

  /// The next thousands of tokens, valid until the next call; none at the end. Throws Error(invalid_argument) naming
  /// document and token where a centroid is none of those there are, or a norm is negative or not finite.
  Tokens next();

  /// The files, and what has been read of them so far, for the manifest's provenance.
  std::vector<InputEntry> entries() const;

 private:
  friend class TokenFolder;
  TwoLevelStream(const std::filesystem::path& folder, std::span<const std::uint64_t> offsets,
                 std::optional<std::size_t> pq_subspaces);

  std::span<const std::uint64_t> offsets_;
  NpyReader assignment_, residuals_;
  std::optional<NpyReader> norms_;
  std::size_t token_dim_;
  std::vector<float> centroids_, pq_centroids_;
  std::vector<InputEntry> read_;
  std::vector<std::uint32_t> batch_;
  std::vector<std::uint16_t> batch_norms_;
};

/// The token vectors of a collection:
///   doclens.npy           (documents,) i4, i8, u4 or u8: how many tokens each document has, 0 or more
/// and plain:
///   documents.npy         (total_tokens, token_dim), or (documents, tokens, token_dim) with anything after a
///   document's last token;
///                         f2, f4, or u2 that hold the bits of f16
/// or of two levels:
///   centroids.npy         (centroids, token_dim) f4 or f2
///   index_assignment.npy  (total_tokens,) whole numbers of any type: each token's centroid
///   pq_centroids.npy      (m_pq, 256, token_dim / m_pq) f4 or f2, or the same flat
///   residuals.npy         (total_tokens, m_pq) u1
///   residual_norms.npy    (total_tokens,) f2, not negative, if it is there: what each token's residual is multiplied
///   by
/// All functions throw Error: invalid_argument, naming the file, the place, what was found and what was expected; io,
/// naming a file that is not there.
class TokenFolder {
 public:
  /// Reads doclens.npy. A folder that holds both layouts needs `layout`.
  explicit TokenFolder(const std::filesystem::path& folder, std::optional<TokenLayout> layout = {});

  TokenLayout layout() const noexcept { return layout_; }
  /// Documents.
  std::uint64_t size() const noexcept { return offsets_.size() - 1; }
  /// Of all documents.
  std::uint64_t total_tokens() const noexcept { return offsets_.back(); }
  /// size() + 1 numbers: the tokens of document i are offsets()[i] to offsets()[i + 1] - 1.
  std::span<const std::uint64_t> offsets() const noexcept { return offsets_; }
  /// doclens.npy, for the manifest's provenance.
  const InputEntry& doclens() const noexcept { return doclens_; }

  /// Plain tokens, one a row. The folder must outlive the stream.
  std::unique_ptr<DenseStream> tokens() const;
  /// Tokens of two levels, of `pq_subspaces` subspaces if that is given. The folder must outlive the stream.
  std::unique_ptr<TwoLevelStream> two_level_tokens(std::optional<std::size_t> pq_subspaces = {}) const;
  /// ids.npy, if there is one: what the documents are called outside.
  std::optional<std::filesystem::path> ids() const;

 private:
  std::filesystem::path folder_;
  TokenLayout layout_;
  std::vector<std::uint64_t> offsets_;
  InputEntry doclens_;
};

/// Token vectors of queries, in memory: those of query i are offsets[i] to offsets[i + 1] - 1.
struct TokenQueries {
  std::vector<float> values;
  std::vector<std::uint64_t> offsets = {0};
  std::size_t dim = 0;

  std::size_t size() const noexcept { return offsets.size() - 1; }
  TokenBatch batch() const noexcept { return {.data = values.data(), .dim = dim, .offsets = offsets.data()}; }
};

/// Reads queries.npy, laid out as documents.npy, with query_doclens.npy beside it, which may be missing where all
/// queries have as many tokens. `path` is their folder, or a file of the first kind. Throws as TokenFolder does.
TokenQueries read_token_queries(const std::filesystem::path& path);

/// The files that it reads: that of the tokens, and query_doclens.npy beside it.
std::array<std::filesystem::path, 2> token_query_files(const std::filesystem::path& path);

/// Throws Error(invalid_argument) unless both files hold the same `count` ids in the same order, naming the first row
/// that differs. They are .npy files of one dimension, of i4, i8, u4, u8 or text ("<U", "|S"), not necessarily both of
/// one type: a number equals its digits.
void check_same_ids(const std::filesystem::path& left, const std::filesystem::path& right, std::uint64_t count);

}  // namespace cassata
