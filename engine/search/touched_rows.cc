#include "engine/search/touched_rows.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

namespace cassata {
namespace {

/// Remembers groups of rows that were touched completely, so that a scan checks once a group instead of once a row.
class TouchedGroups {
 public:
  explicit TouchedGroups(const Codes& codes) : codes_(codes), whole_((codes.size() + kRows - 1) / kRows) {}

  /// Touches all rows of the groups that hold rows `first` to `first + count` - 1. Any number of threads.
  void touch(Id first, std::size_t count) noexcept {
    for (std::size_t group = first / kRows; group * kRows < first + count; ++group) {
      if (whole_[group].load(std::memory_order_relaxed)) continue;
      const auto end = std::min<std::size_t>((group + 1) * kRows, codes_.size());
      for (std::size_t row = group * kRows; row < end; ++row) codes_.touch(static_cast<Id>(row));
      whole_[group].store(true, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr std::size_t kRows = 64;
  const Codes& codes_;
  std::vector<std::atomic<bool>> whole_;
};

class TouchedScorer final : public Scorer {
 public:
  TouchedScorer(std::unique_ptr<Scorer> scorer, const Codes& codes, TouchedGroups& groups)
      : scorer_(std::move(scorer)), codes_(codes), groups_(groups) {}

  void bind(VectorView query) override { scorer_->bind(query); }
  void bind(Id id) override {
    codes_.touch(id);
    scorer_->bind(id);
  }
  void score(std::span<const Id> ids, float* out) noexcept override {
    for (const Id id : ids) codes_.touch(id);
    scorer_->score(ids, out);
  }
  void prefetch(std::span<const Id> ids) const noexcept override { scorer_->prefetch(ids); }
  bool cold() const noexcept override { return scorer_->cold(); }
  bool fetch(std::span<const Id> ids) noexcept override { return scorer_->fetch(ids); }
  void score_range(Id first, std::size_t count, float* out) noexcept override {
    groups_.touch(first, count);
    scorer_->score_range(first, count, out);
  }

 private:
  std::unique_ptr<Scorer> scorer_;
  const Codes& codes_;
  TouchedGroups& groups_;
};

class TouchedCodes final : public Codes {
 public:
  explicit TouchedCodes(std::unique_ptr<Codes> codes)
      : Codes(codes->size(), codes->dim()), codes_(std::move(codes)), groups_(*codes_) {}

  std::unique_ptr<Scorer> scorer(Metric metric) const override {
    return std::make_unique<TouchedScorer>(codes_->scorer(metric), *codes_, groups_);
  }
  void verify(const Reading& reading) const override { codes_->verify(reading); }
  void touch(Id id) const noexcept override { codes_->touch(id); }
  const DenseRows* dense_rows() const noexcept override { return codes_->dense_rows(); }
  const SparseEntries* sparse_entries() const noexcept override { return codes_->sparse_entries(); }

 private:
  std::unique_ptr<Codes> codes_;
  mutable TouchedGroups groups_;
};

}  // namespace

std::unique_ptr<Codes> touched_codes(std::unique_ptr<Codes> codes) {
  return std::make_unique<TouchedCodes>(std::move(codes));
}

}  // namespace cassata
