// Which vectors are so close to another one that one node of a graph stands for both.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/codes/codes.h"
#include "engine/search/workspace.h"
#include "format/types.h"

namespace cassata {

/// Tells near copies from other neighbours, by squared Euclidean distances whatever the metric. A near copy is closer than kShare of the distance that
/// most pairs of the collection have. So the few rows that lie far out do not count, nor does where the origin is.
class NearRule {
 public:
  static constexpr double kShare = 0.01;

  /// Copies alone are near.
  NearRule() = default;
  /// Measures distances of some pairs among the nodes from 0 to `nodes`, always the same. `scorer` scores nodes.
  NearRule(Metric metric, std::size_t nodes, Scorer& scorer);

  /// The candidate that `node` is a near copy of; kNoId: none. `candidates` are other nodes with their distances to it, best first. Leaves `scorer`
  /// bound to any of them.
  Id find(Id node, std::span<const Candidate> candidates, Scorer& scorer) const;
  /// Whether vectors with these distances to the same third one may be near copies.
  bool may_be_near(float a, float b) const;
  /// No two vectors are closer unless one is several times as long as most are. Of squared Euclidean distances: none is.
  float wild() const;

 private:
  double squared_distance(Id other, float distance, double own, Scorer& scorer) const;

  Metric metric_ = Metric::euclidean;
  double limit_ = 0;   // squared distance of near copies
  double length_ = 0;  // of the vectors, most of which are no longer; of dot products
};

}  // namespace cassata
