// Adds to what a walk found the rows that are no nodes of its graph: the duplicates of those it found.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cassata/metric.h"
#include "engine/codec/codes.h"
#include "engine/graph/duplicates.h"
#include "engine/graph/row_order.h"
#include "engine/search/workspace.h"

namespace cassata {

class Expansion {
 public:
  /// Which duplicates are added, and whether to rows or to ids.
  enum class Adds { all_rows, near_rows, all_ids, copied_ids };

  /// Borrows the first two. `size` is the number of rows.
  Expansion(const Duplicates& duplicates, const Permutation& permutation, const GraphEntry& entry, Metric metric,
            std::size_t size)
      : duplicates_(duplicates),
        permutation_(permutation),
        near_(entry.near_copies != 0),
        radius_(entry.near_radius),
        metric_(metric),
        size_(size) {}

  bool has_near_copies() const noexcept { return near_; }
  /// How many of the representatives `found`, best first, may have a duplicate among the `k` best for `query`: k, and
  /// where there are near copies those that are farther than the k-th by no more than these may lie from them.
  std::size_t within_reach(std::span<const Candidate> found, std::size_t k, const VectorView& query) const;

  /// `found` come with their distances, best first. Copies get the distance of their representative, near copies are
  /// scored by `scorer`. Leaves the `limit` best, by distance and number.
  void add(Adds what, std::vector<Candidate>& found, std::size_t limit, Scorer& scorer) const;

 private:
  const Duplicates& duplicates_;
  const Permutation& permutation_;
  bool near_;
  float radius_;
  Metric metric_;
  std::size_t size_;
};

}  // namespace cassata
