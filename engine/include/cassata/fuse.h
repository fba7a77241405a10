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

struct FuseParams {
  FuseMethod method = FuseMethod::rrf;
  /// With rrf: 0 or more. The larger, the less the first ranks differ from others.
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
  double weight = 1;  ///< 0 or more
};

/// Fuses rankings of the same queries. The largest score is the best, ties by lower id.
///
/// A sum takes the smallest score for the best where the scores of a ranking rise from place to place, or else where a
/// missing result has the score infinity, or else where that is so in all rankings that show an order; such scores are
/// negated. A result that a ranking lacks adds 0, or as much as the worst of the query's results there if that is
/// negative.
///
/// Throws Error(invalid_argument): no rankings, different numbers of queries, an id twice in a ranking of a query, a
/// score that is NaN (for a sum, also infinity, or scores of a ranking that both rise and fall), a weight or `k` that
/// is negative or not finite, `normalize` with rrf.
HitLists fuse(std::span<const Ranking> rankings, const FuseParams& params);

/// "rrf" or "sum"; throws Error(invalid_argument) for another.
FuseMethod parse_fuse_method(std::string_view text);
/// "min-max" or "none"; throws Error(invalid_argument) for another.
Normalization parse_normalization(std::string_view text);

}  // namespace cassata
