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
enum class Advice { normal, random, huge_pages, will_need };

/// What the calling thread has had read from disk so far, in blocks of 512 bytes. A system that does not tell counts every call.
std::uint64_t blocks_read() noexcept;

class Mapping {
 public:
  /// Maps nothing.
  Mapping();
  /// Maps all of the regular file at `path`, which has at least one byte; `name` stands for it in messages. Throws Error(io).
  Mapping(const std::filesystem::path& path, const std::string& name);
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// `part` lies in bytes(). A hint: what the kernel refuses is ignored.
  static void advise(std::span<const std::byte> part, Advice advice) noexcept;

 private:
  struct Region;
  std::unique_ptr<Region> region_;
  std::span<const std::byte> bytes_;
};

}  // namespace cassata
