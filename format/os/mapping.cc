#include "format/os/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <cstdint>
#include <string>

#include "cassata/error.h"
#include "format/os/sigbus.h"

namespace cassata {
namespace bip = boost::interprocess;
namespace {

constexpr std::size_t kReadAtOnce =
    std::size_t{128} << 10;  // the kernel reads no more of a range than its read-ahead, of which this is usual

int kernel_advice(Advice advice) {
  switch (advice) {
    case Advice::normal: return MADV_NORMAL;
    case Advice::sequential: return MADV_SEQUENTIAL;
    case Advice::random: return MADV_RANDOM;
    case Advice::will_need: return MADV_WILLNEED;
    case Advice::dont_need: return MADV_DONTNEED;
    case Advice::page_out:
#ifdef MADV_PAGEOUT
      return MADV_PAGEOUT;
#else
      return MADV_NORMAL;
#endif
    case Advice::huge_pages:
#ifdef MADV_HUGEPAGE
      return MADV_HUGEPAGE;
#else
      return MADV_NORMAL;
#endif
  }
  return MADV_NORMAL;
}

FileId id_of(const struct stat& status) {
  return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
}

std::size_t page_bytes() { return bip::mapped_region::get_page_size(); }

/// The pages that `part` touches; it is not empty.
std::span<std::byte> pages_of(std::span<const std::byte> part) {
  const auto page = static_cast<std::uintptr_t>(page_bytes());
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(part.data()) + part.size() + page - 1) / page * page;
  return {reinterpret_cast<std::byte*>(begin), end - begin};
}

}  // namespace

FileId FileId::of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) io_error("cannot open " + path.string());
  return id_of(status);
}

std::uint64_t blocks_read() noexcept {
#ifdef RUSAGE_THREAD
  rusage usage;
  if (::getrusage(RUSAGE_THREAD, &usage) == 0) return static_cast<std::uint64_t>(usage.ru_inblock);
#endif
  static std::atomic<std::uint64_t> calls = 0;
  return ++calls;
}

struct Mapping::Region {
  bip::file_mapping file;  // stays open, to be read by read()
  bip::mapped_region region;
  std::optional<SigbusGuard> guard;  // goes before the region does
  int descriptor() const noexcept { return file.get_mapping_handle().handle; }
};

Mapping::Mapping() = default;
Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&&) noexcept = default;
Mapping::~Mapping() = default;

Mapping::Mapping(const std::filesystem::path& path, const std::string& name, bool writable, Lost lost)
    : region_(std::make_unique<Region>()), name_(name) {
  const bip::mode_t mode = writable ? bip::read_write : bip::read_only;
  try {
    region_->file = bip::file_mapping(path.c_str(), mode);
    ::fcntl(region_->descriptor(), F_SETFD, FD_CLOEXEC);
    struct stat status {};
    if (::fstat(region_->descriptor(), &status) != 0) io_error("cannot look at " + name);
    id_ = id_of(status);
    owner_ = status.st_uid;
    region_->region = bip::mapped_region(region_->file, mode);
  } catch (const bip::interprocess_exception& e) {
    io_error("cannot map " + name, e.get_native_error());
  }
  bytes_ = {static_cast<const std::byte*>(region_->region.get_address()), region_->region.get_size()};
  if (lost == Lost::is_noted) region_->guard.emplace(bytes_, writable);
}

std::optional<std::uint64_t> Mapping::lost() const noexcept {
  if (!region_ || !region_->guard || !region_->guard->tripped()) return std::nullopt;
  return region_->guard->first_lost();
}

std::uint64_t Mapping::file_bytes() const {
  struct stat status {};
  if (::fstat(region_->descriptor(), &status) != 0) io_error("cannot look at " + name_);
  return static_cast<std::uint64_t>(status.st_size);
}

std::int64_t Mapping::modified() const {
  struct stat status {};
  if (::fstat(region_->descriptor(), &status) != 0) io_error("cannot look at " + name_);
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

void Mapping::read(std::span<std::byte> out, std::uint64_t offset) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(region_->descriptor(), out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_error("cannot read " + name_ + " at byte " + std::to_string(offset));
    if (n == 0)
      throw Error(Errc::io, name_ + ": truncated while it was in use: it has " + std::to_string(file_bytes()) +
                                " bytes, expected " + std::to_string(bytes_.size()));
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void Mapping::expect_random_reads() const noexcept { ::posix_fadvise(region_->descriptor(), 0, 0, POSIX_FADV_RANDOM); }

void Mapping::read_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  ::posix_fadvise(region_->descriptor(), static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
}

void Mapping::advise(std::span<const std::byte> part, Advice advice) noexcept {
  if (part.empty()) return;
  const auto pages = pages_of(part);
  const std::size_t piece = advice == Advice::will_need ? kReadAtOnce : pages.size();
  for (std::size_t at = 0; at < pages.size(); at += piece)
    ::madvise(pages.data() + at, std::min(piece, pages.size() - at), kernel_advice(advice));
}

void Mapping::populate(std::span<const std::byte> part, const std::string& name) {
  if (part.empty()) return;
  const auto pages = pages_of(part);
#ifdef MADV_POPULATE_READ
  if (::madvise(pages.data(), pages.size(), MADV_POPULATE_READ) == 0) return;
  if (errno == EFAULT || errno == EHWPOISON) io_error("cannot read " + name, EIO);
#endif
  advise(part, Advice::will_need);  // a kernel before 5.14
  for (std::size_t at = 0; at < pages.size(); at += page_bytes())
    static_cast<void>(*static_cast<const volatile std::byte*>(&pages[at]));
}

int Mapping::lock(std::span<const std::byte> part) noexcept {
  if (part.empty()) return 0;
  const auto pages = pages_of(part);
  return ::mlock(pages.data(), pages.size()) == 0 ? 0 : errno;
}

void Mapping::unlock(std::span<const std::byte> part) noexcept {
  if (part.empty()) return;
  const auto pages = pages_of(part);
  ::munlock(pages.data(), pages.size());
}

std::uint64_t Mapping::resident(std::span<const std::byte> part) noexcept {
  if (part.empty()) return 0;
  const auto pages = pages_of(part);
  std::array<unsigned char, 4096> present;
  std::uint64_t bytes = 0;
  for (std::size_t at = 0; at < pages.size(); at += present.size() * page_bytes()) {
    const auto piece = pages.subspan(at, std::min(present.size() * page_bytes(), pages.size() - at));
    if (::mincore(piece.data(), piece.size(), present.data()) != 0) continue;
    for (std::size_t i = 0; i < piece.size() / page_bytes(); ++i) {
      if ((present[i] & 1) == 0) continue;
      const std::byte* const begin = std::max<const std::byte*>(&piece[i * page_bytes()], part.data());
      bytes += static_cast<std::uint64_t>(
          std::min<const std::byte*>(piece.data() + (i + 1) * page_bytes(), part.data() + part.size()) - begin);
    }
  }
  return bytes;
}

}  // namespace cassata
