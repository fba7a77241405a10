// Which vectors are so close to another one that one node of a graph stands for both.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cassata/metric.h"
#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Tells near copies from other neighbours, by distances of the metric, or by
/// squared Euclidean ones that are made of products. A near copy is closer
/// than kShare of the distance that most pairs of the collection have, so noise of 1e-4 of a value's size makes near
/// copies in up to 1,000 dimensions. So the few rows that lie far out do not count, nor does where the origin is.
class NearRule {
 public:
  static constexpr double kShare = 0.005;

  /// Copies alone are near.
  NearRule() = default;
  /// Measures distances of some pairs among the nodes from 0 to `nodes`, always the same. `scorer` scores nodes.
  NearRule(Metric metric, std::size_t nodes, Scorer& scorer);

  /// The candidate that `node` is a near copy of; kNoId: none. `candidates` are other nodes with their distances to it,
  /// best first. Leaves `scorer` bound to any of them.
  Id find(Id node, std::span<const Candidate> candidates, Scorer& scorer) const;
  /// Whether vectors with these distances to the same third one may be near copies.
  bool may_be_near(float a, float b) const;
  /// How far a near copy is at most (L2, or L1 of such a metric).
  float radius() const;
  /// The distance that two vectors do not fall below, unless one is several times as long as most vectors are. Minus
  /// infinity for Euclidean distances.
  float wild() const;

 private:
  double distance_of(Id other, float distance, double own, Scorer& scorer) const;

  bool products() const { return largest_first(metric_); }

  Metric metric_ = Metric::euclidean;
  double limit_ = 0;   // distance of near copies
  double length_ = 0;  // of the vectors, most of which are no longer; of dot products
};

}  // namespace cassata
