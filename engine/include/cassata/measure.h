// Measurement of indexes: recall and queries per second.
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

/// The share of `expected` that `found` contains. Both hold `k` ids for each query, in any order; -1 marks places
/// without a result. If several vectors tie at the k-th place, only those in `expected` count. 1 if nothing is
/// expected.
double recall(std::span<const std::int64_t> found, std::span<const std::int64_t> expected, std::size_t k);

/// One index at one beam width.
struct Point {
  std::size_t ef_search = 0;     ///< 0: the index is exact and has no beam width
  std::size_t k_candidates = 0;  ///< 0: the index has no such parameter
  double recall = 0;
  double queries_per_second =
      0;  ///< with all queries in one batch, on search.num_threads threads: the median. Without repeats 1 / p50_seconds
  double p50_seconds = 0;  ///< median time of a query, one query at a time
  double p99_seconds = 0;  ///< 99th percentile of that time
};

/// Parameters of measure().
struct MeasureParams {
  /// ef_search is ignored: it takes the values of the next field, one after another.
  SearchParams search = {};
  std::vector<std::size_t> ef_search = {};
  /// True: indexes with k_candidates take max(ef_search, k) in place of search.k_candidates.
  bool sweep_k_candidates = false;
  /// Number of timed batches for each point; 0: none.
  unsigned repeat = 3;
  Progress progress = {};

  /// Throws Error(invalid_argument) naming the first field that is out of range.
  void check() const;
};

/// Default values of ef_search for a measurement: max(k, 10) to 50 times as many, in about equal ratios.
std::vector<std::size_t> usual_ef_search(std::size_t k);

/// Measures each index and returns its points by ascending ef_search. `expected` are the expected ids, as in recall().
/// Each index is searched once before times are taken. Then indexes alternate at every beam width, so that other load
/// of the machine affects all alike: first one query at a time, on one thread, for recall and the percentiles; then all
/// in one batch, `repeat` times. Throws Error(invalid_argument) as Index::search does, and if there are no queries or
/// no beam widths.
std::vector<std::vector<Point>> measure(std::span<const Index> indexes, const Batch& queries,
                                        std::span<const std::int64_t> expected, const MeasureParams& params);

/// The place of a curve at which it reaches a recall.
struct Reached {
  double ef_search;
  double recall;  ///< the target, or more at a measured point
  double queries_per_second;
};

/// The fastest place with recall of at least `target` on the curve of `points`, which are in order of ef_search: a
/// point, or between two adjacent points, linear in recall, ef_search and the logarithm of queries per second. None if
/// no point reaches the target.
std::optional<Reached> at_recall(std::span<const Point> points, double target);

}  // namespace cassata
