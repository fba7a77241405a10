// Writes an index file as a stream: sections of unknown length, hashed on the way, then block hashes, manifest and
// header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/checksum.h"
#include "cassata/manifest.h"
#include "format/file/mapped_file.h"
#include "format/os/publish.h"

namespace cassata {

/// Index files, recognized by the magic number of the header.
extern const FileKind kIndexFile;

/// Use: begin, append ..., begin, append ..., finish. A writer that is destroyed before finish() leaves the file at the
/// path unchanged.
class FileWriter {
 public:
  /// An empty path makes an unnamed temporary file, which lives as long as the mapping that finish() returns. Throws as
  /// PendingFile does: an existing file at `path` must be an index file, unless `replace` allows others.
  explicit FileWriter(const std::filesystem::path& path, const ReplaceParams& replace = {});

  /// Absolute path of the target's folder; empty for an unnamed file.
  std::filesystem::path folder() const {
    return file_.path().empty() ? std::filesystem::path() : std::filesystem::absolute(file_.path()).parent_path();
  }

  /// Starts a section. `expected_bytes`, if known, lets a hot section of 64 MiB or more start where huge pages can map
  /// it.
  void begin(std::string_view name, Tier tier, std::uint64_t expected_bytes = 0);
  /// Appends bytes to the current section.
  void append(std::span<const std::byte> bytes);
  template <class T>
  void append(std::span<const T> values) {
    append(std::as_bytes(values));
  }

  /// Called with the complete file before it is published, and with its manifest, which it may extend.
  using Check = std::function<void(const std::shared_ptr<const MappedFile>& file, Manifest& manifest)>;

  /// Adds the table of sections and the block hashes to `manifest`, writes it, calls `check`, publishes the file and
  /// opens it. Throws Error(io), also published(), and the exceptions of `check`.
  std::shared_ptr<const MappedFile> finish(Manifest manifest, const Check& check = {});

 private:
  void put(std::span<const std::byte> bytes);
  void flush();
  void pad_to(std::uint64_t alignment);
  void end_section();
  /// Writes the manifest at `offset` and the header.
  void write_ends(const Manifest& manifest, std::uint64_t offset);

  PendingFile file_;
  std::vector<std::byte> buffer_;  // bytes not yet written, which end at offset_
  std::uint64_t offset_;           // file offset of the next byte
  Xxh3 block_;                     // hash of the present hash block
  std::uint64_t block_fill_ = 0;
  std::vector<std::uint64_t> hashes_;
  std::vector<SectionEntry> sections_;
};

/// Verifies `file` and publishes a copy of it at `path`. Throws Error: corrupt, if a hash block differs from its hash;
/// io. After an error the file at `path` is unchanged, unless the error is published().
void copy_file(const MappedFile& file, const std::filesystem::path& path, const Progress& progress = {},
               const ReplaceParams& replace = {});

}  // namespace cassata
