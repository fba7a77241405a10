// A file mapped into memory, shared: all processes that map the file use one physical copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace cassata {

/// Advice to the kernel about later accesses to a part of a mapping (madvise(2)).
enum class Advice { normal, sequential, random, huge_pages, will_need, dont_need, page_out };

/// Blocks of 512 bytes that the calling thread has read from disk so far. On systems that do not report it, increases
/// with every call.
std::uint64_t blocks_read() noexcept;

/// Identity of a file, independent of its name. No other file has the same while this one is open or mapped.
struct FileId {
  std::uint64_t device = 0, number = 0;
  bool operator==(const FileId&) const = default;
  /// Identity of the file at `path`; follows links. Throws Error(io).
  static FileId of(const std::filesystem::path& path);
};

/// A mapped file. Any number of threads may read.
class Mapping {
 public:
  /// What happens when a page of the file can no longer be read: SIGBUS ends the process, or the page reads as zeros
  /// and lost() returns it.
  enum class Lost { ends_process, is_noted };

  /// Maps nothing.
  Mapping();
  /// Maps the whole regular file at `path`, which must have at least one byte. Messages call it `name`. With
  /// `writable`, the mapping can be written. The file stays open while it is mapped. With Lost::is_noted, the caller
  /// must check lost() after reading and before using what it read. Throws Error(io).
  Mapping(const std::filesystem::path& path, const std::string& name, bool writable = false,
          Lost lost = Lost::ends_process);
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  FileId id() const noexcept { return id_; }
  /// Offset in bytes of the first page that could not be read since the file was mapped; none if all could.
  std::optional<std::uint64_t> lost() const noexcept;
  /// Present length of the file in bytes. Throws Error(io).
  std::uint64_t file_bytes() const;
  /// Modification time of the file, in nanoseconds since 1970. Throws Error(io).
  std::int64_t modified() const;
  /// Reads exactly out.size() bytes from `offset` on with read(2), not through the mapping, so that an unreadable page
  /// is an error instead of a signal. Throws Error(io), also if the file ends before.
  void read(std::span<std::byte> out, std::uint64_t offset) const;
  /// Switches off read-ahead for read(). A hint.
  void expect_random_reads() const noexcept;
  /// Starts to read `bytes` bytes from `offset` on into the page cache. A hint.
  void read_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept;
  /// User id of the file's owner.
  std::uint32_t owner() const noexcept { return owner_; }
  /// The bytes of a writable mapping. Writes go to the file.
  std::span<std::byte> writable_bytes() noexcept { return {const_cast<std::byte*>(bytes_.data()), bytes_.size()}; }

  /// Advises the kernel about `part` of a mapping. A hint: errors are ignored. `will_need` starts to read it;
  /// `dont_need` removes it from the memory of this process; `page_out` removes from the page cache the pages that only
  /// this process maps, if the user owns the file. Written data stays in the file.
  static void advise(std::span<const std::byte> part, Advice advice) noexcept;
  /// Reads `part` into memory, in pages as advised, and maps it, so that later accesses cause no page fault. Messages
  /// call the file `name`. Throws Error(io).
  static void populate(std::span<const std::byte> part, const std::string& name);
  /// Locks `part` in memory until it is unlocked or unmapped. Returns 0, or the errno of the refusal.
  static int lock(std::span<const std::byte> part) noexcept;
  static void unlock(std::span<const std::byte> part) noexcept;
  /// Bytes of `part` that are in the page cache (mincore(2)). The kernel reports all of them to a user who neither owns
  /// the file nor may write to it.
  static std::uint64_t resident(std::span<const std::byte> part) noexcept;

 private:
  struct Region;
  std::unique_ptr<Region> region_;
  std::string name_;
  std::span<const std::byte> bytes_;
  FileId id_;
  std::uint32_t owner_ = 0;
};

}  // namespace cassata
