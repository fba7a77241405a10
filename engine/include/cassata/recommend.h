// Recommends an index for a collection: builds candidates on a sample and measures them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cassata/measure.h"
#include "cassata/params.h"
#include "cassata/rows.h"
#include "cassata/stream.h"
#include "cassata/types.h"

namespace cassata {

/// Requirements for the index, and parameters of the trials.
struct RecommendParams {
  Metric metric = Metric::dot_product;
  std::size_t k = 10;
  /// Recall@k that the index must reach, over 0 and at most 1.
  double target_recall = 0.95;
  /// Most hot bytes (Index::hot_bytes) of the index; 0: any number.
  std::uint64_t memory = 0;
  /// Most vectors in the sample.
  std::uint64_t sample = 20'000;
  /// Threads of builds; 0: all processors. Searches are measured on one thread.
  unsigned num_threads = 0;
  Progress progress = {};

  /// Throws Error(invalid_argument) naming the first field that is out of range.
  void check() const;
};

/// A candidate: build parameters, and the expected properties of an index of the whole collection.
struct Trial {
  BuildParams params;
  std::string class_name;
  std::string refusal = {};  ///< error of the build, if it was refused; the fields below are then empty
  double bytes = 0;          ///< of the file
  double hot_bytes = 0;
  std::vector<Point> points = {};
  std::optional<Reached> reached = {};  ///< place on the curve that reaches the target recall; none: it is not reached

  /// The ef_search that reaches the target, rounded up; 0: none does, or the index is exact.
  std::size_t ef_search() const { return reached ? static_cast<std::size_t>(std::ceil(reached->ef_search)) : 0; }
};

struct Recommendation {
  std::vector<Trial> trials;  ///< all candidates, in the order of the table
  std::size_t chosen = 0;     ///< number of the chosen one
  std::string why;            ///< the reasons, in three lines

  const Trial& choice() const { return trials[chosen]; }
};

/// Recommends the fastest index of `vectors` that reaches the target recall within the memory; among candidates within
/// a tenth of its speed, the one with the fewest hot bytes. Without `queries`, some vectors of the sample are held out
/// of the indexes and serve as queries.
///
/// Each candidate is built on the sample and on a quarter of it, and compared with exact results. The change of recall,
/// speed and bytes from the quarter to the sample is extrapolated to the whole collection. Reads the stream once;
/// memory holds the sample. Sample and held-out queries are always the same; the choice depends on measured speeds.
/// Throws Error(invalid_argument): params out of range, queries of another kind or dimension, too few vectors, or no
/// candidate that reaches the target within the memory: the message then names the closest ones.
Recommendation recommend(VectorStream& vectors, const Batch* queries, const RecommendParams& params);

/// The class and its arguments except the metric, as a text for people.
std::string described(const Trial& trial);

}  // namespace cassata
