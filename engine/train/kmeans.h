// k-means for codebooks: 256 centroids of vectors of a few dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cassata {

/// Vectors in the layout of the kernel that finds nearest centroids: blocks of kRows vectors, each block coordinate by
/// coordinate. One coordinate of a block is contiguous, and a block stays in the cache.
class VectorBlocks {
 public:
  static constexpr std::size_t kRows = 64;

  VectorBlocks(std::size_t size, std::size_t dims)
      : size_(size), dims_(dims), values_((size + kRows - 1) / kRows * kRows * dims) {}

  std::size_t size() const noexcept { return size_; }
  std::size_t dims() const noexcept { return dims_; }
  float& at(std::size_t i, std::size_t j) noexcept { return values_[place(i, j)]; }
  float at(std::size_t i, std::size_t j) const noexcept { return values_[place(i, j)]; }
  void set(std::size_t i, const float* values) noexcept {
    for (std::size_t j = 0; j < dims_; ++j) at(i, j) = values[j];
  }
  /// codes[i] = number of the centroid nearest to vector i, i < codes.size() <= size(). The layout of `codebook` is
  /// that of kernels/table_lookup.h.
  void nearest(const float* codebook, std::span<std::uint8_t> codes) const noexcept;

 private:
  std::size_t place(std::size_t i, std::size_t j) const noexcept { return (i / kRows * dims_ + j) * kRows + i % kRows; }

  std::size_t size_, dims_;
  std::vector<float> values_;
};

/// Trains a codebook (in the layout of kernels/table_lookup.h) on at least one sample, by Lloyd's algorithm from
/// samples as first centroids. Samples must be in random order: early rounds, in which centroids move far, use the
/// first ones alone. The result depends on the samples and their order only. If there are fewer different samples than
/// centroids, some centroids are equal.
class CodebookTraining {
 public:
  /// Borrows the samples.
  explicit CodebookTraining(const VectorBlocks& samples);

  static constexpr int kRounds = 8 + 8 + 12;
  /// Makes one of kRounds rounds; does nothing once further rounds change nothing.
  void round();
  const std::vector<float>& codebook() const noexcept { return codebook_; }

 private:
  bool move_centroids(std::size_t count);
  void become_sample(std::size_t centroid, std::size_t sample);
  void move_to_means(std::span<const std::uint8_t> codes);
  void refill(std::span<const std::uint8_t> codes);
  float distance_to(std::size_t centroid, std::size_t sample) const;

  const VectorBlocks& samples_;
  std::size_t stage_ = 0;
  int rounds_ = 0;                              // made in this stage
  std::vector<std::uint8_t> codes_, previous_;  // nearest centroids, in this round and in the previous one
  std::size_t previous_count_ = 0;              // samples of the previous round
  std::vector<float> codebook_;
  std::vector<std::size_t> counts_;
};

}  // namespace cassata
