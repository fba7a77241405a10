// Adds to what a walk found the rows that are no nodes of its graph: the duplicates of those it found.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/codes/codes.h"
#include "engine/graph/duplicates.h"
#include "engine/search/workspace.h"

namespace cassata {

class Expansion {
 public:
  /// Which duplicates are added, and to what.
  enum class Of {
    rows,           ///< found are rows: their near copies, and their copies
    rows_near,      ///< found are rows: their near copies
    ids,            ///< found are ids: their near copies, and their copies
    ids_of_copies,  ///< found are ids: their copies
  };

  /// Borrows both. `near_copies` is how many of the duplicates are such; `size` the number of rows.
  Expansion(const Duplicates& duplicates, const Permutation& permutation, std::size_t near_copies, std::size_t size)
      : duplicates_(duplicates), permutation_(permutation), near_copies_(near_copies), size_(size) {}

  /// How many of the representatives that a walk of `width` finds to rank for `k` results. A near copy may be closer to a query than its
  /// representative is, so these are more than k if there are near copies.
  std::size_t representatives(std::size_t k, std::size_t width) const noexcept {
    constexpr std::size_t kMore = 2, kLeast = 8;
    return near_copies_ == 0 ? k : std::min(std::max(k + kMore, kLeast), std::max(k, width));
  }
  bool has_near_copies() const noexcept { return near_copies_ != 0; }

  /// `found` come with their distances, best first. Copies get the distance of their representative, near copies are scored by `scorer`. Leaves the
  /// `limit` best, by distance and number.
  void add(Of what, std::vector<Candidate>& found, std::size_t limit, Scorer& scorer) const;

 private:
  const Duplicates& duplicates_;
  const Permutation& permutation_;
  std::size_t near_copies_, size_;
};

}  // namespace cassata
