#include "engine/train/kmeans.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/kernels/table_lookup.h"

namespace cassata {
namespace {

using kernels::table_lookup::kCentroids;

/// Rounds over a part of the samples (docs/decisions/opq-by-principal-directions.md).
struct RoundsOverPart {
  std::size_t divisor;  // the part is 1 / divisor
  int rounds;
};
constexpr RoundsOverPart kStages[] = {{16, 8}, {4, 8}, {1, 12}};
constexpr std::size_t kMinSamples = 16 * kCentroids;  // in a part
static_assert(CodebookTraining::kRounds == kStages[0].rounds + kStages[1].rounds + kStages[2].rounds &&
              std::size(kStages) == 3);

}  // namespace

CodebookTraining::CodebookTraining(const VectorBlocks& samples)
    : samples_(samples), codes_(samples.size()), previous_(samples.size()), codebook_(samples.dims() * kCentroids) {
  for (std::size_t c = 0; c < kCentroids; ++c) become_sample(c, c % samples.size());
}

void CodebookTraining::round() {
  if (stage_ == std::size(kStages)) return;
  const RoundsOverPart& stage = kStages[stage_];
  const std::size_t count = std::min(samples_.size(), std::max(samples_.size() / stage.divisor, kMinSamples));
  const bool moved = move_centroids(count);
  if (moved && ++rounds_ < stage.rounds) return;
  ++stage_;
  rounds_ = 0;
}

/// Moves each centroid to the mean of those of the first `count` samples that are nearest to it. False if no centroid
/// would move.
bool CodebookTraining::move_centroids(std::size_t count) {
  const std::span<std::uint8_t> codes(codes_.data(), count);
  samples_.nearest(codebook_.data(), codes);
  if (std::ranges::equal(codes, std::span(previous_).first(count)) && previous_count_ == count) return false;
  std::ranges::copy(codes, previous_.begin());
  previous_count_ = count;
  move_to_means(codes);
  refill(codes);
  return true;
}

void CodebookTraining::become_sample(std::size_t centroid, std::size_t sample) {
  for (std::size_t j = 0; j < samples_.dims(); ++j) codebook_[j * kCentroids + centroid] = samples_.at(sample, j);
}

void CodebookTraining::move_to_means(std::span<const std::uint8_t> codes) {
  counts_.assign(kCentroids, 0);
  for (const std::uint8_t code : codes) ++counts_[code];
  std::vector<double> sums(kCentroids);
  for (std::size_t j = 0; j < samples_.dims(); ++j) {
    std::ranges::fill(sums, 0.0);
    for (std::size_t i = 0; i < codes.size(); ++i) sums[codes[i]] += static_cast<double>(samples_.at(i, j));
    for (std::size_t c = 0; c < kCentroids; ++c)
      if (counts_[c] != 0)
        codebook_[j * kCentroids + c] = static_cast<float>(sums[c] / static_cast<double>(counts_[c]));
  }
}

/// Moves each centroid without samples to one of the samples that are farthest from their centroids.
void CodebookTraining::refill(std::span<const std::uint8_t> codes) {
  const auto unused = static_cast<std::size_t>(std::ranges::count(counts_, std::size_t{0}));
  if (unused == 0) return;
  // Minus the squared distance, and the sample: sorts by falling distance, then by sample.
  std::vector<std::pair<float, std::size_t>> far;
  for (std::size_t i = 0; i < codes.size(); ++i)
    if (const float distance = distance_to(codes[i], i); distance > 0) far.emplace_back(-distance, i);
  const auto end = far.begin() + static_cast<std::ptrdiff_t>(std::min(unused, far.size()));
  std::partial_sort(far.begin(), end, far.end());
  auto next = far.begin();
  for (std::size_t c = 0; c < kCentroids && next != end; ++c)
    if (counts_[c] == 0) become_sample(c, next++->second);
}

float CodebookTraining::distance_to(std::size_t centroid, std::size_t sample) const {
  float sum = 0;
  for (std::size_t j = 0; j < samples_.dims(); ++j) {
    const float difference = samples_.at(sample, j) - codebook_[j * kCentroids + centroid];
    sum += difference * difference;
  }
  return sum;
}

void VectorBlocks::nearest(const float* codebook, std::span<std::uint8_t> codes) const noexcept {
  for (std::size_t first = 0; first < codes.size(); first += kRows)
    kernels::table_lookup::nearest_centroids(values_.data() + first * dims_, kRows,
                                             std::min(kRows, codes.size() - first), dims_, codebook,
                                             codes.data() + first);
}

}  // namespace cassata
