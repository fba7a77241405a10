// Token vectors in two levels: what a centroid tells of a token, and a product quantizer of the rest (Santhanam et al.,
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
  ReplaceParams replace = {};  ///< what the files may replace; else `out_folder` must hold none of their names, or all
                               ///< that a former call wrote
  Progress progress = {};      ///< stages: sample, centroids, residuals, tokens
};

/// The power of two next below 16 sqrt(tokens), as PLAID takes (Santhanam et al., CIKM 2022), at most 65,536: numbers
/// of two bytes.
std::uint64_t automatic_centroids(std::uint64_t tokens);

/// What was made, and what is lost by it.
struct TwoLevelSummary {
  std::uint64_t documents = 0, tokens = 0;
  std::size_t token_dim = 0, pq_subspaces = 0;
  std::uint64_t n_centroids = 0;
  std::uint64_t samples = 0;  ///< tokens that centroids and quantizer were learned from
  /// Mean squared distance of all tokens to their centroids, and to what both levels give back, as shares of their mean
  /// squared norm (0 if that is 0).
  double centroid_error = 0, error = 0;
  std::size_t plain_bytes = 0, bytes = 0;  ///< of a token in an index file: as f16, and in two levels
};

/// Learns centroids and a product quantizer (Jegou et al., PAMI 2011) of residuals from a sample of the plain tokens in
/// `folder`, a TokenFolder, and writes all tokens in two levels to `out_folder`, which is made if it is not there:
///   centroids.npy (n_centroids, token_dim) f4, index_assignment.npy (total_tokens,) u8, pq_centroids.npy (256
///   token_dim,) f4, residuals.npy (total_tokens, pq_subspaces) u1, doclens.npy (documents,) i4; copies of queries.npy,
///   query_doclens.npy and ids.npy
/// `folder` is read twice. Memory holds the sample (half a GiB at most, unless so many centroids are asked for), the
/// centroids and some thousand tokens for each thread. Files get their names when all are complete, doclens.npy,
/// without which there is no TokenFolder, last. The same input and choices give the same bytes. Throws Error:
/// invalid_argument, naming the choice, or the file and the place; io. What `progress` throws reaches the caller; then
/// nothing has been written.
TwoLevelSummary train_two_level(const std::filesystem::path& folder, const std::filesystem::path& out_folder,
                                const TwoLevelChoices& choices = {});

}  // namespace cassata
