// The order of rows in a file that is not sorted by id.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cassata/types.h"
#include "format/file/section.h"

namespace cassata {

/// Maps rows to the callers' ids.
class Permutation {
 public:
  /// Rows are in the order of ids.
  Permutation() = default;
  /// Throws Error(corrupt) if the section does not hold `size` ids.
  Permutation(const Section& section, std::uint64_t size) : section_(section), ids_(section.as<Id>(size)) {}

  /// The id of each row; empty if rows are in the order of ids.
  std::span<const Id> ids() const noexcept { return ids_; }
  Id id(Id row) const noexcept { return ids_.empty() ? row : read_once(ids_[row]); }

  /// Checks that each id occurs once. Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const {
    std::vector<bool> seen(ids_.size());
    for (std::size_t row = 0; row < ids_.size(); ++row) {
      reading(std::as_bytes(ids_.subspan(row, 1)));
      const Id id = read_once(ids_[row]);
      if (id >= ids_.size() || seen[id])
        throw section_.damaged(row * sizeof(Id), "id " + std::to_string(id) + ", expected ids below " +
                                                     std::to_string(ids_.size()) + ", each once");
      seen[id] = true;
    }
  }

 private:
  Section section_;
  std::span<const Id> ids_;
};

}  // namespace cassata
