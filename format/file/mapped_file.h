// An opened index file, mapped read-only and shared: all processes that open it use one physical copy.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/types.h"
#include "format/file/layout.h"
#include "format/file/section.h"
#include "format/os/mapping.h"

namespace cassata {

class SectionMemory;

/// An opened index file. Opening reads and checks only header, manifest and the places of sections, in a time that does
/// not depend on the length of the file. Any number of threads.
///
/// The file may change while it is mapped: it may be truncated or overwritten, or its disk may fail. Code that reads
/// the mapping must call check_intact() afterwards.
class MappedFile final : public TouchCheck {
 public:
  /// Messages call the file `name`, or by its path if that is empty. `lost` as for Mapping. Throws Error: io (cannot be
  /// opened), corrupt (damaged, truncated, or not an index file), incompatible (needs a newer version),
  /// invalid_argument (not a regular file).
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, const std::string& name = {},
                                                Mapping::Lost lost = Mapping::Lost::is_noted);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::string& path() const noexcept { return path_; }
  const Header& header() const noexcept { return header_; }
  const Manifest& manifest() const noexcept { return manifest_; }
  /// Beginning of messages about the manifest: "<path>: manifest at byte N: ".
  std::string manifest_place() const { return cassata::manifest_place(path_, header_.manifest_offset); }
  /// All bytes of the file. In builds with AddressSanitizer, padding bytes are poisoned.
  std::span<const std::byte> bytes() const noexcept { return mapping_.bytes(); }
  /// Reads bytes of the file with read(2), not through the mapping. Throws Error(io).
  void read(std::span<std::byte> out, std::uint64_t offset) const { mapping_.read(out, offset); }

  /// The section `name`. Throws Error(corrupt) if the file has no such section.
  Section section(std::string_view name) const;

  /// Throws Error if damage has been detected since the file was opened: io (truncated, or a page cannot be read),
  /// corrupt (changed in place, or a hash block differs from its hash). The error persists: the file must be opened
  /// again.
  void check_intact() const;
  /// Calls work(), which reads the mapping, then check_intact(). An error of check_intact() takes precedence over an
  /// Error of work().
  template <class Work>
  void reading(Work work) const {
    try {
      work();
    } catch (const Error&) {
      check_intact();
      throw;
    }
    check_intact();
  }
  /// True if no damage was detected and length, modification time and header on disk are those of the opened file.
  /// Throws Error(io).
  bool unchanged() const;
  /// Enables verification on first use: Section::touch() of sections that section() returns from now on compares hash
  /// blocks with their hashes. Not for sections that SectionMemory warms and so checks.
  void check_touched() const noexcept { checks_touched_ = true; }
  void touch(std::span<const std::byte> part) const noexcept override;
  /// Compares the blocks that end in [begin, end), which were read into memory, with their hashes; with `to_the_end` of
  /// a section, also the block that extends beyond `end`. Otherwise that block may not be in memory yet.
  void check_warmed(std::uint64_t begin, std::uint64_t end, bool to_the_end) const noexcept;

  /// What of the file is in memory, and how it is read.
  SectionMemory& memory() const noexcept { return *memory_; }

  /// Identity of the file.
  FileId id() const noexcept { return mapping_.id(); }
  /// User id of its owner.
  std::uint32_t owner() const noexcept { return mapping_.owner(); }
  /// Bytes of the hot sections.
  std::uint64_t hot_bytes() const noexcept;

  /// Reads every hash block of the file, not through the mapping, and compares it with its hash. `rules`, if given,
  /// checks the contents of the sections; it must announce what it reads through its argument, so that each block is
  /// read from disk only once. Reports stage "verify" to `progress` every 16 MiB, in bytes. Throws Error: corrupt
  /// (names section and byte of the first difference), io (a block cannot be read).
  void verify(const Progress& progress = {}, const std::function<void(const Reading&)>& rules = {}) const;

 private:
  MappedFile();
  void check_places() const;
  std::string where(std::uint64_t begin, std::uint64_t end) const;
  /// Poisons or unpoisons the padding, for AddressSanitizer.
  void poison(bool on) const noexcept;

  class Verification;
  void check_hash_table() const;
  void check_blocks(std::uint64_t first, std::uint64_t end, std::span<std::byte> buffer) const;
  void check_block_once(std::uint64_t block) const noexcept;
  bool same_header() const noexcept;
  Error change() const;
  void note(const Error& damage) const noexcept;

  std::string path_;
  Mapping mapping_;
  std::int64_t modified_ = 0;  // modification time of the file when it was opened
  Header header_;
  Manifest manifest_;
  std::unique_ptr<SectionMemory> memory_;
  mutable std::atomic<bool> checks_touched_ = false;

  mutable std::atomic<bool> damaged_ = false;
  mutable std::mutex damage_mutex_;
  mutable std::optional<Error> damage_;  // the first damage detected
  mutable std::atomic<bool> table_checked_ = false;
  mutable std::vector<std::atomic<std::uint64_t>> checked_;  // one bit per hash block: set once compared
};

}  // namespace cassata
