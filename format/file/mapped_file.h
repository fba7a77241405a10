// An index file, mapped read-only and shared: every process that opens it uses one physical copy.
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
#include "cassata/residency.h"
#include "cassata/types.h"
#include "format/file/layout.h"
#include "format/file/section.h"
#include "format/os/mapping.h"

namespace cassata {

/// An opened index file. Opening checks header, manifest and every section's place, in a time that does not depend on
/// the file's length; nothing else is read. Any number of threads may use it.
///
/// The file can change while it is mapped: truncated, overwritten, on a disk that fails. Whoever reads the mapping
/// calls check_intact() afterwards.
class MappedFile final : public TouchCheck {
 public:
  /// Throws Error: io (cannot be opened), corrupt (damaged, truncated, foreign), incompatible (needs a newer version).
  /// `name` stands for the file in messages; empty: its path. `lost` as of Mapping.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, const std::string& name = {},
                                                Mapping::Lost lost = Mapping::Lost::is_noted);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::string& path() const noexcept { return path_; }
  const Header& header() const noexcept { return header_; }
  const Manifest& manifest() const noexcept { return manifest_; }
  /// How messages about the manifest begin: "<path>: manifest at byte N: ".
  std::string manifest_place() const { return cassata::manifest_place(path_, header_.manifest_offset); }
  /// Every byte of the file. In builds with AddressSanitizer those that belong to no section, header, hash or manifest
  /// may not be read.
  std::span<const std::byte> bytes() const noexcept { return mapping_.bytes(); }
  /// Reads bytes of the file, and not through the mapping. Throws Error(io).
  void read(std::span<std::byte> out, std::uint64_t offset) const { mapping_.read(out, offset); }

  /// The bytes of a section; throws Error(corrupt) if the file has none of that name.
  Section section(std::string_view name) const;

  /// Throws Error if damage was met since the file was opened: io (it was truncated, or a page cannot be read), corrupt
  /// (it was changed in place, or a block differs from its hash). Damage stays: the file must be opened again.
  void check_intact() const;
  /// Calls work(), which reads the mapping, and check_intact(), whose error comes before an error of work().
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
  /// Whether the file is still what was opened, as far as its length, its header on disk and the time it was last
  /// written tell, and no damage was met. Throws Error(io).
  bool unchanged() const;
  /// Whether warm_on() warms and checks the section.
  bool warms(const SectionEntry& section) const noexcept;
  /// From now on section() gives sections, but for those that are warmed, whose touch() compares blocks with their
  /// hashes, each once.
  void check_touched() const noexcept { checks_touched_ = true; }
  void touch(std::span<const std::byte> part) const noexcept override;

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

  /// Reads what `resident` names from disk into memory, front to back, and maps it, so that no query waits for it.
  /// Compares its blocks with their hashes, unless that was done. With `lock` it stays there while the file is open.
  /// Throws Error: io (it cannot be read, or the system does not allow to lock so much; what it would take is told),
  /// corrupt, invalid_argument (nothing is named, or what is to be locked is more than the memory that this process may
  /// use).
  void warm(Resident resident, bool lock = false, const Progress& progress = {}) const;

  /// Whether what every query touches may have to be read from disk: of a graph that was just opened, until warm_on()
  /// has come to the end; always, where it does not fit into memory.
  bool cold() const noexcept { return cold_.load(std::memory_order_relaxed); }
  /// Reads the next 4 MiB of what every query touches, short sections first, and maps it by huge pages. Called once a
  /// query, all of it comes to memory at the pace of the disk, and no query waits for more than its part. Until then
  /// pages are small, so that a query reads what it touches and little around it. Where another thread is at it, or
  /// nothing is left, it does nothing. Blocks are compared with their hashes; after a difference check_intact() throws.
  void warm_on() const noexcept;

  /// What of each section is in memory, by mincore(2). It tells only those who own the file or may write it; the others
  /// get no numbers.
  std::vector<SectionResidency> residency() const;

  /// Which file it is.
  FileId id() const noexcept { return mapping_.id(); }
  /// Bytes of the sections that every query touches.
  std::uint64_t hot_bytes() const noexcept;

  /// Reads every block of the file, not through the mapping, and compares it with its hash. `rules` checks the contents
  /// of the sections on the way, and says by its argument what it is about to read: each block is read from disk once.
  /// `progress` is told of a stage "verify" every 16 MiB that are hashed or checked. Throws Error: corrupt (naming the
  /// section and the byte of the first difference), io (a block cannot be read).
  void verify(const Progress& progress = {}, const std::function<void(const Reading&)>& rules = {}) const;

 private:
  MappedFile() = default;
  void check_places() const;
  void find_cold();
  void advise_sections() const noexcept;
  bool in_pages() const noexcept;
  bool touched_at_random(const SectionEntry& section) const noexcept;
  bool in_huge_pages(const SectionEntry& section) const noexcept;
  std::string where(std::uint64_t begin, std::uint64_t end) const;
  /// Poisons or unpoisons what belongs to no part, for AddressSanitizer.
  void poison(bool on) const noexcept;

  class Verification;
  void check_hash_table() const;
  void check_blocks(std::uint64_t first, std::uint64_t end, std::span<std::byte> buffer) const;
  void check_block_once(std::uint64_t block) const noexcept;
  void warm_piece(std::uint64_t begin, std::uint64_t end, bool to_the_end) const;
  void check_warmed(std::uint64_t begin, std::uint64_t end, bool to_the_end) const noexcept;
  bool same_header() const noexcept;
  Error change() const;
  void note(const Error& damage) const noexcept;

  std::string path_;
  Mapping mapping_;
  std::int64_t modified_ = 0;  // when the file had last been written as it was opened
  Header header_;
  Manifest manifest_;
  bool fits_ = true;  // the hot sections fit into memory
  mutable std::atomic<bool> checks_touched_ = false;

  mutable std::atomic<bool> damaged_ = false;
  mutable std::mutex damage_mutex_;
  mutable std::optional<Error> damage_;  // the first that was met
  mutable std::atomic<bool> table_checked_ = false;
  mutable std::vector<std::atomic<std::uint64_t>> checked_;  // a bit for each block that was compared with its hash

  /// Hot sections that are still to be warmed, the shortest last, which is the next.
  mutable std::vector<std::span<const std::byte>> to_warm_;
  mutable std::mutex warming_;  // guards to_warm_, and what is advised
  mutable std::atomic<bool> cold_ = false;
};

}  // namespace cassata
