// Centroids by the thousand: k-means of long vectors, and which centroid is nearest to each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cassata/types.h"

namespace cassata {

/// Centroids, in an order of their own. Beyond kSearchedWhole of them they lie in groups of neighbours, and the nearest
/// one is looked for in the groups whose means are nearest, as inverted files do (Jegou et al., PAMI 2011, IV): it may
/// be one that is only nearly as near.
class Centroids {
 public:
  static constexpr std::size_t kSearchedWhole = 1024;
  /// How many vectors are best looked up together, by one thread.
  static std::size_t piece(std::size_t dim) noexcept {
    return std::clamp<std::size_t>((std::size_t{1} << 22) / dim, 64, 4096);
  }

  /// `rows` are vectors of `dim` values, one after another, at least one.
  Centroids(std::vector<float> rows, std::size_t dim, unsigned num_threads);

  std::size_t size() const noexcept { return bias_.size(); }
  std::span<const float> rows() const noexcept { return rows_; }
  const float* row(std::size_t i) const noexcept { return rows_.data() + i * dim_; }
  /// which[i] = the centroid nearest to vector i by L2, i < n. The same vectors in the same call have the same ones, on
  /// any thread.
  void nearest(const float* vectors, std::size_t n, std::uint32_t* which) const;

 private:
  void group(unsigned num_threads);
  std::vector<std::uint32_t> visited_groups(const float* vectors, std::size_t n) const;

  std::size_t dim_;
  std::vector<float> rows_, bias_;          // the bias of kernels/maxsim.h
  std::vector<float> heads_, head_bias_;    // of groups, their means
  std::vector<std::uint32_t> group_begin_;  // and where they begin in rows_
};

/// `count` centroids near to the samples, of which there are as many or more: Lloyd's algorithm, from samples from
/// everywhere among them, until it gains little. Centroids that no sample is nearest to go where samples are farthest
/// from theirs. The same for any number of threads.
Centroids train_centroids(std::span<const float> samples, std::size_t dim, std::size_t count, unsigned num_threads,
                          const Progress& progress = {});

}  // namespace cassata
