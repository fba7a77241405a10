// Which of many candidates become a node's neighbours.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Chooses neighbours that lie in different directions: a candidate is left out if it is closer to one already chosen
/// than to the node itself (Malkov and Yashunin, TPAMI 2020, algorithm 4). A list that this leaves short is filled up
/// to three quarters with the closest left out: near-duplicates, which push each other out, stay connected.
class NeighborSelector {
 public:
  /// Sets `out` to at most `limit` of `candidates`, which are sorted by their distance to the node. `scorer` is bound
  /// to others on the way. A candidate closer than `wild` leaves out no other: by dot product, one very long vector is
  /// closer to most vectors than any node is.
  void select_neighbors(std::span<const Candidate> candidates, std::size_t limit, Scorer& scorer, std::vector<Id>& out,
                        float wild = -std::numeric_limits<float>::infinity());

 private:
  std::vector<Candidate> alive_;
  std::vector<Id> ids_;
  std::vector<float> distances_;
};

}  // namespace cassata
