// An index as the input of a build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cassata/bitmap.h"
#include "cassata/documents.h"
#include "cassata/index.h"
#include "cassata/parameters.h"
#include "cassata/payload.h"
#include "cassata/stream.h"

namespace cassata {

/// Whether the file at `path` begins as an index file does. False also for a file that cannot be read.
bool is_index_file(const std::filesystem::path& path);

/// All vectors of an index, or some, with what it holds for them: inputs of a build. Holds the index open, and so does
/// all that it returns. Vectors are those of Index::vectors(), in the order of row numbers; memory holds some megabytes
/// of them, and 4 bytes for each vector of the index.
class IndexSource {
 public:
  /// The rows in `filter`, which is of the size of the index; null: all. Compares the whole file with its hashes, so
  /// that no damage gets into the new file. Throws Error: invalid_argument (there are no such rows), corrupt, io.
  explicit IndexSource(Index index, const Bitmap* filter = nullptr, const Progress& progress = {});

  const Index& index() const noexcept { return index_; }
  /// Number of vectors.
  std::uint64_t size() const noexcept;
  /// The vectors, from the front. Its name is the path of the index. Sparse vectors are read once now, for their number
  /// of entries and their dimension.
  std::unique_ptr<VectorStream> vectors() const;
  /// `given`, with the external ids of the index if it has none, and, `with_fields`, with the fields of the index if it
  /// has none.
  Payload payload(Payload given = {}, bool with_fields = true) const;
  /// The documents, from the front; null: there are none.
  std::unique_ptr<DocumentStream> documents() const;
  /// Gives the parameters that an index knows unless the caller gives them: the metric.
  template <class Params>
  static void complete(const Index& index, Given<Params>& given) {
    if (!given.given("metric")) given.give("metric", std::string(name_of(index.manifest().schema.metric)));
  }

 private:
  Index index_;
  std::shared_ptr<const std::vector<Id>> rows_;  // null: all
};

}  // namespace cassata
