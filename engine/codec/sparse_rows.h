// The base of the encodings of sparse vectors: rows that differ in length, and the tables into which scorers scatter
// queries.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/codec/row_offsets.h"

namespace cassata {

class SparseRows : public Codes, public SparseEntries {
 public:
  /// Largest dimension for which a query is scattered into a table; beyond it, rows are merged with the query.
  static constexpr std::size_t kMaxTable = std::size_t{1} << 22;
  /// Shortest table: every 16-bit component has a place, whatever a damaged file holds.
  static constexpr std::size_t kShortDim = 65536;

  /// The row's bytes. Offsets of a damaged file are clamped to the section.
  std::span<const std::byte> bytes(Id id) const noexcept { return offsets_.part(rows_.bytes, id); }
  std::span<const std::byte> place_bytes(Id id) const noexcept { return offsets_.bytes(id); }
  RowReads* reads() const noexcept { return rows_.reads; }
  const SparseEntries* sparse_entries() const noexcept override { return this; }
  void prefetch_place(Id id) const noexcept { offsets_.prefetch(id); }
  void touch(Id id) const noexcept override {
    offsets_.touch(id);
    rows_.touch(bytes(id));
  }
  void prefetch(Id id) const noexcept {
    constexpr std::size_t kLine = 64, kMaxBytes = 1024;
    const auto row = bytes(id);
    for (std::size_t at = 0; at < std::min(row.size(), kMaxBytes); at += kLine)
      __builtin_prefetch(row.data() + at, 0, 2);
  }

  /// A table of zeros with a place for each component and one more; empty if dim exceeds kMaxTable. Tables are reused:
  /// to fill a new one takes longer than a short search. Return a table by give_table(), all zeros again.
  std::vector<float> take_table() const {
    if (dim() > kMaxTable) return {};
    {
      const std::lock_guard lock(mutex_);
      if (!tables_.empty()) {
        std::vector<float> table = std::move(tables_.back());
        tables_.pop_back();
        return table;
      }
    }
    return std::vector<float>(std::max(dim(), kShortDim) + 1);
  }
  void give_table(std::vector<float> table) const noexcept {
    const std::lock_guard lock(mutex_);
    if (!table.empty() && tables_.size() < tables_.capacity()) tables_.push_back(std::move(table));
  }

 protected:
  /// append() of `rows`, which has record() and each() as a SparseScorer needs them.
  template <class Rows>
  static void append_entries(const Rows& rows, Id id, std::vector<std::uint32_t>& components,
                             std::vector<float>& values) {
    rows.each(rows.record(id), [&](std::uint32_t component, float value) {
      components.push_back(component);
      values.push_back(value);
    });
  }

  SparseRows(const RowSections& sections, std::uint64_t size, std::size_t dim)
      : Codes(size, dim), rows_(sections.rows), offsets_(sections.offsets, size) {
    constexpr std::size_t kMaxTables = 64;
    tables_.reserve(kMaxTables);
  }

  /// Checks the offsets, and calls check(id) for each row. Throws Error(corrupt).
  template <class Check>
  void verify_rows(const Reading& reading, Check check) const {
    for (std::size_t i = 0; i < size(); ++i) {
      reading(offsets_.bytes(i));
      reading(bytes(static_cast<Id>(i)));
      if (offsets_[i] > offsets_[i + 1]) throw wrong_length(static_cast<Id>(i));
      check(static_cast<Id>(i));
    }
    offsets_.check_ends(size(), rows_.bytes.size());
  }
  /// The error for row `id` if its length is no whole number of entries.
  Error wrong_length(Id id) const {
    return offsets_.damaged(id, "row " + std::to_string(id) + " from byte " + std::to_string(offsets_[id]) + " to " +
                                    std::to_string(offsets_[id + 1]) + ", expected whole entries");
  }
  /// The error for row `id`.
  Error wrong_row(Id id, const std::string& found) const {
    return rows_.damaged(offsets_[id], "row " + std::to_string(id) + ": " + found);
  }
  Error wrong_scale(Id id, float scale) const {
    return wrong_row(id, "scale " + std::to_string(scale) + ", expected a finite number");
  }
  /// The error for entry `i` of row `id`.
  Error wrong_entry(Id id, std::size_t i, std::uint32_t component, float value) const {
    return rows_.damaged(offsets_[id], "row " + std::to_string(id) + ", entry " + std::to_string(i) + ": component " +
                                           std::to_string(component) + ", value " + std::to_string(value) +
                                           ", expected ascending components below " + std::to_string(dim()) +
                                           " and finite values");
  }

 private:
  Section rows_;
  RowOffsets offsets_;
  mutable std::mutex mutex_;
  mutable std::vector<std::vector<float>> tables_;  // not in use
};

}  // namespace cassata
