// Subsets and permutations of stored vectors: vector i is vector ids[i] of other codes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "cassata/types.h"
#include "engine/codec/codes.h"

namespace cassata {

/// A scorer of a subset of the vectors of another scorer. Ids in its calls are positions in `ids`.
class SubsetScorer final : public Scorer {
 public:
  /// `size` is the number of vectors of `scorer`. Borrows `scorer` and `ids`.
  SubsetScorer(Scorer& scorer, std::span<const Id> ids, std::uint64_t size)
      : scorer_(scorer), ids_(ids), last_(static_cast<Id>(size - 1)) {}
  /// The same, owning `scorer`.
  SubsetScorer(std::unique_ptr<Scorer> scorer, std::span<const Id> ids, std::uint64_t size)
      : owned_(std::move(scorer)), scorer_(*owned_), ids_(ids), last_(static_cast<Id>(size - 1)) {}
  void bind(VectorView query) override { scorer_.bind(query); }
  void bind(Id position) override { scorer_.bind(id(position)); }
  void score(std::span<const Id> positions, float* out) noexcept override;
  void prefetch(std::span<const Id> positions) const noexcept override;
  bool cold() const noexcept override { return scorer_.cold(); }
  bool fetch(std::span<const Id> positions) noexcept override;
  void score_range(Id first, std::size_t count, float* out) noexcept override;

 private:
  /// Clamps the ids of a damaged file.
  Id id(Id position) const noexcept { return std::min(read_once(ids_[position]), last_); }

  /// Calls use(begin, ids) for the ids of the positions from `begin` on, kBatch at a time.
  template <class Use>
  void in_batches(std::span<const Id> positions, Use use) const;

  static constexpr std::size_t kBatch = 64;
  std::unique_ptr<Scorer> owned_;
  Scorer& scorer_;
  std::span<const Id> ids_;
  Id last_;
};

/// Codes in another order or a subset of them: vector i is vector ids[i] of `codes`. Borrows both.
class SubsetCodes final : public Codes {
 public:
  SubsetCodes(const Codes& codes, std::span<const Id> ids) : Codes(ids.size(), codes.dim()), codes_(codes), ids_(ids) {}
  std::unique_ptr<Scorer> scorer(Metric metric) const override;
  void verify(const Reading& reading) const override { codes_.verify(reading); }

 private:
  const Codes& codes_;
  std::span<const Id> ids_;
};

}  // namespace cassata
