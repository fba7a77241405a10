// Detects near duplicates: vectors so close to another one that one node of the graph represents both.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cassata/metric.h"
#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Distinguishes near duplicates from other neighbours by squared Euclidean distance, or by the distance of the metric
/// where that is neither Euclidean nor made of products. The limit is kShare of the distance that 9 of 10 random pairs
/// of the collection do not exceed: a quantile, so that a few outliers do not change it, and of differences, so that
/// the origin does not matter. Noise of 1e-4 of the size of the values stays below the limit in up to 1,000 dimensions.
class NearRule {
 public:
  static constexpr double kShare = 0.005;

  /// Only exact duplicates are near.
  NearRule() = default;
  /// Measures the distances of a fixed random sample of pairs of nodes below `nodes`. `scorer` scores nodes.
  NearRule(Metric metric, std::size_t nodes, Scorer& scorer);

  /// A candidate whose near duplicate `node` is, or kNoId. `candidates` are other nodes with their distances to `node`,
  /// closest first. Rebinds `scorer`.
  Id find(Id node, std::span<const Candidate> candidates, Scorer& scorer) const;
  /// False if two vectors with distances `a` and `b` to the same third vector cannot be near duplicates.
  bool may_be_near(float a, float b) const;
  /// The largest distance of a near duplicate (L2, or L1 if the metric is).
  float radius() const;
  /// For the dot product, a distance below this means that one of the two vectors is several times longer than most
  /// vectors. Minus infinity for Euclidean distances.
  float outlier_distance() const;

 private:
  double distance_of(Id other, float distance, double own, Scorer& scorer) const;

  bool products() const { return largest_first(metric_); }

  Metric metric_ = Metric::euclidean;
  double limit_ = 0;   // largest distance of near duplicates
  double length_ = 0;  // for products: the L2 length that 9 of 10 vectors do not exceed
};

}  // namespace cassata
