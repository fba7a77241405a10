// Token vectors, and the folders of .npy files that hold them. A document or query has any number of token vectors of
// one dimension, token_dim. Collections are read front to back in bounded memory, which holds the offset of each
// document.
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

/// A stream of two-level tokens, document by document. A token's vector is its centroid plus its residual: the
/// concatenation of one PQ centroid per subspace, multiplied by the token's norm if there are norms.
class TwoLevelStream {
 public:
  /// Consecutive tokens: for each its centroid, its norm as f16 bits (empty without has_norms()), and its m_pq() codes.
  struct Tokens {
    std::span<const std::uint32_t> centroids;
    std::span<const std::uint16_t> norms;
    std::span<const std::byte> codes;
  };

  /// Number of tokens.
  std::uint64_t size() const noexcept { return assignment_.rows(); }
  std::size_t token_dim() const noexcept { return token_dim_; }
  /// Number of subspaces, each of token_dim() / m_pq() dimensions.
  std::size_t m_pq() const noexcept { return static_cast<std::size_t>(residuals_.header().shape[1]); }
  /// True if tokens have norms.
  bool has_norms() const noexcept { return norms_.has_value(); }
  /// The centroids, each of token_dim() values, row-major.
  std::span<const float> centroids() const noexcept { return centroids_; }
  /// The PQ centroids: m_pq() x 256 x (token_dim() / m_pq()) values.
  std::span<const float> pq_centroids() const noexcept { return pq_centroids_; }

  /// The next tokens, some thousands, valid until the next call; none at the end. Throws Error(invalid_argument),
  /// naming document and token, for a centroid out of range or a norm that is negative or not finite.
  Tokens next();

  /// Name, rows, bytes and hash of what has been read of each file so far, for the provenance.
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

/// A folder with the token vectors of a collection:
///   doclens.npy           (documents,) i4, i8, u4 or u8: number of tokens of each document, 0 or more
/// and for plain tokens:
///   documents.npy         (total_tokens, token_dim), or (documents, tokens, token_dim), where values after a
///                         document's last token are ignored; f2, f4, or u2 with the bits of f16
/// or for two-level tokens:
///   centroids.npy         (centroids, token_dim) f4 or f2
///   index_assignment.npy  (total_tokens,) any integer type: centroid of each token
///   pq_centroids.npy      (m_pq, 256, token_dim / m_pq) f4 or f2, or the same flat
///   residuals.npy         (total_tokens, m_pq) u1
///   residual_norms.npy    (total_tokens,) f2, optional: non-negative factor of each token's residual
/// All functions throw Error: invalid_argument, naming the file, the place, what was found and what was expected; io,
/// naming a missing file.
class TokenFolder {
 public:
  /// Reads doclens.npy. `layout` is required if the folder has files of both layouts.
  explicit TokenFolder(const std::filesystem::path& folder, std::optional<TokenLayout> layout = {});

  TokenLayout layout() const noexcept { return layout_; }
  /// Number of documents.
  std::uint64_t size() const noexcept { return offsets_.size() - 1; }
  /// Number of tokens over all documents.
  std::uint64_t total_tokens() const noexcept { return offsets_.back(); }
  /// size() + 1 offsets: the tokens of document i are offsets()[i] to offsets()[i + 1] - 1.
  std::span<const std::uint64_t> offsets() const noexcept { return offsets_; }
  /// Name, rows, bytes and hash of doclens.npy, for the provenance.
  const InputEntry& doclens() const noexcept { return doclens_; }

  /// The plain tokens, one per row. The folder must outlive the stream.
  std::unique_ptr<DenseStream> tokens() const;
  /// The two-level tokens. The folder must outlive the stream. Throws Error(invalid_argument) if `pq_subspaces` is
  /// given and they have another number of subspaces.
  std::unique_ptr<TwoLevelStream> two_level_tokens(std::optional<std::size_t> pq_subspaces = {}) const;
  /// Path of ids.npy, the external ids of the documents, if it exists.
  std::optional<std::filesystem::path> ids() const;

 private:
  std::filesystem::path folder_;
  TokenLayout layout_;
  std::vector<std::uint64_t> offsets_;
  InputEntry doclens_;
};

/// Token vectors of queries in memory: those of query i are offsets[i] to offsets[i + 1] - 1, each of `dim` values.
struct TokenQueries {
  std::vector<float> values;
  std::vector<std::uint64_t> offsets = {0};
  std::size_t dim = 0;

  std::size_t size() const noexcept { return offsets.size() - 1; }
  TokenBatch batch() const noexcept { return {.data = values.data(), .dim = dim, .offsets = offsets.data()}; }
};

/// Reads queries.npy, which has the layout of documents.npy, and query_doclens.npy beside it, which may be missing if
/// all queries have the same number of tokens. `path` is their folder, or the path of queries.npy. Throws as
/// TokenFolder does.
TokenQueries read_token_queries(const std::filesystem::path& path);

/// The files that read_token_queries(path) reads: that of the tokens, and query_doclens.npy beside it.
std::array<std::filesystem::path, 2> token_query_files(const std::filesystem::path& path);

/// Throws Error(invalid_argument), naming the first row that differs, unless both files hold the same `count` ids in
/// the same order. They are 1-D .npy files of i4, i8, u4, u8 or text ("<U", "|S"). The types may differ: a number
/// equals its digits.
void check_same_ids(const std::filesystem::path& left, const std::filesystem::path& right, std::uint64_t count);

}  // namespace cassata
