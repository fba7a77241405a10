#include "engine/search/subset.h"

#include <numeric>

namespace cassata {
namespace {

/// A SubsetScorer that owns its scorer.
class OwningSubsetScorer final : public Scorer {
 public:
  OwningSubsetScorer(std::unique_ptr<Scorer> scorer, std::span<const Id> ids, std::uint64_t size)
      : scorer_(std::move(scorer)), subset_(*scorer_, ids, size) {}
  void bind(VectorView query) override { subset_.bind(query); }
  void bind(Id row) override { subset_.bind(row); }
  void score(std::span<const Id> rows, float* out) noexcept override { subset_.score(rows, out); }
  void prefetch(std::span<const Id> rows) const noexcept override { subset_.prefetch(rows); }
  bool fetch(std::span<const Id> rows) noexcept override { return subset_.fetch(rows); }
  void score_range(Id first, std::size_t count, float* out) noexcept override {
    subset_.score_range(first, count, out);
  }

 private:
  std::unique_ptr<Scorer> scorer_;
  SubsetScorer subset_;
};

}  // namespace

void SubsetScorer::score(std::span<const Id> positions, float* out) noexcept {
  Id ids[kBatch];
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    scorer_.score({ids, n}, out + begin);
  }
}

void SubsetScorer::prefetch(std::span<const Id> positions) const noexcept {
  Id ids[kBatch];
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    scorer_.prefetch({ids, n});
  }
}

bool SubsetScorer::fetch(std::span<const Id> positions) noexcept {
  Id ids[kBatch];
  bool reads = false;
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    reads = scorer_.fetch({ids, n}) || reads;
  }
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
  return std::make_unique<OwningSubsetScorer>(codes_.scorer(metric), ids_, codes_.size());
}

}  // namespace cassata
