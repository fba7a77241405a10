// Which parts of an index file are in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cassata/manifest.h"

namespace cassata {

/// Sections that are read into memory in advance.
enum class Resident { none, hot, all };

/// Throws Error(invalid_argument) for a lock of no sections.
void check_lock(Resident resident, bool lock);

/// How much of a section is in memory.
struct SectionResidency {
  std::string name;
  Tier tier;
  std::uint64_t bytes;
  std::optional<std::uint64_t> resident;  ///< bytes in the page cache; none: the system does not report it

  /// Of the bytes; 1 if there are none.
  std::optional<double> share() const {
    if (!resident) return std::nullopt;
    return bytes == 0 ? 1 : static_cast<double>(*resident) / static_cast<double>(bytes);
  }
};

}  // namespace cassata
