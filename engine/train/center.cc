#include "engine/train/center.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/base/sampling.h"

namespace cassata {
namespace {

/// The usual range of each coordinate, estimated from a sample.
std::vector<Range> usual_ranges(const DenseRows& vectors) {
  constexpr std::size_t kSamples = 4096, kFloats = std::size_t{1} << 22;
  const std::size_t count = std::min<std::size_t>(vectors.size(), kSamples),
                    width = std::clamp<std::size_t>(kFloats / count, 1, vectors.dim());
  std::vector<float> row(vectors.dim()), columns(width * count);
  std::vector<Range> ranges;
  for (std::size_t first = 0; first < vectors.dim(); first += width) {
    const std::size_t n = std::min(width, vectors.dim() - first);
    for (std::size_t i = 0; i < count; ++i) {
      vectors.decode(static_cast<Id>(sampled(i, count, vectors.size())), row.data());
      for (std::size_t j = 0; j < n; ++j) columns[j * count + i] = row[first + j];
    }
    for (std::size_t j = 0; j < n; ++j) ranges.push_back(usual_range(std::span(columns).subspan(j * count, count)));
  }
  return ranges;
}

}  // namespace

Range usual_range(std::span<float> values) {
  const auto count = static_cast<std::ptrdiff_t>(values.size()),
             rare = std::min((count - 1) / 2, std::max<std::ptrdiff_t>(1, count / 50));
  std::nth_element(values.begin(), values.begin() + rare, values.end());
  const float low = *(values.begin() + rare);
  std::nth_element(values.begin() + rare, values.end() - 1 - rare, values.end());
  const float high = *(values.end() - 1 - rare);
  return {low - (high - low), high + (high - low)};
}

std::vector<float> robust_mean(const DenseRows& vectors, const Progress& progress) {
  constexpr std::uint64_t kRowsPerReport = 1024;  // decoding may be slow
  if (vectors.size() == 0) return std::vector<float>(vectors.dim());
  const std::vector<Range> usual = usual_ranges(vectors);
  std::vector<double> sums(vectors.dim());
  std::vector<float> row(vectors.dim());
  for (std::uint64_t id = 0; id < vectors.size(); ++id) {
    vectors.decode(static_cast<Id>(id), row.data());
    for (std::size_t i = 0; i < row.size(); ++i)
      sums[i] += static_cast<double>(std::min(std::max(row[i], usual[i].low), usual[i].high));
    if (progress && ((id + 1) % kRowsPerReport == 0 || id + 1 == vectors.size()))
      progress("learn", id + 1, vectors.size());
  }
  std::vector<float> mean;
  mean.reserve(sums.size());
  for (const double sum : sums) mean.push_back(static_cast<float>(sum / static_cast<double>(vectors.size())));
  return mean;
}

}  // namespace cassata
