// Rows of a file whose rows do not stand in the order of their ids.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cassata/types.h"
#include "format/file/section.h"

namespace cassata {

/// Section of the rows' ids: n x u32.
inline constexpr std::string_view kIdsSection = "ids";

/// Rows to the ids that the caller knows.
class Permutation {
 public:
  Permutation() = default;
  Permutation(const Section& section, std::uint64_t size) : section_(section), ids_(section.as<Id>(size)) {}

  /// Of the rows; empty if they stand in the order of their ids.
  std::span<const Id> ids() const noexcept { return ids_; }
  Id id(Id row) const noexcept { return ids_.empty() ? row : read_once(ids_[row]); }

  /// Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const {
    std::vector<bool> seen(ids_.size());
    for (std::size_t row = 0; row < ids_.size(); ++row) {
      reading(std::as_bytes(ids_.subspan(row, 1)));
      const Id id = read_once(ids_[row]);
      if (id >= ids_.size() || seen[id])
        throw section_.damaged(
            row * sizeof(Id), "id " + std::to_string(id) + ", expected a new one below " + std::to_string(ids_.size()));
      seen[id] = true;
    }
  }

 private:
  Section section_;
  std::span<const Id> ids_;
};

}  // namespace cassata
