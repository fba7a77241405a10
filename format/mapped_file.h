// An index file, mapped read-only and shared: every process that opens it uses one physical copy.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "format/layout.h"
#include "format/manifest.h"
#include "format/mapping.h"
#include "format/section.h"

namespace cassata {

/// An opened index file. Opening checks header, manifest and every section's place, in a time that does not depend on the file's
/// length; nothing else is read. Immutable, so any number of threads may use it.
class MappedFile {
 public:
  /// Throws Error: io (cannot be opened), corrupt (damaged, truncated, foreign), incompatible (needs a newer version).
  /// `name` stands for the file in messages; empty: its path.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, const std::string& name = {});
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  const Header& header() const noexcept { return header_; }
  const Manifest& manifest() const noexcept { return manifest_; }
  /// How messages about the manifest begin: "<path>: manifest at byte N: ".
  std::string manifest_place() const { return cassata::manifest_place(path_, header_.manifest_offset); }
  /// Every byte of the file.
  std::span<const std::byte> bytes() const noexcept { return mapping_.bytes(); }

  /// The bytes of a section; throws Error(corrupt) if the file has none of that name.
  Section section(std::string_view name) const;

  /// While it lives, the file is read from front to back by this process, and not as searches do.
  class FrontToBack {
   public:
    explicit FrontToBack(const MappedFile& file) : file_(file) { Mapping::advise(file.bytes(), Advice::normal); }
    FrontToBack(const FrontToBack&) = delete;
    FrontToBack& operator=(const FrontToBack&) = delete;
    ~FrontToBack() { file_.advise_sections(); }

   private:
    const MappedFile& file_;
  };

  /// Compares every block of the file with its hash. Throws Error(corrupt) naming the section and the byte of the first difference.
  void verify(const Progress& progress = {}) const;

 private:
  MappedFile() = default;
  void check_places() const;
  void advise_sections() const noexcept;
  std::string where(std::uint64_t begin, std::uint64_t end) const;

  std::string path_;
  Mapping mapping_;
  Header header_;
  Manifest manifest_;
};

}  // namespace cassata
