// k-means: the centroids that stand for vectors of a few dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cassata {

/// Vectors in the form that centroids are compared with: blocks of kRows, each coordinate by coordinate, so that one
/// coordinate of many vectors is a run of memory and those of a block stay in the cache.
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
  /// codes[i] = the centroid nearest to vector i, i < codes.size() <= size(). The codebook is as in kernels/lookup.h.
  void nearest(const float* codebook, std::span<std::uint8_t> codes) const noexcept;

 private:
  std::size_t place(std::size_t i, std::size_t j) const noexcept { return (i / kRows * dims_ + j) * kRows + i % kRows; }

  std::size_t size_, dims_;
  std::vector<float> values_;
};

/// Makes a codebook (kernels/lookup.h) whose centroids are near to the samples, of which there is at least one: Lloyd's
/// algorithm, from samples as first centroids, in rounds. The samples are in an order that has nothing to do with what
/// they are: the first ones stand for all while centroids still move far. Depends on nothing else. Where there are
/// fewer different samples than centroids, some centroids are equal.
class CodebookTraining {
 public:
  /// Borrows the samples.
  explicit CodebookTraining(const VectorBlocks& samples);

  static constexpr int kRounds = 8 + 8 + 12;
  /// Makes one of kRounds rounds; nothing if none changes anything any more.
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
  int rounds_ = 0;  // of the stage
  std::vector<std::uint8_t> codes_, former_;
  std::size_t settled_ = 0;  // samples that former_ tells of
  std::vector<float> codebook_;
  std::vector<std::size_t> counts_;
};

}  // namespace cassata
