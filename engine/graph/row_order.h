// The order of rows in a file that is not sorted by id.
#pragma once

#include <span>
#include <string>
#include <utility>
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

  /// The row of each id; empty if rows are in the order of ids. Throws Error(corrupt) unless each id occurs once.
  std::vector<Id> rows() const {
    section_.touch(section_.bytes);
    std::vector<Id> rows(ids_.size(), kNoId);
    each_once({}, [&](Id id, std::size_t row) { return std::exchange(rows[id], static_cast<Id>(row)) == kNoId; });
    return rows;
  }

  /// Checks that each id occurs once. Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const {
    std::vector<bool> seen(ids_.size());
    each_once(reading, [&](Id id, std::size_t) {
      const bool first = !seen[id];
      seen[id] = true;
      return first;
    });
  }

 private:
  /// Calls use(id, row) for each row; it returns whether the id is new.
  template <class Use>
  void each_once(const Reading& reading, Use use) const {
    for (std::size_t row = 0; row < ids_.size(); ++row) {
      reading(std::as_bytes(ids_.subspan(row, 1)));
      const Id id = read_once(ids_[row]);
      if (id >= ids_.size() || !use(id, row))
        throw section_.damaged(row * sizeof(Id), "id " + std::to_string(id) + ", expected ids below " +
                                                     std::to_string(ids_.size()) + ", each once");
    }
  }

  Section section_;
  std::span<const Id> ids_;
};

}  // namespace cassata
