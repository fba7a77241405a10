// Stored documents: a text, or bytes, for each row of an index.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/types.h"

namespace cassata {

/// A source of documents, one for each vector, in the order of the vectors. Read front to back, once. One thread at a
/// time.
class DocumentStream {
 public:
  virtual ~DocumentStream() = default;
  DocumentStream(const DocumentStream&) = delete;
  DocumentStream& operator=(const DocumentStream&) = delete;

  /// Name of the source in messages: for a file, its path as given.
  const std::string& name() const noexcept { return name_; }
  /// True if the documents are texts, which must be UTF-8.
  bool text() const noexcept { return text_; }

  /// The next document, valid until the next call; none at the end.
  virtual std::optional<std::string_view> next() = 0;

 protected:
  DocumentStream(std::string name, bool text) : name_(std::move(name)), text_(text) {}

 private:
  std::string name_;
  bool text_;
};

/// The documents of an index file. Any number of threads.
class Documents {
 public:
  virtual ~Documents() = default;

  /// Text or bytes, and lengths.
  virtual const DocumentsEntry& entry() const noexcept = 0;
  /// The documents of `rows`, in this order. Blocks on disk are requested at once; a block that serves several
  /// consecutive rows is decompressed once. Memory holds the result and a block. Throws Error: invalid_argument (a row
  /// beyond the last), corrupt, io.
  virtual std::vector<std::string> at(std::span<const Id> rows) const = 0;
  std::string at(Id row) const { return std::move(at(std::span(&row, 1)).front()); }
};

}  // namespace cassata
