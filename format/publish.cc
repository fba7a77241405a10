#include "format/publish.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "format/error.h"
#include "format/memory.h"

namespace cassata {
namespace fs = std::filesystem;
namespace {

/// The file that `path` leads to, through symbolic links, whether or not it exists yet.
fs::path final_target(fs::path path) {
  std::error_code error;  // of no interest in the loop's condition: what is wrong with the path shows when it is opened
  for (int hops = 0; fs::is_symlink(path, error); ++hops) {
    if (hops == 40) io_error("cannot write " + path.string(), ELOOP);
    const fs::path to = fs::read_symlink(path, error);
    if (error) io_error("cannot read the link " + path.string(), error.value());
    path = to.is_absolute() ? to : path.parent_path() / to;
  }
  return path;
}

bool same_file(int fd, const fs::path& path) {
  struct stat a {
  }, b{};
  return ::fstat(fd, &a) == 0 && ::stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// What marks a file as unfinished: the sticky bit, which means nothing for a regular file and which nobody else's has. So a leftover is told
/// from a file of the user's that happens to have its name.
constexpr mode_t kUnfinished = S_ISVTX;
constexpr mode_t kPermissions = 0777;

bool is_unfinished(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 && (status.st_mode & kUnfinished) != 0;
}

/// Opens and locks `partial`. The lock is the file's own (flock: it ends with our descriptor, also by a kill, and holds within a process
/// as well as between processes). A former writer may rename or remove the file between our open and our lock: then we try again.
int open_locked(const fs::path& partial, const std::string& target) {
  for (;;) {
    const int fd = ::open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666 | kUnfinished);
    if (fd < 0) io_error("cannot create " + partial.string());
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(fd);
      if (error == EINTR) continue;
      if (error == EWOULDBLOCK) throw Error(Errc::io, target + ": another writer is at work on it (" + partial.string() + " is locked)", error);
      io_error("cannot lock " + partial.string(), error);
    }
    if (same_file(fd, partial)) {
      if (is_unfinished(fd)) return fd;
      ::close(fd);
      io_error(partial.string() + " is in the way, and not what an interrupted writer left; rename or remove it", EEXIST);
    }
    ::close(fd);
  }
}

}  // namespace

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) io_error("cannot open folder " + folder.string());
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0 && failed != EINVAL) io_error("cannot sync folder " + folder.string(), failed);  // EINVAL: this file system has no such notion
}

PendingFile::PendingFile(const fs::path& path) : name_(path.string()) {
  if (path.filename().empty()) invalid_argument("path: '" + name_ + "' names no file");
  path_ = final_target(path);
  std::error_code absent;
  const fs::file_status standing = fs::status(path_, absent);
  if (fs::is_directory(standing)) io_error("cannot write " + name_, EISDIR);
  if (fs::is_other(standing)) invalid_argument(name_ + ": a device or a pipe, expected a regular file or none");
  fs::path partial = path_;
  partial += ".partial";
  fd_ = open_locked(partial, name_);
  partial_ = std::move(partial);
  if (fs::exists(standing)) {  // the new file gets its permissions, and nobody else may read it before
    permissions_ = static_cast<unsigned>(standing.permissions()) & kPermissions;
    ::fchmod(fd_, permissions_ | kUnfinished | S_IWUSR);
  }
  if (::ftruncate(fd_, 0) != 0) {
    const int error = errno;
    close();
    io_error("cannot truncate " + partial_.string(), error);
  }
}

PendingFile PendingFile::unnamed(const fs::path& folder) {
  PendingFile file;
  std::error_code error;
  const fs::path in = folder.empty() ? fs::temp_directory_path(error) : folder;
  if (error) io_error("cannot find the folder for temporary files (TMPDIR)", error.value());
  file.name_ = "temporary file in " + in.string();
#ifdef O_TMPFILE
  file.fd_ = ::open(in.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
  if (file.fd_ < 0) {  // a file system without O_TMPFILE
    std::string name = (in / "cassata-XXXXXX").string();
    file.fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (file.fd_ < 0) io_error("cannot create a " + file.name_);
    ::unlink(name.c_str());
  }
  return file;
}

PendingFile PendingFile::kept(const fs::path& path) {
  PendingFile file;
  file.name_ = path.string();
  file.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file.fd_ < 0) io_error("cannot create " + file.name_);
  return file;
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : name_(std::move(other.name_)),
      path_(std::move(other.path_)),
      partial_(std::exchange(other.partial_, {})),
      permissions_(other.permissions_),
      fd_(std::exchange(other.fd_, -1)) {}

PendingFile& PendingFile::operator=(PendingFile&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(path_, other.path_);
  std::swap(partial_, other.partial_);
  std::swap(permissions_, other.permissions_);
  std::swap(fd_, other.fd_);
  return *this;
}

PendingFile::~PendingFile() { close(); }

void PendingFile::close() noexcept {
  if (fd_ < 0) return;
  if (!partial_.empty()) ::unlink(partial_.c_str());  // while the lock is held, so that it is ours
  ::close(std::exchange(fd_, -1));
}

void PendingFile::write(std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      io_error("cannot write " + (partial_.empty() ? name_ : partial_.string()) + " at byte " + std::to_string(offset), n == 0 ? ENOSPC : 0);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void PendingFile::publish() {
  if (path_.empty()) return;
  if (::fsync(fd_) != 0) io_error("cannot sync " + partial_.string());
  if (::rename(partial_.c_str(), path_.c_str()) != 0) io_error("cannot rename " + partial_.string() + " to " + path_.string());
  partial_.clear();
  struct stat status {};
  if (permissions_ == 0 && ::fstat(fd_, &status) == 0) permissions_ = status.st_mode & kPermissions;
  ::fchmod(fd_, permissions_);
  sync_folder(path_.parent_path().empty() ? fs::path(".") : path_.parent_path());
}

Mapping PendingFile::map() const { return {readable_path(), name_}; }

Mapping PendingFile::map_zeros(std::uint64_t bytes) {
  truncate(0);
  if (const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(bytes)); error != 0)
    io_error("cannot take " + bytes_text(bytes) + " for " + name_, error);
  return {readable_path(), name_, true};
}

std::uint64_t PendingFile::length() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) io_error("cannot look at " + name_);
  return static_cast<std::uint64_t>(status.st_size);
}

void PendingFile::sync() const {
  if (::fsync(fd_) != 0) io_error("cannot sync " + name_);
}

void PendingFile::truncate(std::uint64_t bytes) {
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) io_error("cannot truncate " + name_);
}

fs::path PendingFile::readable_path() const { return "/dev/fd/" + std::to_string(fd_); }

}  // namespace cassata
