// How well and how fast indexes answer: recall against queries a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cassata/index.h"
#include "cassata/params.h"
#include "cassata/types.h"

namespace cassata {

/// The share of `expected` that is in `found`: each `k` ids a query, -1 where there is none. Ids count, in whatever
/// order: of several vectors that tie at the k-th place, those that are expected. 1 if nothing is expected.
double recall(std::span<const std::int64_t> found, std::span<const std::int64_t> expected, std::size_t k);

/// One index by one width of search.
struct Point {
  std::size_t ef_search = 0;     ///< 0: the index is exact and has no such width
  std::size_t k_candidates = 0;  ///< 0: the index does not score so many again
  double recall = 0;
  double queries_per_second =
      0;  ///< of all queries in one batch, over params.num_threads threads; the median. Without repeats 1 / p50_seconds
  double p50_seconds = 0;  ///< of queries alone, one after another
  double p99_seconds = 0;
};

/// What is measured, and how.
struct MeasureParams {
  /// Its ef_search takes the values of the next field, one after another.
  SearchParams search = {};
  std::vector<std::size_t> ef_search = {};
  /// Where second codes score again what a walk found: as many candidates as ef_search, but at least k, in place of
  /// search.k_candidates.
  bool sweep_k_candidates = false;
  /// Times that every point's batch is timed; 0: not at all.
  unsigned repeat = 3;
  Progress progress = {};

  /// Throws Error(invalid_argument) naming the first field that is out of range.
  void check() const;
};

/// From k on (10 at least), in about even steps of a logarithmic axis: what to try where nobody says.
std::vector<std::size_t> usual_ef_search(std::size_t k);

/// For each index its points, by rising ef_search. `expected` are the answers, as of recall(). Each index is searched
/// once before anything is timed. Then they take turns at every width, so that what else the machine does hits all
/// alike: first each query alone, in one thread, for recall and the percentiles; then `repeat` times all in one batch.
/// Throws Error(invalid_argument) as Index::search does, and if there is nothing to measure with: no queries, no
/// widths.
std::vector<std::vector<Point>> measure(std::span<const Index> indexes, const Batch& queries,
                                        std::span<const std::int64_t> expected, const MeasureParams& params);

/// Where a curve has a recall.
struct Reached {
  double ef_search;
  double recall;  ///< more than was asked for, where a point is taken
  double queries_per_second;
};

/// The fastest way to at least `target` that `points`, by rising ef_search, show: one of them, or between two
/// neighbours, linear in recall and ef_search and in the logarithm of queries a second. None: the target is not
/// reached.
std::optional<Reached> at_recall(std::span<const Point> points, double target);

}  // namespace cassata
