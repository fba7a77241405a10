// Adds the duplicates of nodes that a traversal found to its results.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cassata/metric.h"
#include "engine/codec/codes.h"
#include "engine/graph/duplicates.h"
#include "engine/graph/row_order.h"
#include "engine/search/row_filter.h"
#include "engine/search/workspace.h"

namespace cassata {

class Expansion {
 public:
  /// Kind of duplicates that add() adds (all, near or exact ones), and whether the candidates are rows or ids.
  enum class Adds { all_rows, near_rows, all_ids, copied_ids };

  /// `size` is the number of rows. Borrows `duplicates` and `permutation`.
  Expansion(const Duplicates& duplicates, const Permutation& permutation, const GraphEntry& entry, Metric metric,
            std::size_t size)
      : duplicates_(duplicates),
        permutation_(permutation),
        near_(entry.near_copies != 0),
        radius_(entry.near_radius),
        metric_(metric),
        size_(size) {}

  bool has_near_copies() const noexcept { return near_; }
  /// Number of candidates in `found`, best first, that may have a duplicate among the `k` best for `query`: the first k
  /// and, if there are near duplicates, those that are at most the near radius farther than the k-th.
  std::size_t within_reach(std::span<const Candidate> found, std::size_t k, const VectorView& query) const;

  /// Adds the duplicates of the candidates `found`, which are in order, best first. Exact duplicates have the distance
  /// of their representative; near duplicates are scored by `scorer`. Keeps the `limit` best, by distance, then by id
  /// or row. With a filter, removes all candidates that do not pass: representatives stand for their duplicates until
  /// then.
  void add(Adds what, std::vector<Candidate>& found, std::size_t limit, Scorer& scorer,
           const RowFilter* filter = nullptr) const;

 private:
  const Duplicates& duplicates_;
  const Permutation& permutation_;
  bool near_;
  float radius_;
  Metric metric_;
  std::size_t size_;
};

}  // namespace cassata
