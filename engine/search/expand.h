// Adds to what a walk found the rows that are no nodes of its graph: the duplicates of those it found.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "engine/codes/codes.h"
#include "engine/graph/duplicates.h"
#include "engine/search/workspace.h"

namespace cassata {

class Expansion {
 public:
  /// Borrows all. `size` is the number of rows.
  Expansion(const Duplicates& duplicates, const Permutation& permutation, std::size_t size)
      : duplicates_(duplicates), permutation_(permutation), size_(size) {}

  /// How many of the representatives that a walk of `width` finds to rank for `k` results. A near copy may be closer to a query than its
  /// representative is, so these are more than k if there are near copies.
  std::size_t representatives(std::size_t k, std::size_t width) const noexcept {
    constexpr std::size_t kMore = 2, kLeast = 8;
    return duplicates_.near.rows() == 0 ? k : std::min(std::max(k + kMore, kLeast), std::max(k, width));
  }

  /// `found` are rows with their distances, best first. Adds their near copies, scored by `scorer`, and, if asked, their copies. Leaves the `limit`
  /// best, by distance and row.
  void add_rows(std::vector<Candidate>& found, std::size_t limit, Scorer& scorer, bool copies) const;
  /// `found` are ids with their distances, best first. Adds the ids of their copies and, unless `scorer` is null, of their near copies, which it
  /// scores. Leaves the `k` best, by distance and id.
  void add_ids(std::vector<Candidate>& found, std::size_t k, Scorer* scorer) const;

 private:
  void add_near(Id representative, bool as_ids, Scorer& scorer, std::vector<Candidate>& found) const;
  void add_copies(const Candidate& representative, Id id, bool as_ids, std::size_t most, std::vector<Candidate>& found) const;
  Candidate named(float distance, Id row, bool as_id) const { return {distance, as_id ? permutation_.id(row) : row}; }

  const Duplicates& duplicates_;
  const Permutation& permutation_;
  std::size_t size_;
};

}  // namespace cassata
