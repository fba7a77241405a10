// Selects the neighbours of a node among many candidates.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Selects neighbours in different directions: discards a candidate that is closer to a selected neighbour than to the
/// node (Malkov and Yashunin, TPAMI 2020, algorithm 4). A list that stays short is then filled to three quarters of the
/// limit with the closest discarded candidates, so that near duplicates, which discard each other, stay connected.
class NeighborSelector {
 public:
  /// Sets `out` to at most `limit` of `candidates`, which are sorted by their distance to the node. Rebinds `scorer`. A
  /// candidate closer than `outlier_distance` discards no other: by dot product, a very long vector is closer to most
  /// vectors than any other node is.
  void select_neighbors(std::span<const Candidate> candidates, std::size_t limit, Scorer& scorer, std::vector<Id>& out,
                        float outlier_distance = -std::numeric_limits<float>::infinity());

 private:
  std::vector<Candidate> remaining_;
  std::vector<Id> ids_;
  std::vector<float> distances_;
};

}  // namespace cassata
