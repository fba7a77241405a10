// The filter of a query, in the forms that scans, lists and traversals read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cassata/bitmap.h"
#include "engine/graph/duplicates.h"
#include "engine/search/workspace.h"

namespace cassata {

/// The rows that pass a filter. One thread at a time until it is ready(); then immutable.
class RowFilter {
 public:
  RowFilter() = default;
  /// `ids` are the ids that pass, `order` the ids of rows (empty: rows are ids). Borrows both.
  RowFilter(const Bitmap& ids, std::span<const Id> order);

  /// Number of ids that pass.
  std::size_t count() const noexcept { return count_; }
  bool passes(Id id) const noexcept { return id < ids_->size() && ids_->test(id); }
  /// The same by row.
  const Bitmap& rows() const noexcept { return by_row_ ? *by_row_ : *ids_; }

  /// Makes nodes() ready. A node passes if its row or one of its duplicates does. Nodes are the rows below `size`,
  /// without the duplicates among them.
  void ready(const Duplicates& duplicates, std::size_t size);
  /// Nodes that do not pass: one bit each, as words of 32 bits; bit `size` is set, and stands for all ids that are no
  /// nodes.
  std::span<const std::uint32_t> blocked() const noexcept { return blocked_; }
  /// Whether node `id` passes.
  bool admits(Id id) const noexcept {
    const std::size_t bit = id < size_ ? id : size_;
    return ((blocked_[bit / 32] >> (bit % 32)) & 1) == 0;
  }
  /// Some nodes that pass, at equal steps by their numbers: entry points of a traversal.
  std::span<const Id> sample() const noexcept { return sample_; }
  /// Number of nodes that pass.
  std::size_t nodes() const noexcept { return nodes_; }
  /// The nodes that pass.
  const Bitmap& passing_nodes() const noexcept { return by_node_; }

 private:
  static constexpr std::size_t kSample = 256;

  void take_sample();

  const Bitmap* ids_ = nullptr;
  std::span<const Id> order_;
  std::size_t count_ = 0;
  std::optional<Bitmap> by_row_;  // only if rows are not ids
  Bitmap by_node_;
  std::vector<std::uint32_t> blocked_;
  std::size_t size_ = 0, nodes_ = 0;
  std::vector<Id> sample_;
};

/// The filters of a batch of queries: none, one for all, which is made once, or one for each, made for its query.
/// `Make` makes a RowFilter of a bitmap of ids. Any number of threads.
template <class Make>
class BatchFilters {
 public:
  /// Borrows `filters`, of which null ones let all rows through.
  BatchFilters(std::span<const Bitmap* const> filters, Make make) : filters_(filters), make_(std::move(make)) {
    if (filters.size() == 1 && filters.front() != nullptr) shared_ = make_(*filters.front());
  }
  /// The filter of a query, in `own` unless all share it; null: all rows pass.
  const RowFilter* of(std::size_t query, RowFilter& own) const {
    if (shared_) return &*shared_;
    if (filters_.size() <= 1 || filters_[query] == nullptr) return nullptr;
    own = make_(*filters_[query]);
    return &own;
  }

 private:
  std::span<const Bitmap* const> filters_;
  Make make_;
  std::optional<RowFilter> shared_;
};

}  // namespace cassata
