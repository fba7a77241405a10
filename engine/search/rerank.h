// The second stage: what was found by compact codes is scored again by codes that know more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/codes/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

struct RerankParams {
  std::size_t k = 0;
  /// Only candidates whose first distance is within the k-th one relaxed by this share are scored again: d <= w + |w| * alpha.
  std::optional<float> alpha = {};
  /// Once k candidates have been scored, the end comes after so many in a row that are none of the k best.
  std::optional<std::size_t> beta = {};
  /// With beta: but not before first distances, with the errors met so far, make it unlikely that a candidate is one of the k best: the
  /// smallest error expected is so many standard deviations below their mean.
  std::optional<float> margin = {};
  /// The second codes hold what the first leave out: a candidate's distance is the sum of both.
  bool sum = false;
};

/// RerankParams::beta where first codes only guide a walk: candidates in a row that are none of the best, after which the others are taken for
/// worse; a quarter of a wider walk's. Measured (docs/performance.md): fewer lose recall with codes of 1 and 2 bits, more cost time for nothing.
inline std::size_t patience_of(std::size_t candidates) { return std::max<std::size_t>(16, candidates / 4); }

/// Scores `candidates`, rows with their first distances, best first, by `second` in their order. Leaves the k best, best first, ties by lower
/// id; `ids` are those of the rows; empty: their numbers. A distance that is no number counts as infinity.
void rerank(std::vector<Candidate>& candidates, Scorer& second, std::span<const Id> ids, const RerankParams& params);

/// Vectors that are stored in two parts: a distance is the sum of those to the parts, as the dot product's is. Borrows both.
class SummedCodes final : public Codes {
 public:
  SummedCodes(const Codes& first, const Codes& second) : Codes(first.size(), first.dim()), first_(first), second_(second) {}
  std::unique_ptr<Scorer> scorer(Metric metric) const override;
  void verify() const override;

 private:
  const Codes& first_;
  const Codes& second_;
};

}  // namespace cassata
