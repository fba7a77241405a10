// Fusion of rankings: one list of results for each query, from the results of several searches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "cassata/hits.h"

namespace cassata {

enum class FuseMethod : std::uint8_t {
  rrf,  ///< weight / (k + rank), ranks from 1, summed over the rankings (Cormack, Clarke and Buettcher, SIGIR 2009)
  sum,  ///< weight * score, summed over the rankings
};

/// How the scores of a query in a ranking are scaled before they are summed.
enum class Normalization : std::uint8_t {
  none,
  min_max,  ///< the worst to 0, the best to 1; all to 1 if they are equal
};

/// Which score of a ranking is the best.
enum class BestScore : std::uint8_t {
  shown,  ///< the order of the scores shows it, or the score of a missing result
  largest,
  smallest,
};

/// A weight is a number from 0 to this, so that no sum overflows.
constexpr double kLargestWeight = 1e30;
/// `k` is a number from 0 to this, so that no two ranks add the same.
constexpr double kLargestRankConstant = 1e15;

struct FuseParams {
  FuseMethod method = FuseMethod::rrf;
  /// With rrf: 0 to kLargestRankConstant. The larger, the less the first ranks differ from others.
  double k = 60;
  /// With sum.
  Normalization normalize = Normalization::none;
  /// Most results of a query.
  std::size_t top = std::numeric_limits<std::size_t>::max();
  /// How messages show an id; none: as a number.
  std::function<std::string(std::int64_t)> shown = {};
};

/// Results of several queries, borrowed: those of query i are limits[i] to limits[i + 1] - 1 of `scores` and `ids`,
/// best first. Places with id -1 are missing results, as Index::search() leaves them.
struct Ranking {
  std::string name;  ///< in messages
  std::span<const std::int64_t> limits;
  std::span<const float> scores;
  std::span<const std::int64_t> ids;
  double weight = 1;                  ///< 0 to kLargestWeight
  BestScore best = BestScore::shown;  ///< with sum
  /// How messages show the place of ids[i], a result of a query; none: the number of the query, and the place in it.
  std::function<std::string(std::size_t query, std::size_t i)> place = {};
};

/// Fuses rankings of the same queries. The largest score is the best. Results are ordered by their sums in f64, ties by
/// lower id; the scores are the sums as f32, those beyond it as its largest and smallest number.
///
/// A sum negates scores of which the smallest is the best. Unless Ranking::best says so, these are scores that rise
/// from place to place in any query, or where none of them differ, of a ranking whose missing results have the score
/// infinity. A result that a ranking lacks adds 0, or as much as the worst of the query's results there if that is
/// negative.
///
/// Throws Error(invalid_argument): no rankings, different numbers of queries, an id twice in a ranking of a query, a
/// score that is NaN, a weight or `k` out of range, `normalize` or `best` with rrf; for a sum, also a score that is
/// infinite, scores of a ranking that both rise and fall or that contradict its `best`, and a ranking with results but
/// without `best` that does not show which score is the best, unless min-max makes all its scores 1.
HitLists fuse(std::span<const Ranking> rankings, const FuseParams& params);

/// "rrf" or "sum"; throws Error(invalid_argument) for another.
FuseMethod parse_fuse_method(std::string_view text);
/// "min-max" or "none"; throws Error(invalid_argument) for another.
Normalization parse_normalization(std::string_view text);
/// "largest" or "smallest"; throws Error(invalid_argument) for another.
BestScore parse_best_score(std::string_view text);

}  // namespace cassata
