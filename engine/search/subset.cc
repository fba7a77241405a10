#include "engine/search/subset.h"

#include <numeric>

namespace cassata {

template <class Use>
void SubsetScorer::in_batches(std::span<const Id> positions, Use use) const {
  Id ids[kBatch];
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    use(begin, std::span<const Id>(ids, n));
  }
}

void SubsetScorer::score(std::span<const Id> positions, float* out) noexcept {
  in_batches(positions, [&](std::size_t begin, std::span<const Id> ids) { scorer_.score(ids, out + begin); });
}

void SubsetScorer::prefetch(std::span<const Id> positions) const noexcept {
  in_batches(positions, [&](std::size_t, std::span<const Id> ids) { scorer_.prefetch(ids); });
}

bool SubsetScorer::fetch(std::span<const Id> positions) noexcept {
  bool reads = false;
  in_batches(positions, [&](std::size_t, std::span<const Id> ids) { reads = scorer_.fetch(ids) || reads; });
  return reads;
}

void SubsetScorer::score_range(Id first, std::size_t count, float* out) noexcept {
  Id positions[kBatch];
  for (std::size_t begin = 0; begin < count; begin += kBatch) {
    const std::size_t n = std::min(kBatch, count - begin);
    std::iota(positions, positions + n, static_cast<Id>(first + begin));
    score({positions, n}, out + begin);
  }
}

std::unique_ptr<Scorer> SubsetCodes::scorer(Metric metric) const {
  return std::make_unique<SubsetScorer>(codes_.scorer(metric), ids_, codes_.size());
}

}  // namespace cassata
