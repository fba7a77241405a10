// The second stage: what was found by compact codes is scored again by codes that know more.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

struct RerankParams {
  std::size_t k = 0;
  /// Only candidates whose first distance is within the k-th one relaxed by this share are scored again: d <= w + |w| *
  /// alpha.
  std::optional<float> alpha = {};
  /// Once k candidates have been scored, the end comes after so many in a row that are none of the k best.
  std::optional<std::size_t> beta = {};
  /// With beta: but not before first distances, with the errors met so far, make it unlikely that a candidate is one of
  /// the k best: the smallest error expected is so many standard deviations below their mean.
  std::optional<float> margin = {};
  /// The second codes hold what the first leave out: a candidate's distance is the sum of both.
  bool sum = false;
};

/// How a guided search, whose first codes only guide the walk, stops scoring: after kPatience candidates in a row that
/// are not among the `k` best, and kLeast in all, unless the next one's first distance, corrected by kMargin standard
/// deviations of the errors so far, could still be among them. Measured (docs/performance.md).
inline RerankParams guided_rerank(std::size_t k) {
  constexpr std::size_t kPatience = 8, kLeast = 16;
  constexpr float kMargin = 3;
  return {.k = k, .beta = std::max(kPatience, kLeast - std::min(kLeast, k)), .margin = kMargin};
}

/// Scores `candidates`, rows with their first distances, best first, by `second` in their order. Leaves the k best,
/// best first, ties by lower id; `ids` are those of the rows; empty: their numbers. A distance that is no number counts
/// as infinity. In steps, between which rows may be on their way from disk.
class Rerank {
 public:
  static constexpr std::size_t kBlock = 64;  // rows a call, so that a scorer can fetch them ahead

  /// Borrows all but `params` until the last step.
  void start(std::vector<Candidate>& candidates, Scorer& second, std::span<const Id> ids, const RerankParams& params);
  /// Scores the rows that the last step has asked for, and asks for the next ones. False: there are none, and the best
  /// are in place.
  bool step();
  /// Whether what the last step has asked for has to be read from disk.
  bool pending() const noexcept { return pending_; }

 private:
  /// The k best of the candidates offered: a heap at the front of the list that they come from, the worst on top. It
  /// never grows beyond those that were taken from there.
  class Best {
   public:
    Best() = default;
    Best(std::span<Candidate> places, std::size_t k) : places_(places), k_(k) {}
    /// False if the candidate is none of them.
    bool offer(const Candidate& candidate);
    /// Once k have been offered.
    float worst() const { return places_.front().distance; }
    std::size_t finish();

   private:
    std::span<Candidate>::iterator end() const { return places_.begin() + static_cast<std::ptrdiff_t>(count_); }

    std::span<Candidate> places_;
    std::size_t k_ = 0;
    std::size_t count_ = 0;
  };
  /// By how much second distances differ from first ones.
  class Errors {
   public:
    void add(float error);
    /// What an error seldom stays below: so many standard deviations under the mean.
    float least(float deviations) const;

   private:
    double count_ = 0, sum_ = 0, squares_ = 0;
  };

  /// The end of the rows that are scored whatever they turn out to be, or, where errors are known, unless the next ones
  /// are unusually close.
  std::size_t certain() const;
  void score();
  std::span<const Id> take(std::size_t begin, std::size_t end);

  std::vector<Candidate>* candidates_ = nullptr;
  Scorer* second_ = nullptr;
  std::span<const Id> ids_;
  RerankParams params_;
  Best best_;
  Errors errors_;
  std::array<Id, kBlock> rows_;
  std::size_t done_ = 0, asked_ = 0, fetched_ = 0;  // ends of candidates
  std::size_t misses_ = 0;                          // so many in a row were none of the best
  bool pending_ = false;
};

/// All its steps at once.
void rerank(std::vector<Candidate>& candidates, Scorer& second, std::span<const Id> ids, const RerankParams& params);

/// Vectors that are stored in two parts: a distance is the sum of those to the parts, as the dot product's is. Borrows
/// both.
class SummedCodes final : public Codes {
 public:
  SummedCodes(const Codes& first, const Codes& second)
      : Codes(first.size(), first.dim()), first_(first), second_(second) {}
  std::unique_ptr<Scorer> scorer(Metric metric) const override;
  void verify(const Reading& reading) const override;
  void touch(Id id) const noexcept override;

 private:
  const Codes& first_;
  const Codes& second_;
};

}  // namespace cassata
