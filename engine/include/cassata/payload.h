// What callers know the vectors by and store with them: external ids and fields. As builds take them, and as files hold
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cassata/bitmap.h"
#include "cassata/manifest.h"
#include "cassata/types.h"

namespace cassata {

class MappedFile;
class Reading;

/// Texts, one after another.
class Texts {
 public:
  void append(std::string_view text) {
    bytes_ += text;
    offsets_.push_back(bytes_.size());
  }
  std::size_t size() const noexcept { return offsets_.size() - 1; }
  std::string_view operator[](std::size_t i) const noexcept {
    return std::string_view(bytes_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  /// size() + 1 positions in bytes(): text i begins at the i-th and ends at the next.
  std::span<const std::uint64_t> offsets() const noexcept { return offsets_; }
  std::string_view bytes() const noexcept { return bytes_; }
  bool operator==(const Texts&) const = default;

 private:
  std::vector<std::uint64_t> offsets_ = {0};
  std::string bytes_;
};

/// Lists of texts, one after another.
class TextLists {
 public:
  /// Ends a list: all texts appended since the last one.
  void end_list() { ends_.push_back(texts.size()); }
  std::size_t size() const noexcept { return ends_.size() - 1; }
  std::size_t begin(std::size_t list) const noexcept { return ends_[list]; }
  std::size_t end(std::size_t list) const noexcept { return ends_[list + 1]; }
  bool operator==(const TextLists&) const = default;

  Texts texts;

 private:
  std::vector<std::uint64_t> ends_ = {0};
};

/// Numbers of units since 1970-01-01T00:00:00 UTC.
struct Timestamps {
  TimeUnit unit = TimeUnit::seconds;
  std::vector<std::int64_t> values;
  bool operator==(const Timestamps&) const = default;
};

/// The values of a field, one for each vector, in the order of row numbers.
struct Column {
  std::string name;
  /// The alternatives are in the order of FieldType. Tags are sets: a build sorts each list and drops what is equal.
  std::variant<std::vector<std::int64_t>, std::vector<double>, Bitmap, Timestamps, Texts, TextLists> values;
  /// The rows that have a value; of size 0: all. Values of other rows are ignored; those read from a file are 0 or
  /// empty.
  Bitmap present = {};

  FieldType type() const noexcept { return static_cast<FieldType>(values.index()); }
  std::size_t size() const noexcept;
  bool has(std::size_t row) const noexcept { return present.size() == 0 || present.test(row); }
};

/// What a build stores with the vectors.
struct Payload {
  /// The external ids, all different; in the order of IdType. No alternative: none, callers know vectors by row
  /// numbers.
  using Ids = std::variant<std::vector<std::int64_t>, Texts>;
  std::optional<Ids> ids;
  std::vector<Column> fields;
};

/// An external id: an integer or a text, by the type of the ids.
using ExternalId = std::variant<std::int64_t, std::string_view>;

/// The external ids in a file. Any number of threads.
class ExternalIds {
 public:
  /// Of a file that has them. Throws Error(corrupt) if the sections do not have the right lengths. Borrows `file`.
  explicit ExternalIds(const MappedFile& file);
  ~ExternalIds();
  ExternalIds(const ExternalIds&) = delete;
  ExternalIds& operator=(const ExternalIds&) = delete;

  IdType type() const noexcept;
  std::uint64_t size() const noexcept;
  /// The id of `row`, which is below size(). Texts lie in the file. Throws Error(corrupt).
  ExternalId at(Id row) const;
  /// The row with this id; none if there is no such id, or if ids have the other type. Throws Error(corrupt).
  std::optional<Id> row_of(const ExternalId& id) const;
  /// Checks every rule of the sections. Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const;

 private:
  struct Sections;
  std::unique_ptr<const Sections> sections_;
};

/// The fields in a file. Any number of threads.
class Fields {
 public:
  static constexpr std::size_t kMost = 1000;

  /// Throws Error(corrupt) if the sections do not have the right lengths. Borrows `file`.
  explicit Fields(const MappedFile& file);
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  /// The fields in the order in which they were given.
  std::span<const FieldEntry> entries() const noexcept;
  /// Number of different texts in field `i`.
  std::uint64_t dictionary_size(std::size_t i) const noexcept;
  /// The values of field `i`. Throws Error(corrupt).
  Column column(std::size_t i) const;
  /// Checks every rule of the sections. Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const;

 private:
  friend class Condition;
  struct Sections;
  std::unique_ptr<const Sections> sections_;
};

/// "int64", "text"
std::string_view name_of(IdType type);
/// "int64", "float64", "bool", "timestamp", "text", "tags"
std::string_view name_of(FieldType type);
/// "s", "ms", "us", "ns"
std::string_view name_of(TimeUnit unit);

}  // namespace cassata
