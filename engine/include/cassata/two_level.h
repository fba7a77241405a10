// Training of two-level token vectors: a centroid and a product-quantized residual for each token (Santhanam et al.,
// NAACL 2022).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "cassata/replace.h"
#include "cassata/types.h"

namespace cassata {

struct TwoLevelChoices {
  std::size_t pq_subspaces = 32;  ///< bytes of a token's residual; divides token_dim
  std::uint64_t n_centroids = 0;  ///< 0: as many as automatic_centroids()
  unsigned num_threads = 0;       ///< 0: all processors. The files do not depend on it
  ReplaceParams replace = {};  ///< permission to replace files; without it `out_folder` must hold none of their names,
                               ///< or the complete output of an earlier call
  Progress progress = {};      ///< stages: sample, centroids, residuals, tokens
};

/// The default number of centroids: the largest power of two up to 16 sqrt(tokens), as in PLAID (Santhanam et al., CIKM
/// 2022), at most 65,536, so that centroid numbers take two bytes.
std::uint64_t automatic_centroids(std::uint64_t tokens);

/// Sizes of the result, and its quantization errors.
struct TwoLevelSummary {
  std::uint64_t documents = 0, tokens = 0;
  std::size_t token_dim = 0, pq_subspaces = 0;
  std::uint64_t n_centroids = 0;
  std::uint64_t samples = 0;  ///< number of tokens from which centroids and quantizer were learned
  /// Mean squared distances of all tokens to their centroids, and to their decoded two-level codes, as shares of their
  /// mean squared norm (0 if that is 0).
  double centroid_error = 0, error = 0;
  std::size_t plain_bytes = 0, bytes = 0;  ///< bytes of a token in an index file: as f16, and as a two-level token
};

/// Learns centroids and a product quantizer (Jegou et al., PAMI 2011) of residuals from a sample of the plain tokens in
/// `folder`, a TokenFolder, and writes all tokens as two-level tokens to `out_folder`, which is created if needed:
///   centroids.npy          f4 (n_centroids, token_dim)
///   index_assignment.npy   u8 (total_tokens,)
///   pq_centroids.npy       f4 (256 token_dim,)
///   residuals.npy          u1 (total_tokens, pq_subspaces)
///   doclens.npy            i4 (documents,)
///   queries.npy, query_doclens.npy and ids.npy are copied
/// Reads `folder` twice. Memory holds the sample (at most half a GiB, unless n_centroids tokens take more), the
/// centroids and some thousand tokens for each thread. Files appear under their names when all are complete, and
/// doclens.npy last: without it a folder is no TokenFolder. The same input and choices give the same bytes. Throws
/// Error: invalid_argument, naming the choice, or the file and the place; io. Exceptions of `progress` reach the
/// caller; nothing is written then.
TwoLevelSummary train_two_level(const std::filesystem::path& folder, const std::filesystem::path& out_folder,
                                const TwoLevelChoices& choices = {});

}  // namespace cassata
