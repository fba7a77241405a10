// What each metric is, by definition and in double precision.
#pragma once

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <vector>

#include "cassata/metric.h"

namespace cassata::test {

/// The metrics that the engine has distances of.
inline std::vector<Metric> distances() {
  std::vector<Metric> out;
  for (const MetricRow& row : kMetrics)
    if (row.distance == row.metric) out.push_back(row.metric);
  return out;
}

/// What a component adds to one of these distances.
inline double term_of(Metric distance, double x, double y) {
  switch (distance) {
    case Metric::dot_product: return -x * y;
    case Metric::euclidean: return (x - y) * (x - y);
    case Metric::manhattan: return std::abs(x - y);
    case Metric::cosine: break;  // compares by dot products
  }
  throw std::logic_error("no metric of the engine's own");
}

/// Whether scores of vectors of small whole numbers, or of multiples of 1/8, are exact in f32. They are
/// not where numbers are divided or roots are taken.
inline bool exact_on_whole_numbers(Metric metric) {
  switch (metric) {
    case Metric::dot_product:
    case Metric::euclidean:
    case Metric::manhattan: return true;
    case Metric::cosine: return false;
  }
  return false;
}

inline double exact_distance(Metric metric, const float* a, const float* b, std::size_t dim) {
  const MetricRow& row = row_of(metric);
  double sum = 0, squares[] = {0, 0};
  for (std::size_t j = 0; j < dim; ++j) {
    const double x = a[j], y = b[j];
    sum += term_of(row.distance, x, y);
    squares[0] += x * x;
    squares[1] += y * y;
  }
  if (row.normalized && sum != 0) sum /= std::sqrt(squares[0]) * std::sqrt(squares[1]);
  return sum;
}

}  // namespace cassata::test
