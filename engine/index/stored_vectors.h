// The vectors of a file, as they can be read back.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/rows.h"
#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/index/searcher.h"
#include "format/file/mapped_file.h"

namespace cassata {

/// Reads back the vectors by which results are scored: those of the last stage, and with residuals the sums of both
/// stages; with token vectors those of the first stage. Any number of threads.
class StoredVectors {
 public:
  /// Borrows both.
  StoredVectors(const MappedFile& file, const StoredCodes& codes);
  StoredVectors(const StoredVectors&) = delete;
  StoredVectors& operator=(const StoredVectors&) = delete;

  /// The vectors `ids`, which are below the size of the index, in this order. Rows on disk are requested many at once.
  /// Throws Error(corrupt): a value that is not finite, a component out of order or beyond the dimension, ids that are
  /// no permutation.
  Rows at(std::span<const Id> ids) const;

 private:
  struct Decoded;
  /// The row of each id; empty: ids are rows. Throws Error(corrupt).
  std::shared_ptr<const std::vector<Id>> rows() const;
  void append(Id row, Decoded& out) const;
  void check(Id id, const VectorView& vector) const;

  const MappedFile& file_;
  std::vector<const Codes*> summands_;                   // of the vectors: one, or both stages
  std::string_view section_;                             // of the last one, for messages
  mutable std::mutex mutex_;                             // guards rows_
  mutable std::shared_ptr<const std::vector<Id>> rows_;  // null: not asked for yet
};

}  // namespace cassata
