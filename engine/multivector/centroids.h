// k-means with thousands of centroids of long vectors, and search of the nearest centroid
// (docs/decisions/token-centroids-are-searched-by-groups.md).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cassata/types.h"

namespace cassata {

/// Centroids. The constructor may change their order: more than kMaxExhaustive centroids are sorted by groups of
/// similar ones. The nearest centroid is then searched in the groups with the nearest means, as in inverted files
/// (Jegou et al., PAMI 2011, IV), and may be one that is only almost as near.
class Centroids {
 public:
  static constexpr std::size_t kMaxExhaustive = 1024;
  /// The best number of vectors for one call of nearest().
  static std::size_t batch_size(std::size_t dim) noexcept {
    return std::clamp<std::size_t>((std::size_t{1} << 22) / dim, 64, 4096);
  }

  /// `rows`: at least one centroid of `dim` values, one after another.
  Centroids(std::vector<float> rows, std::size_t dim, unsigned num_threads);

  std::size_t size() const noexcept { return bias_.size(); }
  /// size() x dim values.
  std::span<const float> rows() const noexcept { return rows_; }
  const float* row(std::size_t i) const noexcept { return rows_.data() + i * dim_; }
  /// which[i] = number of the centroid nearest by L2 to vector i of the n x dim values `vectors`. Any number of
  /// threads: the result depends on the vectors of the call alone.
  void nearest(const float* vectors, std::size_t n, std::uint32_t* which) const;

 private:
  void make_groups(unsigned num_threads);
  std::vector<std::uint32_t> visited_groups(const float* vectors, std::size_t n) const;

  std::size_t dim_;
  std::vector<float> rows_, bias_;          // bias: as nearest_rows() of kernels/maxsim.h takes it
  std::vector<float> heads_, head_bias_;    // means of groups; empty without groups
  std::vector<std::uint32_t> group_begin_;  // first centroid of each group, and size()
};

/// Trains `count` centroids by Lloyd's algorithm, from evenly spread samples as first centroids, until a round lowers
/// the error by little. `samples` are rows of `dim` values, at least `count` of them. A centroid without samples moves
/// to a sample that is far from its centroid. Does not depend on `num_threads`. Reports a stage "centroids" to
/// `progress`, if any.
Centroids train_centroids(std::span<const float> samples, std::size_t dim, std::size_t count, unsigned num_threads,
                          const Progress& progress = {});

}  // namespace cassata
