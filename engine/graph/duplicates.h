// Rows that are not nodes of a graph, because a node stands for them: copies of it, and rows so close to it that they would only crowd it.
//
// Links among many equal rows lead nowhere else, and a walk that comes to one of them keeps nothing but its copies. So a walk sees the
// representative alone; its duplicates are added to the results at the end.
//
//   graph.copies        groups of rows that are stored byte for byte as their representative
//   graph.near_copies   groups of rows that are very close to it
//
// Each section:
//   u32 x rows      id of each row's representative; they do not fall
//   u32 x rows      the rows; those of a representative in the order of their ids
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/graph/permutation.h"
#include "format/section.h"
#include "format/types.h"

namespace cassata {

inline constexpr std::string_view kCopiesSection = "graph.copies";
inline constexpr std::string_view kNearCopiesSection = "graph.near_copies";

/// Groups of duplicates as they lie in a file.
class RowGroups {
 public:
  /// No groups.
  RowGroups() = default;
  /// Throws Error(corrupt) if the section's length is odd.
  explicit RowGroups(const Section& section);

  /// Rows in all groups.
  std::size_t rows() const noexcept { return rows_.size(); }
  /// The rows that the row with this id stands for. A damaged file may hold any numbers.
  std::span<const Id> of(Id representative) const noexcept;
  /// Checks order and range of all numbers. Marks the rows' ids in `is_duplicate`, which has a place for every id. Throws Error(corrupt).
  void verify(const Permutation& permutation, std::vector<bool>& is_duplicate, const Reading& reading) const;
  /// Checks that none of the representatives is a duplicate. Throws Error(corrupt).
  void verify_representatives(const std::vector<bool>& is_duplicate) const;

 private:
  Section section_;
  std::span<const Id> representatives_, rows_;
};

/// Both kinds of groups of a graph.
struct Duplicates {
  RowGroups copies, near;

  std::size_t rows() const noexcept { return copies.rows() + near.rows(); }
  /// Checks that each row belongs to at most one group and that no representative is a duplicate. Throws Error(corrupt).
  void verify(const Permutation& permutation, std::size_t size, const Reading& reading) const;
};

/// The bytes of a section for groups of (representative's id, row), which are sorted by representative and then by the row's id.
std::vector<std::byte> grouped(std::span<const std::pair<Id, Id>> rows);

}  // namespace cassata
