// Streams an index file: sections of unknown length one after another, hashed as they go, then block hashes, manifest
// and header.
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

/// Known by the magic of its header.
extern const FileKind kIndexFile;

/// Use: begin, append ..., begin, append ..., finish. A writer that is destroyed before finish() leaves what stood at
/// the path.
class FileWriter {
 public:
  /// With an empty path the file is an unnamed temporary one that lives as long as the mapping that finish() returns.
  /// Throws as PendingFile: what stands at `path` must be an index file, unless `replace` says otherwise.
  explicit FileWriter(const std::filesystem::path& path, const ReplaceParams& replace = {});

  /// The folder that the file comes to stand in; empty for an unnamed one.
  std::filesystem::path folder() const {
    return file_.path().empty() ? std::filesystem::path() : std::filesystem::absolute(file_.path()).parent_path();
  }

  /// Starts a section. `expected_bytes`, if known, lets a hot section of 64 MiB or more start where huge pages can map
  /// it.
  void begin(std::string_view name, Tier tier, std::uint64_t expected_bytes = 0);
  /// Adds bytes to the section begun last.
  void append(std::span<const std::byte> bytes);
  template <class T>
  void append(std::span<const T> values) {
    append(std::as_bytes(values));
  }

  /// Called with the file before it is published, and with its manifest, to which it may add.
  using Check = std::function<void(const std::shared_ptr<const MappedFile>& file, Manifest& manifest)>;

  /// Completes `manifest` with the table of sections and the block hashes, has the file checked, publishes it and opens
  /// it.
  std::shared_ptr<const MappedFile> finish(Manifest manifest, const Check& check = {});

 private:
  void put(std::span<const std::byte> bytes);
  void flush();
  void pad_to(std::uint64_t alignment);
  void end_section();
  /// Writes the manifest at `offset` and the header.
  void write_ends(const Manifest& manifest, std::uint64_t offset);

  PendingFile file_;
  std::vector<std::byte> buffer_;  // bytes not yet written, the last of them at offset_ - 1
  std::uint64_t offset_;           // where the next byte goes
  Xxh3 block_;                     // hash of the block that is being filled
  std::uint64_t block_fill_ = 0;
  std::vector<std::uint64_t> hashes_;
  std::vector<SectionEntry> sections_;
};

/// Publishes a copy of `file` at `path`, once every block has been checked against its hash. Throws Error(corrupt) and
/// leaves what stood at the path if one differs. Throws Error(io) as FileWriter.
void copy_file(const MappedFile& file, const std::filesystem::path& path, const Progress& progress = {},
               const ReplaceParams& replace = {});

}  // namespace cassata
