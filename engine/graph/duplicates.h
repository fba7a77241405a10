// Rows that are not nodes of a graph, because a node stands for them: copies of it, and rows so close to it that they
// would only crowd it.
//
// Links among many equal rows lead nowhere else, and a walk that comes to one of them keeps nothing but its copies. So
// a walk sees the representative alone; its duplicates are added to the results at the end.
//
//   graph.duplicates   u32 x d   id of each duplicate's representative; they do not fall
//                      u32 x d   the duplicates: rows; bit 31 is set of copies, which are stored byte for byte as their
//                      representative and have
//                                higher ids. Those of one representative: copies first, then near copies, both in the
//                                order of their ids
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

inline constexpr std::string_view kDuplicatesSection = "graph.duplicates";

/// A row that another one stands for.
struct Duplicate {
  Id representative;  ///< its id
  Id row;
  bool copy;  ///< else a near copy
};

/// The duplicates of a graph as they lie in a file.
class Duplicates {
 public:
  /// None.
  Duplicates() = default;
  /// Throws Error(corrupt) if the section's length is not that of `count` duplicates.
  Duplicates(const Section& section, std::uint64_t count);

  bool empty() const noexcept { return rows_.empty(); }
  /// Those of the row with this id, as they are stored. A damaged file may hold any numbers.
  std::span<const Id> of(Id representative) const noexcept;
  static bool is_copy(Id stored) noexcept { return (stored & kCopy) != 0; }
  static Id row(Id stored) noexcept { return stored & ~kCopy; }

  /// Checks order and range of all numbers, that each row is a duplicate once at most, that no representative is one,
  /// and what the manifest says of them. Throws Error(corrupt).
  void verify(const Permutation& permutation, const GraphEntry& entry, std::size_t size, const Reading& reading) const;

  /// The section's bytes. `duplicates` are in its order.
  static std::vector<std::byte> write(std::span<const Duplicate> duplicates);

 private:
  static constexpr Id kCopy = Id{1} << 31;
  static_assert(kMaxSize < kCopy);
  Section section_;
  std::span<const Id> representatives_, rows_;
};

}  // namespace cassata
