// A file's bytes in memory: mapped read-only and shared, so that every process that maps the file uses one physical
// copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace cassata {

/// What the kernel is told about the coming accesses to a part of a mapping (madvise(2)).
enum class Advice { normal, sequential, random, huge_pages, will_need, dont_need, page_out };

/// What the calling thread has had read from disk so far, in blocks of 512 bytes. A system that does not tell counts
/// every call.
std::uint64_t blocks_read() noexcept;

/// A file, whatever its name: no other has the same while this one is open or mapped.
struct FileId {
  std::uint64_t device = 0, number = 0;
  bool operator==(const FileId&) const = default;
  /// Of what stands at `path` now. Throws Error(io).
  static FileId of(const std::filesystem::path& path);
};

class Mapping {
 public:
  /// What happens if a page of the file cannot be read any more: the process ends by SIGBUS, or the page holds zeros
  /// and lost() is true.
  enum class Lost { ends_process, is_noted };

  /// Maps nothing.
  Mapping();
  /// Maps all of the regular file at `path`, which has at least one byte; `name` stands for it in messages. `writable`:
  /// to be written, too. The file stays open while it is mapped. Who has lost pages noted must look at lost() after
  /// reading, before using what was read. Throws Error(io).
  Mapping(const std::filesystem::path& path, const std::string& name, bool writable = false,
          Lost lost = Lost::ends_process);
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  FileId id() const noexcept { return id_; }
  /// The offset of the first page that could not be read since the file was mapped; none: all could.
  std::optional<std::uint64_t> lost() const noexcept;
  /// The length of the file as it is now. Throws Error(io).
  std::uint64_t file_bytes() const;
  /// When the file was last written, in nanoseconds (mtime). Throws Error(io).
  std::int64_t modified() const;
  /// Reads out.size() bytes of the file from `offset` on, and not through the mapping, so that a page that cannot be
  /// read is an error. Throws Error(io), also where the file ends before.
  void read(std::span<std::byte> out, std::uint64_t offset) const;
  /// read() reads what it is asked for, and nothing around it. A hint.
  void expect_random_reads() const noexcept;
  /// Starts to read so many bytes from `offset` on. A hint.
  void read_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept;
  /// The user whose file it is.
  std::uint32_t owner() const noexcept { return owner_; }
  /// The same, of a mapping that was made writable: what is written there is in the file.
  std::span<std::byte> writable_bytes() noexcept { return {const_cast<std::byte*>(bytes_.data()), bytes_.size()}; }

  /// `part` lies in bytes(). A hint: what the kernel refuses is ignored. `will_need` starts to read all of it,
  /// `dont_need` takes it out of this process's memory, and `page_out` out of all memory what this process alone has
  /// mapped of a file of this user's; what it holds stays in the file.
  static void advise(std::span<const std::byte> part, Advice advice) noexcept;
  /// Reads `part` into memory, as it is advised, and makes it this process's to touch without a fault. Throws
  /// Error(io).
  static void populate(std::span<const std::byte> part, const std::string& name);
  /// Keeps `part` in memory until it is unmapped. Returns what the system refuses it with (errno), or 0.
  static int lock(std::span<const std::byte> part) noexcept;
  /// Ends that.
  static void unlock(std::span<const std::byte> part) noexcept;
  /// Bytes of `part` that are in memory, whoever had them read. A user who neither owns the file nor may write it is
  /// told of all.
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
