// One struct per metric: how a vector of elements adds to a running sum, and how the sum becomes a distance. Past the
// end of a row query and row are 0, which must add nothing.
// Compiled once per instruction set: include after highway.h, never from a header.

#if defined(CASSATA_KERNELS_METRIC_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CASSATA_KERNELS_METRIC_INL_H
#undef CASSATA_KERNELS_METRIC_INL_H
#else
#define CASSATA_KERNELS_METRIC_INL_H
#endif

#include <hwy/highway.h>

#include "cassata/metric.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::HWY_NAMESPACE {

struct DotProduct {
  static constexpr Metric kMetric = Metric::dot_product;
  template <class V>
  static HWY_INLINE V add(V sum, V query, V row) {
    return hwy::HWY_NAMESPACE::MulAdd(query, row, sum);
  }
  static HWY_INLINE float finish(float sum) { return -sum; }
};

struct Euclidean {
  static constexpr Metric kMetric = Metric::euclidean;
  template <class V>
  static HWY_INLINE V add(V sum, V query, V row) {
    const V difference = hwy::HWY_NAMESPACE::Sub(query, row);
    return hwy::HWY_NAMESPACE::MulAdd(difference, difference, sum);
  }
  static HWY_INLINE float finish(float sum) { return sum; }
};

struct Manhattan {
  static constexpr Metric kMetric = Metric::manhattan;
  template <class V>
  static HWY_INLINE V add(V sum, V query, V row) {
    return hwy::HWY_NAMESPACE::Add(sum, hwy::HWY_NAMESPACE::AbsDiff(query, row));
  }
  static HWY_INLINE float finish(float sum) { return sum; }
};

/// Calls `use` with an object of the metric's type. Throws Error(invalid_argument) for a metric that is not listed.
template <class First, class... Others, class Use>
auto with_metric(Metric metric, Use use) {
  if (metric == First::kMetric) return use(First{});
  if constexpr (sizeof...(Others) != 0)
    return with_metric<Others...>(metric, use);
  else
    unsupported(metric);
}

}  // namespace cassata::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
