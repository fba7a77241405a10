// Duplicates: rows that are not nodes of the graph, because a node, their representative, stands for them. Exact
// duplicates equal it, near duplicates are within the near radius (docs/decisions/duplicates-are-one-node.md).
//
// Edges among many equal rows lead to no other rows, and equal rows would fill the beam of a traversal. Traversals
// therefore see the representative alone, and its duplicates are added to the results at the end.
//
//   graph.duplicates   u32 x d   ids of the representatives, one for each duplicate, in ascending order
//                      u32 x d   rows of the duplicates. Bit 31 marks exact duplicates, whose stored bytes equal
//                                those of their representative and whose ids are higher. For each representative:
//                                the exact duplicates, then the near duplicates, both in the order of their ids
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/types.h"
#include "engine/graph/row_order.h"
#include "format/file/section.h"

namespace cassata {

/// A duplicate and its representative.
struct Duplicate {
  Id representative;  ///< id of the representative
  Id row;             ///< row of the duplicate
  bool copy;          ///< an exact duplicate; false: a near duplicate
};

/// The duplicates of a graph in a file.
class Duplicates {
 public:
  /// No duplicates.
  Duplicates() = default;
  /// Throws Error(corrupt) if the section does not hold `count` duplicates.
  Duplicates(const Section& section, std::uint64_t count);

  bool empty() const noexcept { return rows_.empty(); }
  /// The duplicates of the representative with this id, as stored: see is_copy() and row(). A damaged file may hold any
  /// numbers.
  std::span<const Id> of(Id representative) const noexcept;
  /// Calls use(representative's id, duplicate's row) for each. A damaged file may hold any numbers.
  template <class Use>
  void for_each(Use use) const {
    for (std::size_t i = 0; i < rows_.size(); ++i) use(read_once(representatives_[i]), row(read_once(rows_[i])));
  }
  /// True for an exact duplicate.
  static bool is_copy(Id stored) noexcept { return (stored & kCopy) != 0; }
  static Id row(Id stored) noexcept { return stored & ~kCopy; }

  /// Checks that all numbers are in order and in range, that each row is a duplicate at most once and no representative
  /// is a duplicate, and that the number of near duplicates is that of the manifest (`entry`). Throws Error(corrupt).
  void verify(const Permutation& permutation, const GraphEntry& entry, std::size_t size, const Reading& reading) const;

  /// The bytes of the section. Requires `duplicates` in the order of the section.
  static std::vector<std::byte> write(std::span<const Duplicate> duplicates);

 private:
  static constexpr Id kCopy = Id{1} << 31;
  static_assert(kMaxSize < kCopy);
  Section section_;
  std::span<const Id> representatives_, rows_;
};

}  // namespace cassata
