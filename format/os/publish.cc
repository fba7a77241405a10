#include "format/os/publish.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "cassata/error.h"
#include "format/base/text.h"
#include "format/os/memory.h"

namespace cassata {
namespace fs = std::filesystem;
namespace {

/// The file that `path` leads to, through symbolic links, whether or not it exists yet.
fs::path final_target(fs::path path) {
  std::error_code error;  // ignored in the loop's condition: opening the path reports its errors
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

/// Marks a file as unfinished: the sticky bit, which has no meaning for regular files and is not used on them. It
/// distinguishes a leftover from a user's file of the same name. On file systems that do not keep the bit (FAT, most
/// SMB mounts), the file begins with kMark instead.
constexpr mode_t kUnfinished = S_ISVTX;
constexpr mode_t kPermissions = 0777;
constexpr std::string_view kMark =
    "\x89"
    "CASSATA unfinished: left by a writer that was interrupted\r\n\x1a\n";

struct stat status_of(int fd, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) io_error("cannot read the status of " + path.string());
  return status;
}

/// The file's first bytes, at most `max`; none if they cannot be read.
std::optional<std::string> first_bytes(int fd, std::size_t max) noexcept {
  std::string start(max, '\0');
  std::size_t n = 0;
  while (n < max) {
    const ssize_t read = ::pread(fd, start.data() + n, max - n, static_cast<off_t>(n));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return {};
    if (read == 0) break;
    n += static_cast<std::size_t>(read);
  }
  start.resize(n);
  return start;
}

bool is_unfinished(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1 || status.st_uid != ::geteuid())
    return false;
  return (status.st_mode & kUnfinished) != 0 || first_bytes(fd, kMark.size()) == kMark;
}

enum class Lock { taken, held_by_another, unknown };  // unknown: this file system has no locks

/// Locks with flock(2): the lock ends when the descriptor is closed, also by a kill, and excludes writers of the same
/// process as well as of others.
Lock try_lock(int fd, const fs::path& partial) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    switch (errno) {
      case EINTR: break;
      case EWOULDBLOCK: return Lock::held_by_another;
      case ENOLCK:
      case EOPNOTSUPP:
      case ENOSYS:
      case EINVAL: return Lock::unknown;
      default: io_error("cannot lock " + partial.string());
    }
  }
  return Lock::taken;
}

[[noreturn]] void at_work(const fs::path& partial, const std::string& target) {
  throw Error(Errc::io, target + ": another writer is at work on it (" + partial.string() + " is locked)", EWOULDBLOCK);
}

/// Removes an unfinished file at `partial` while holding its lock. Returns without removing if the path has become free
/// or names another file; throws if the file at `partial` must stay.
void remove_leftover(const fs::path& partial, const std::string& target) {
  const int fd = ::open(partial.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return;
  const auto in_the_way = [&] {
    io_error(partial.string() +
                 ": not left by an interrupted writer of this user, expected no such file; rename or remove it",
             EEXIST);
  };
  if (fd < 0) in_the_way();
  const auto close = [](const int* open) { ::close(*open); };
  const std::unique_ptr<const int, decltype(close)> closed(&fd, close);
  const Lock lock = try_lock(fd, partial);
  if (lock == Lock::held_by_another) at_work(partial, target);
  if (!same_file(fd, partial)) return;  // another writer renamed or removed it between open and lock
  const struct stat status = status_of(fd, partial);
  const bool empty = S_ISREG(status.st_mode) && status.st_size == 0 && status.st_uid == ::geteuid();  // nothing to lose
  if (!is_unfinished(fd) && !empty) in_the_way();
  if (lock == Lock::unknown)
    io_error(partial.string() +
                 ": the file system has no locks, so its writer may still be running; remove the file if it is not",
             EEXIST);
  if (::unlink(partial.c_str()) != 0 && errno != ENOENT) io_error("cannot remove " + partial.string());
}

/// Creates `partial`, for its owner alone, and locks it.
int create_locked(const fs::path& partial, const std::string& target) {
  for (;;) {
    const int fd = ::open(partial.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600 | kUnfinished);
    if (fd < 0 && errno != EEXIST) io_error("cannot create " + partial.string());
    if (fd < 0) {
      remove_leftover(partial, target);
      continue;
    }
    Lock lock = Lock::unknown;
    try {
      lock = try_lock(fd, partial);
      constexpr int kTries = 50;  // a process that only looks for leftovers holds the lock for a moment
      for (int i = 0; i < kTries && lock == Lock::held_by_another && same_file(fd, partial); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        lock = try_lock(fd, partial);
      }
    } catch (...) {
      ::unlink(partial.c_str());
      ::close(fd);
      throw;
    }
    if (lock == Lock::unknown || (lock == Lock::taken && same_file(fd, partial))) return fd;
    ::close(fd);  // another writer removed it as a leftover before it was locked; the name is now that writer's
    if (lock == Lock::held_by_another) at_work(partial, target);
  }
}

/// The umask of the process. umask() can only report it by changing it, for all threads.
mode_t process_umask() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Umask:"))
      return static_cast<mode_t>(std::strtoul(line.c_str() + std::strlen("Umask:"), nullptr, 8));
  const mode_t mask = ::umask(077);
  ::umask(mask);
  return mask;
}

std::string octal(mode_t mode) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode));
  return text.data();
}

}  // namespace

void check_replaceable(const fs::path& path, const FileKind& kind, const ReplaceParams& replace) {
  std::error_code absent;
  if (replace.overwrite || !fs::is_regular_file(path, absent)) return;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return;
  const std::optional<std::string> start = fd < 0 ? std::nullopt : first_bytes(fd, FileKind::kStartBytes);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  const std::string expected =
      ", expected no file, an empty one or " + kind.name + "; to replace it anyway: " + std::string(replace.option);
  if (!start) io_error(path.string() + ": exists and cannot be read" + expected, error);
  if (start->empty() || kind.fits(*start)) return;
  throw Error(Errc::io, path.string() + ": exists and begins with " + cassata::quoted(*start, 16) + expected, EEXIST);
}

void check_target(const fs::path& path, const FileKind& kind, const ReplaceParams& replace) {
  const std::string name = path.string();
  if (path.filename().empty()) invalid_argument("path: '" + name + "' given, expected the path of a file");
  if (descriptor_of(path)) invalid_argument(name + ": an open descriptor, expected a regular file or none");
  std::error_code absent;
  const fs::file_status standing = fs::status(path, absent);
  if (fs::is_directory(standing)) io_error("cannot write " + name, EISDIR);
  if (fs::is_other(standing)) invalid_argument(name + ": a device or a pipe, expected a regular file or none");
  check_replaceable(path, kind, replace);
}

std::optional<int> descriptor_of(const fs::path& path) {
  std::error_code error;
  const std::string ours = "/proc/" + std::to_string(::getpid()) + "/";
  fs::path at = path;
  for (int hops = 0; hops < 40; ++hops) {
    const std::string name = at.filename().string();
    const std::string folder = fs::canonical(at.has_parent_path() ? at.parent_path() : ".", error).string();
    if (folder.starts_with(ours) && folder.ends_with("/fd")) {
      int fd = 0;
      const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), fd);
      if (wrong == std::errc() && end == name.data() + name.size()) return fd;
      return {};
    }
    if (!fs::is_symlink(at, error)) return {};
    const fs::path to = fs::read_symlink(at, error);
    if (error) return {};
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return {};
}

PartialState partial_state(const fs::path& partial) noexcept {
  const int fd = ::open(partial.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return PartialState::other;
  const PartialState state = !is_unfinished(fd)                    ? PartialState::other
                             : ::flock(fd, LOCK_EX | LOCK_NB) == 0 ? PartialState::left
                                                                   : PartialState::in_use;
  ::close(fd);
  return state;
}

void remove_partial(const fs::path& partial) {
  if (partial_state(partial) == PartialState::left) remove_leftover(partial, partial.string());
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) io_error("cannot open folder " + folder.string());
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0 && failed != EINVAL)
    io_error("cannot sync folder " + folder.string(), failed);  // EINVAL: the file system does not support it
}

PendingFile::PendingFile(const fs::path& path, FileKind kind, ReplaceParams replace) : PendingFile() {
  name_ = path.string();
  kind_ = std::move(kind);
  replace_ = std::move(replace);
  check_target(path, kind_, replace_);
  path_ = final_target(path);
  fs::path partial = path_;
  partial += kPartialSuffix;
  fd_ = create_locked(partial, name_);
  partial_ = std::move(partial);
  marked_ = (status_of(fd_, partial_).st_mode & kUnfinished) == 0;
  if (marked_) write_all(std::as_bytes(std::span(kMark)), 0);
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

PendingFile::PendingFile(PendingFile&& other) noexcept : PendingFile() { *this = std::move(other); }

PendingFile& PendingFile::operator=(PendingFile&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(path_, other.path_);
  std::swap(partial_, other.partial_);
  std::swap(kind_, other.kind_);
  std::swap(replace_, other.replace_);
  std::swap(start_, other.start_);
  std::swap(marked_, other.marked_);
  std::swap(end_, other.end_);
  std::swap(permissions_, other.permissions_);
  std::swap(fd_, other.fd_);
  return *this;
}

PendingFile::~PendingFile() { close(); }

void PendingFile::close() noexcept {
  if (fd_ < 0) return;
  if (!partial_.empty()) ::unlink(partial_.c_str());  // before the lock is released, so that the name is still ours
  ::close(std::exchange(fd_, -1));
}

void PendingFile::write(std::span<const std::byte> bytes, std::uint64_t offset) {
  end_ = std::max(end_, offset + bytes.size());
  if (marked_ && offset < kMark.size()) {
    const std::size_t n = std::min(bytes.size(), kMark.size() - static_cast<std::size_t>(offset));
    start_.resize(kMark.size());
    std::memcpy(start_.data() + offset, bytes.data(), n);
    bytes = bytes.subspan(n);
    offset += n;
  }
  write_all(bytes, offset);
}

void PendingFile::write_all(std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      io_error("cannot write " + (partial_.empty() ? name_ : partial_.string()) + " at byte " + std::to_string(offset),
               n == 0 ? ENOSPC : 0);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void PendingFile::complete() {
  if (!marked_) return;
  sync();  // may take long; the mark stays until it is done
  start_.resize(std::min<std::uint64_t>(kMark.size(), end_));
  write_all(std::as_bytes(std::span(start_)), 0);
  truncate(end_);
  marked_ = false;
}

std::string PendingFile::pass_rights_on() {
  struct stat former {};
  const bool replaces = ::stat(path_.c_str(), &former) == 0;
  struct stat mine = status_of(fd_, partial_);
  const bool keeps_modes = (mine.st_mode & kUnfinished) != 0;
  permissions_ = replaces ? former.st_mode & kPermissions : 0666 & ~process_umask();
  if (replaces && (mine.st_uid != former.st_uid || mine.st_gid != former.st_gid)) {
    const bool group =
        ::fchown(fd_, former.st_uid, former.st_gid) == 0 || ::fchown(fd_, static_cast<uid_t>(-1), former.st_gid) == 0;
    if (!group)
      permissions_ = (permissions_ & 0707) | (permissions_ & 07)
                                                 << 3;  // the group stays ours and gets the rights of others
  }
  const int failed = ::fchmod(fd_, permissions_ | (keeps_modes ? kUnfinished : 0)) != 0 ? errno : 0;
  mine = status_of(fd_, partial_);
  const mode_t added = mine.st_mode & kPermissions & ~permissions_;
  if ((failed != 0 && keeps_modes) || (replaces && added != 0))
    io_error("cannot give " + partial_.string() + " the permissions " + octal(permissions_),
             failed != 0 ? failed : EPERM);
  if (!replaces || (former.st_mode & S_IROTH) != 0) return {};
  const bool owner = mine.st_uid != former.st_uid && (former.st_mode & S_IRUSR) != 0,
             group = mine.st_gid != former.st_gid && (former.st_mode & S_IRGRP) != 0;
  if (!owner && !group) return {};
  const auto owners = [](const struct stat& of) {
    return "user " + std::to_string(of.st_uid) + ", group " + std::to_string(of.st_gid);
  };
  return name_ + ": belongs to " + owners(mine) + ", with permissions " + octal(permissions_) +
         "; the replaced file belonged to " + owners(former) + ", with permissions " +
         octal(former.st_mode & kPermissions) + ": its readers may lose access";
}

void PendingFile::publish() {
  if (path_.empty()) return;
  complete();
  if (::fsync(fd_) != 0) io_error("cannot sync " + partial_.string());
  check_replaceable(path_, kind_, replace_);  // again, since a program may have created the file meanwhile
  const std::string note = pass_rights_on();
  if (::rename(partial_.c_str(), path_.c_str()) != 0)
    io_error("cannot rename " + partial_.string() + " to " + path_.string());
  partial_.clear();
  try {
    if (::fchmod(fd_, permissions_) != 0 && (status_of(fd_, path_).st_mode & kUnfinished) != 0)
      io_error("cannot clear the sticky bit");
    sync_folder(path_.parent_path().empty() ? fs::path(".") : path_.parent_path());
  } catch (const Error& error) {
    throw Error(error.code(), name_ + ": published, but it may not survive a power loss: " + error.what(),
                error.system_error(), true);
  }
  if (!note.empty() && replace_.note) replace_.note(note);
}

Mapping PendingFile::map() const { return {readable_path(), name_}; }

Mapping PendingFile::map_zeros(std::uint64_t bytes) {
  truncate(0);
  if (const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(bytes)); error != 0)
    io_error("cannot allocate " + bytes_text(bytes) + " for " + name_, error);
  return {readable_path(), name_, true};
}

std::uint64_t PendingFile::length() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) io_error("cannot read the status of " + name_);
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
