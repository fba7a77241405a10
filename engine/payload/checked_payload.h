// A payload on its way into a file.
#pragma once

#include <cstdint>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/payload.h"
#include "format/file/file_writer.h"

namespace cassata {

/// Checked before a build, and written after it.
class CheckedPayload {
 public:
  /// Borrows `payload`; null: nothing to write. Throws Error(invalid_argument) as order_of() and check_columns(), for
  /// `size` vectors.
  CheckedPayload(const Payload* payload, std::uint64_t size);

  /// Hash of all of it; 0: nothing to write.
  std::uint64_t hash() const;
  /// Writes the sections, and adds the entries to `manifest`.
  void write(FileWriter& writer, Manifest& manifest) const;

 private:
  const Payload* payload_ = nullptr;
  std::vector<Id> order_;  // rows with ids ascending
};

}  // namespace cassata
