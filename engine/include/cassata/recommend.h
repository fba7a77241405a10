// Which index to build, by trying: every kind that there is for such vectors, on a sample of them.
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

/// What is asked of an index.
struct RecommendParams {
  Metric metric = Metric::dot_product;
  std::size_t k = 10;
  /// Recall@k that is to be reached, over 0 and at most 1.
  double target_recall = 0.95;
  /// Hot bytes (Index::hot_bytes) that it may have; 0: any number.
  std::uint64_t memory = 0;
  /// Vectors that it is tried on, at most.
  std::uint64_t sample = 20'000;
  /// Threads of builds; 0 = all processors. Speed is that of one.
  unsigned num_threads = 0;
  Progress progress = {};

  /// Throws Error(invalid_argument) naming the first field that is out of range.
  void check() const;
};

/// One way to build, and what is to be expected of an index of the whole collection.
struct Trial {
  BuildParams params;
  std::string class_name;
  std::string refusal = {};  ///< why the sample could not be built so; then there is nothing else
  double bytes = 0;          ///< of the file
  double hot_bytes = 0;
  std::vector<Point> points = {};
  std::optional<Reached> reached = {};  ///< the target; none: it is not

  /// That reaches it: a whole number; 0: none does, or it is an exact index.
  std::size_t ef_search() const { return reached ? static_cast<std::size_t>(std::ceil(reached->ef_search)) : 0; }
};

struct Recommendation {
  std::vector<Trial> trials;  ///< all, in the order of the table
  std::size_t chosen = 0;     ///< of them
  std::string why;            ///< a line or more

  const Trial& choice() const { return trials[chosen]; }
};

/// The fastest index over `vectors` that reaches the target within the memory, or, of those within a tenth of its
/// speed, the one with the fewest hot bytes. Without `queries` some vectors of the sample are kept out of the indexes
/// and serve as such.
///
/// Each way to build is tried on the sample and on a quarter of it, against exact answers; how recall, speed and bytes
/// change from one to the other is taken to go on so up to the whole collection. Reads the stream once; memory holds
/// the sample. Sample and queries are always the same; the choice depends on what is measured. Throws
/// Error(invalid_argument): params out of range, queries of another shape or dim, too few vectors, or no way that
/// reaches the target within the memory: then the message names the closest.
Recommendation recommend(VectorStream& vectors, const Batch* queries, const RecommendParams& params);

/// Class and arguments but the metric, for people.
std::string described(const Trial& trial);

}  // namespace cassata
