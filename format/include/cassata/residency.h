// Which parts of an index file are in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cassata/manifest.h"

namespace cassata {

/// What of a file is read into memory before it is asked for.
enum class Resident { none, hot, all };

/// How much of a section is in memory.
struct SectionResidency {
  std::string name;
  Tier tier;
  std::uint64_t bytes;
  std::optional<std::uint64_t>
      resident;  ///< bytes in the page cache, whoever had them read; none: the system does not tell
};

}  // namespace cassata
