// A file's bytes in memory: mapped read-only and shared, so that every process that maps the file uses one physical copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace cassata {

/// What the kernel is told about the coming accesses to a part of a mapping (madvise(2)).
enum class Advice { normal, sequential, random, huge_pages, will_need, dont_need, page_out };

/// What the calling thread has had read from disk so far, in blocks of 512 bytes. A system that does not tell counts every call.
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
  /// Maps nothing.
  Mapping();
  /// Maps all of the regular file at `path`, which has at least one byte; `name` stands for it in messages. `writable`: to be written, too.
  /// Throws Error(io).
  Mapping(const std::filesystem::path& path, const std::string& name, bool writable = false);
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  FileId id() const noexcept { return id_; }
  /// The user whose file it is.
  std::uint32_t owner() const noexcept { return owner_; }
  /// The same, of a mapping that was made writable: what is written there is in the file.
  std::span<std::byte> writable_bytes() noexcept { return {const_cast<std::byte*>(bytes_.data()), bytes_.size()}; }

  /// `part` lies in bytes(). A hint: what the kernel refuses is ignored. `will_need` starts to read all of it, `dont_need` takes it out of this
  /// process's memory, and `page_out` out of all memory what this process alone has mapped of a file of this user's; what it holds stays in the file.
  static void advise(std::span<const std::byte> part, Advice advice) noexcept;
  /// Reads `part` into memory, as it is advised, and makes it this process's to touch without a fault. Throws Error(io).
  static void populate(std::span<const std::byte> part, const std::string& name);
  /// Keeps `part` in memory until it is unmapped. Returns what the system refuses it with (errno), or 0.
  static int lock(std::span<const std::byte> part) noexcept;
  /// Ends that.
  static void unlock(std::span<const std::byte> part) noexcept;
  /// Bytes of `part` that are in memory, whoever had them read. A user who neither owns the file nor may write it is told of all.
  static std::uint64_t resident(std::span<const std::byte> part) noexcept;

 private:
  struct Region;
  std::unique_ptr<Region> region_;
  std::span<const std::byte> bytes_;
  FileId id_;
  std::uint32_t owner_ = 0;
};

}  // namespace cassata
