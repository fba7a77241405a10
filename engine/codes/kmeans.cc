#include "engine/codes/kmeans.h"

#include <algorithm>
#include <utility>

#include "engine/kernels/lookup.h"

namespace cassata {
namespace {

using kernels::kCentroids;

/// How many rounds are made over which share of the samples. Measured (docs/performance.md).
struct Stage {
  std::size_t share;  // 1 / share
  int rounds;
};
constexpr Stage kStages[] = {{16, 8}, {4, 8}, {1, 12}};
constexpr std::size_t kLeastSamples = 16 * kCentroids;  // of a share

class Lloyd {
 public:
  explicit Lloyd(const VectorBlocks& samples)
      : samples_(samples), codes_(samples.size()), former_(samples.size()), codebook_(samples.dims() * kCentroids) {
    for (std::size_t c = 0; c < kCentroids; ++c) become_sample(c, c % samples.size());
  }

  /// Moves the centroids to the means of the first `count` samples that are nearest to them. False if all stay where they are.
  bool round(std::size_t count) {
    const std::span<std::uint8_t> codes(codes_.data(), count);
    samples_.nearest(codebook_.data(), codes);
    if (std::ranges::equal(codes, std::span(former_).first(count)) && settled_ == count) return false;
    std::ranges::copy(codes, former_.begin());
    settled_ = count;
    move(codes);
    refill(codes);
    return true;
  }
  std::vector<float> take_codebook() { return std::move(codebook_); }

 private:
  void become_sample(std::size_t centroid, std::size_t sample) {
    for (std::size_t j = 0; j < samples_.dims(); ++j) codebook_[j * kCentroids + centroid] = samples_.at(sample, j);
  }

  void move(std::span<const std::uint8_t> codes) {
    counts_.assign(kCentroids, 0);
    for (const std::uint8_t code : codes) ++counts_[code];
    std::vector<double> sums(kCentroids);
    for (std::size_t j = 0; j < samples_.dims(); ++j) {
      std::ranges::fill(sums, 0.0);
      for (std::size_t i = 0; i < codes.size(); ++i) sums[codes[i]] += static_cast<double>(samples_.at(i, j));
      for (std::size_t c = 0; c < kCentroids; ++c)
        if (counts_[c] != 0) codebook_[j * kCentroids + c] = static_cast<float>(sums[c] / static_cast<double>(counts_[c]));
    }
  }

  /// Centroids that no sample is nearest to go to the samples that are farthest from theirs.
  void refill(std::span<const std::uint8_t> codes) {
    const auto unused = static_cast<std::size_t>(std::ranges::count(counts_, std::size_t{0}));
    if (unused == 0) return;
    std::vector<std::pair<float, std::size_t>> far;  // less the squared distance, sample: farthest first, of equals the first
    for (std::size_t i = 0; i < codes.size(); ++i)
      if (const float distance = distance_to(codes[i], i); distance > 0) far.emplace_back(-distance, i);
    const auto end = far.begin() + static_cast<std::ptrdiff_t>(std::min(unused, far.size()));
    std::partial_sort(far.begin(), end, far.end());
    auto next = far.begin();
    for (std::size_t c = 0; c < kCentroids && next != end; ++c)
      if (counts_[c] == 0) become_sample(c, next++->second);
  }

  float distance_to(std::size_t centroid, std::size_t sample) const {
    float sum = 0;
    for (std::size_t j = 0; j < samples_.dims(); ++j) {
      const float difference = samples_.at(sample, j) - codebook_[j * kCentroids + centroid];
      sum += difference * difference;
    }
    return sum;
  }

  const VectorBlocks& samples_;
  std::vector<std::uint8_t> codes_, former_;
  std::size_t settled_ = 0;  // samples that former_ tells of
  std::vector<float> codebook_;
  std::vector<std::size_t> counts_;
};

}  // namespace

void VectorBlocks::nearest(const float* codebook, std::span<std::uint8_t> codes) const noexcept {
  for (std::size_t first = 0; first < codes.size(); first += kRows)
    kernels::nearest_centroids(values_.data() + first * dims_, kRows, std::min(kRows, codes.size() - first), dims_, codebook, codes.data() + first);
}

std::vector<float> train_codebook(const VectorBlocks& samples) {
  Lloyd lloyd(samples);
  for (const Stage& stage : kStages) {
    const std::size_t count = std::min(samples.size(), std::max(samples.size() / stage.share, kLeastSamples));
    for (int i = 0; i < stage.rounds && lloyd.round(count); ++i) {
    }
  }
  return lloyd.take_codebook();
}

}  // namespace cassata
