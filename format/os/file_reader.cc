#include "format/os/file_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace cassata {

FileReader::FileReader(const std::filesystem::path& path)
    : name_(path.string()),
      fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // non-blocking: a FIFO must not hold us up
  if (fd_ < 0) io_error("cannot open " + name_);
  struct stat status {};
  const int error = ::fstat(fd_, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
  if (error != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd_);
    if (error != 0) io_error("cannot open " + name_, error);
    refuse("not a regular file");
  }
  bytes_ = static_cast<std::uint64_t>(status.st_size);
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
}

FileReader::FileReader(FileReader&& other) noexcept
    : name_(std::move(other.name_)), fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}

FileReader::~FileReader() {
  if (fd_ >= 0) ::close(fd_);
}

void FileReader::read(std::span<std::byte> out, std::uint64_t offset) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_error("cannot read " + name_ + " at byte " + std::to_string(offset));
    if (n == 0)
      refuse("ends at byte " + std::to_string(offset) + ", expected " + std::to_string(out.size()) + " bytes more");
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

}  // namespace cassata
