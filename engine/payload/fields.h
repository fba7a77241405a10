// Writes fields, and reads their sections; cassata/payload.h has the reader for callers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cassata/payload.h"
#include "engine/payload/mapped_texts.h"
#include "format/file/file_writer.h"
#include "format/file/mapped_file.h"

namespace cassata {

/// Throws Error(invalid_argument) unless each column has `size` values, texts are UTF-8, and names are different, not
/// empty and do not begin with '$', as operators of conditions do.
void check_columns(std::span<const Column> columns, std::uint64_t size);

/// Writes the sections of columns that check_columns() accepts. Returns their entries.
std::vector<FieldEntry> write_columns(std::span<const Column> columns, FileWriter& writer);

/// The sections of one field. Numbers in them may be anything until they are checked.
struct MappedField {
  FieldEntry entry;
  std::uint64_t size;  // rows
  Section values, present, lists;
  MappedTexts dictionary;

  MappedField(const MappedFile& file, const FieldEntry& entry);

  /// The section of values as numbers: those of rows, or codes of tags. Before the first use of all of them.
  template <class T>
  std::span<const T> all() const {
    values.touch(values.bytes);
    return values.as<T>(values.bytes.size() / sizeof(T));
  }
  /// Calls use(codes) with the span of codes, of u8, u16 or u32.
  template <class Use>
  decltype(auto) with_codes(Use use) const {
    if (entry.width == 1) return use(all<std::uint8_t>());
    if (entry.width == 2) return use(all<std::uint16_t>());
    return use(all<std::uint32_t>());
  }
  /// Where the list of each row begins in the codes, and the end of the last one. Tags only.
  std::span<const std::uint64_t> places() const {
    lists.touch(lists.bytes);
    return lists.as<std::uint64_t>(size + 1);
  }
  /// The rows that have a value.
  Bitmap rows_present() const;
  /// The rows that are true. Boolean fields only.
  Bitmap rows_true() const { return bits(values); }
  /// Starts to read all of the field into memory, except for the dictionary.
  void expect_all() const noexcept;
  void verify(const Reading& reading) const;

 private:
  Bitmap bits(const Section& section) const;
};

struct Fields::Sections {
  const MappedFile& file;
  std::vector<FieldEntry> entries;
  std::vector<MappedField> fields;

  explicit Sections(const MappedFile& opened);
};

}  // namespace cassata
