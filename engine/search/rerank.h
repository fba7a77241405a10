// Rerank, the second stage of a search: scores the candidates of the traversal again by the rerank codes.
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
  /// Scores only candidates whose first-stage distance d is at most w + |w| * alpha, where w is the k-th smallest one.
  std::optional<float> alpha = {};
  /// Patience: once k candidates are scored, stops after this many consecutive misses, candidates that do not enter the
  /// top k.
  std::optional<std::size_t> beta = {};
  /// With beta: continues in spite of the misses while the next candidate could enter the top k, that is, while its
  /// first-stage distance plus the smallest likely error is within the top k. The error of a candidate is its rerank
  /// distance minus its first-stage distance; the smallest likely one is `margin` standard deviations below the mean.
  std::optional<float> margin = {};
  /// The rerank codes are residuals: the distance of a candidate is the sum of the distances of both stages.
  bool sum = false;
};

/// The stopping rule after a traversal by traversal-only codes (docs/decisions/rerank-stops-by-error-estimate.md).
/// Scores at least kMinScored candidates. Then stops after kPatience consecutive misses, unless the next candidate's
/// traversal distance plus an error kMargin standard deviations below the mean error so far could still enter the top
/// k.
inline RerankParams guided_rerank(std::size_t k) {
  constexpr std::size_t kPatience = 8, kMinScored = 16;
  constexpr float kMargin = 3;
  return {.k = k, .beta = std::max(kPatience, kMinScored - std::min(kMinScored, k)), .margin = kMargin};
}

/// Scores candidates again, in their order, and keeps the k best. Works in steps, between which rows may be read from
/// disk.
class Rerank {
 public:
  static constexpr std::size_t kBlock = 64;  // rows of one call of the scorer, which prefetches ahead within it

  /// `candidates` are rows with their first-stage distances, best first; `scorer` has the rerank codes, and `ids` the
  /// ids of rows (empty: ids equal rows). The last step leaves the k best ids in `candidates`, by distance, then by id;
  /// NaN counts as infinity. Borrows all but `params` until then.
  void start(std::vector<Candidate>& candidates, Scorer& scorer, std::span<const Id> ids, const RerankParams& params);
  /// Scores the rows that the previous step requested, and requests the next ones. False once all are scored and the
  /// best are in place.
  bool step();
  /// True if requested rows are being read from disk.
  bool pending() const noexcept { return pending_; }
  /// With a margin, after the last step: whether the stopping rule would have scored further candidates as close as the
  /// last one. More of them might then have changed the top k.
  bool ran_out() const noexcept { return ran_out_; }

 private:
  /// The k best of the offered candidates: a heap, the worst on top, in the first places of the list of candidates. It
  /// never holds more candidates than were read from that list, so that it overwrites none that is still needed.
  class Best {
   public:
    Best() = default;
    Best(std::span<Candidate> places, std::size_t k) : places_(places), k_(k) {}
    /// False if the candidate is not among the k best.
    bool offer(const Candidate& candidate);
    /// The largest distance of the k best. Requires that k candidates were offered.
    float worst() const { return places_.front().distance; }
    /// Sorts the best, best first. Returns their number.
    std::size_t finish();

   private:
    std::span<Candidate>::iterator end() const { return places_.begin() + static_cast<std::ptrdiff_t>(count_); }

    std::span<Candidate> places_;
    std::size_t k_ = 0;
    std::size_t count_ = 0;
  };
  /// Statistics of rerank distances minus first-stage distances.
  class Errors {
   public:
    void add(float error);
    /// The mean error minus `deviations` standard deviations.
    float smallest_likely(float deviations) const;

   private:
    double count_ = 0, sum_ = 0, squares_ = 0;
  };

  /// End of the candidates that the stopping rule certainly scores, whatever the distances before it are; with a
  /// margin, by the errors so far.
  std::size_t certain() const;
  /// With a margin: largest first-stage distance of a candidate that could enter the top k.
  float bound() const { return best_.worst() - errors_.smallest_likely(*params_.margin); }
  void score();
  std::span<const Id> rows(std::size_t begin, std::size_t end);

  std::vector<Candidate>* candidates_ = nullptr;
  Scorer* scorer_ = nullptr;
  std::span<const Id> ids_;
  RerankParams params_;
  Best best_;
  Errors errors_;
  std::array<Id, kBlock> rows_;
  std::size_t scored_ = 0, requested_ = 0, fetched_ = 0;  // ends of the candidates that are so
  std::size_t misses_ = 0;                                // consecutive ones
  float last_ = 0;                                        // first-stage distance of the last candidate
  bool pending_ = false, ran_out_ = false;
};

/// All steps of a Rerank.
void rerank(std::vector<Candidate>& candidates, Scorer& scorer, std::span<const Id> ids, const RerankParams& params);

/// Vectors stored in two parts, e.g. a code and its residual. A distance is the sum of the distances to both parts,
/// which holds for dot products. Borrows both codes.
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
