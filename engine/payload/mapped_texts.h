// Texts in two sections of a file: where each begins, and their bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cassata/payload.h"
#include "format/file/file_writer.h"
#include "format/file/mapped_file.h"

namespace cassata {

inline constexpr std::string_view kTextSuffix = ".text";

/// A reader of sections `<prefix>.offsets`, u64 x (texts + 1), and `<prefix>.text`. Damaged sections lead no reader out
/// of them: errors name the place.
class MappedTexts {
 public:
  MappedTexts() = default;
  /// Throws Error(corrupt) if the sections are missing, or do not hold at least 0 texts.
  MappedTexts(const MappedFile& file, const std::string& prefix);
  /// The same, for exactly `count` texts.
  MappedTexts(const MappedFile& file, const std::string& prefix, std::uint64_t count);

  std::uint64_t size() const noexcept { return offsets_.size() == 0 ? 0 : offsets_.size() - 1; }
  /// Text `i`, which is below size(). Throws Error(corrupt).
  std::string_view operator[](std::uint64_t i) const;
  /// Checks that the texts lie one after another and are UTF-8; if they are `ascending`, bytewise, also that.
  void verify(const Reading& reading, bool ascending) const;
  /// Starts to read all of them into memory.
  void expect_all() const noexcept;

 private:
  std::uint64_t offset(std::uint64_t i) const;

  Section places_, text_;
  std::span<const std::uint64_t> offsets_;
};

/// Writes the sections.
void write_texts(const Texts& texts, const std::string& prefix, FileWriter& writer);

}  // namespace cassata
