// The table of metrics: names, the distances that the engine compares, and the scores that callers see.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cassata/error.h"
#include "cassata/types.h"

namespace cassata {

/// Form of a distance. Distances are smaller for closer vectors.
enum class DistanceForm : std::uint8_t {
  negated_product,  ///< its score is the product itself, largest first
  squared_length,   ///< the square of a length
  length,           ///< any that obeys the triangle inequality
};

struct MetricRow {
  Metric metric;
  std::string_view name;
  std::string_view help;                      ///< what the score is, in a few words
  std::span<const std::string_view> aliases;  ///< names in other libraries
  Metric distance;                            ///< the metric whose distances are compared; codes know only these
  DistanceForm form;                          ///< form of these distances
  bool normalized = false;  ///< vectors and queries are scaled to length 1 on the way in; zero vectors stay zero
};

inline constexpr std::string_view kDotProductAliases[] = {"ip", "dot", "dot_product", "inner_product", "innerproduct"};
inline constexpr std::string_view kEuclideanAliases[] = {"l2", "l2sq", "sqeuclidean", "squared_euclidean"};

inline constexpr std::string_view kCosineAliases[] = {"cos", "angular", "cosine_similarity"};
inline constexpr std::string_view kManhattanAliases[] = {"l1", "cityblock", "taxicab"};

// A row a line.
// clang-format off
inline constexpr MetricRow kMetrics[] = {
    {Metric::dot_product, "dotproduct", "the dot product", kDotProductAliases, Metric::dot_product, DistanceForm::negated_product},
    {Metric::euclidean, "euclidean", "the square of the L2 distance", kEuclideanAliases, Metric::euclidean, DistanceForm::squared_length},
    {Metric::cosine, "cosine", "the dot product of vectors scaled to length 1 (0 for a zero vector, or only near 0 if compact codes give the score)", kCosineAliases, Metric::dot_product, DistanceForm::negated_product, true},
    {Metric::manhattan, "manhattan", "the sum of absolute differences", kManhattanAliases, Metric::manhattan, DistanceForm::length},
};
// clang-format on

/// Throws Error(invalid_argument): `metric` has no row, or these codes do not compute its distances.
[[noreturn]] inline void unsupported(Metric metric) {
  std::string found = "number " + std::to_string(static_cast<int>(metric));
  for (const MetricRow& row : kMetrics)
    if (row.metric == metric) found = "'" + std::string(row.name) + "'";
  invalid_argument("metric: " + found + " given, expected one whose distances the codes compute");
}

/// The row of a metric. All metrics that were parsed or read from a file are in the table; for others it throws
/// Error(invalid_argument).
constexpr const MetricRow& row_of(Metric metric) {
  for (const MetricRow& row : kMetrics)
    if (row.metric == metric) return row;
  unsupported(metric);
}

/// Whether the largest score is the best.
constexpr bool largest_first(Metric metric) { return row_of(metric).form == DistanceForm::negated_product; }

/// The score that stands for `distance`, and back: the mapping is its own inverse.
constexpr float score_of(Metric metric, float distance) {
  return largest_first(metric) ? 0 - distance : distance;  // 0, not -0
}

/// The length that `distance` stands for, and back. Not for products.
inline double length_of(Metric metric, double distance) {
  return row_of(metric).form == DistanceForm::length ? distance : std::sqrt(distance);
}
constexpr double distance_at(Metric metric, double length) {
  return row_of(metric).form == DistanceForm::length ? length : length * length;
}

}  // namespace cassata
