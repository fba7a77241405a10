// Publishes files: a file appears under its name complete or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cassata/replace.h"
#include "format/os/mapping.h"

namespace cassata {

/// A kind of file, recognized by its first bytes. A writer replaces only files of the kind that it writes.
struct FileKind {
  static constexpr std::size_t kStartBytes = 4096;  ///< length of `start`, at most

  std::string name;                                  ///< for messages: "a Cassata index file"
  std::function<bool(std::string_view start)> fits;  ///< true if a file that begins with `start` is of this kind
};

/// Throws Error(io, EEXIST) if the file at `path` is neither empty nor of this kind, and Error(io) if it cannot be
/// read. Follows links. Does nothing if there is no file or with replace.overwrite.
void check_replaceable(const std::filesystem::path& path, const FileKind& kind, const ReplaceParams& replace);

/// Throws the errors of PendingFile for `path` that can be detected without writing. For a check before a long
/// computation.
void check_target(const std::filesystem::path& path, const FileKind& kind, const ReplaceParams& replace);

/// The file descriptor that `path` names, also through symbolic links: 1 for /dev/stdout, 3 for /dev/fd/3 and
/// /proc/self/fd/3; none if it names a file.
std::optional<int> descriptor_of(const std::filesystem::path& path);

/// Writes the entries of a folder to disk (fsync). Throws Error(io).
void sync_folder(const std::filesystem::path& folder);

inline constexpr std::string_view kPartialSuffix = ".partial";
/// State of a pending file's path. in_use: an unfinished file of this user that a writer holds, or may hold if the file
/// system has no locks. left: an unfinished file of this user that a killed writer left. other: anything else, or
/// nothing.
enum class PartialState { in_use, left, other };
PartialState partial_state(const std::filesystem::path& partial) noexcept;
/// Removes an unfinished file that a killed writer left; does nothing in the other states. Throws Error(io).
void remove_partial(const std::filesystem::path& partial);

/// A file that is being written. A file with a path is written as `<path>.partial`, locked against other writers, until
/// publish() renames it; other files are unnamed temporary files. The destructor removes an unpublished file. A killed
/// process leaves its `.partial`, which the next writer removes; a `.partial` that no writer of this user left is an
/// error. Only the owner can open the file until publish() gives it owner, group and permissions of the file that it
/// replaces, or those of a new file.
class PendingFile {
 public:
  /// Follows a symbolic link at `path`. Throws Error: io, also if another writer has the lock, and as
  /// check_replaceable(); invalid_argument if `path` names a device, a pipe or a descriptor.
  PendingFile(const std::filesystem::path& path, FileKind kind, ReplaceParams replace = {});
  /// An unnamed file in `folder`; if that is empty, in the system's folder for temporary files. The system frees it
  /// after the last user closes it. Throws Error(io).
  static PendingFile unnamed(const std::filesystem::path& folder = {});
  /// A private file at `path`, which is not removed: opened with its contents, or created empty. Throws Error(io).
  static PendingFile kept(const std::filesystem::path& path);
  PendingFile(PendingFile&&) noexcept;
  PendingFile& operator=(PendingFile&&) noexcept;
  ~PendingFile();

  /// Writes all of `bytes` at `offset`. Throws Error(io) naming the file, e.g. when the disk is full.
  void write(std::span<const std::byte> bytes, std::uint64_t offset);
  /// Makes readable_path() show all that was written. Call it before reading a named file there; publish() calls it,
  /// too.
  void complete();
  /// fsync, rename to the path, fsync of the folder. Does nothing for an unnamed file. Throws Error(io); if its
  /// published() is true, the file has its name, but may not survive a power failure.
  void publish();
  /// Maps the bytes written so far, at least one. The mapping may outlive this object.
  Mapping map() const;
  /// Allocates `bytes` zero bytes, at least one, on disk and maps them writable. Throws Error(io), e.g. when the disk
  /// is full.
  Mapping map_zeros(std::uint64_t bytes);
  /// Length of the file in bytes.
  std::uint64_t length() const;
  /// fsync. Throws Error(io).
  void sync() const;
  /// Cuts the file after its first `bytes` bytes. Throws Error(io).
  void truncate(std::uint64_t bytes);
  /// A path that opens the file, published or not. Valid while this object lives.
  std::filesystem::path readable_path() const;
  /// Path of the published file; empty for an unnamed file.
  const std::filesystem::path& path() const noexcept { return path_; }
  /// Name of the file in messages.
  const std::string& name() const noexcept { return name_; }

 private:
  PendingFile() = default;
  void close() noexcept;
  void write_all(std::span<const std::byte> bytes, std::uint64_t offset);
  /// Sets owner, group and permissions. Returns a note if readers of the former file lose access, else an empty text.
  std::string pass_rights_on();

  std::string name_;
  std::filesystem::path path_;     // empty: unnamed
  std::filesystem::path partial_;  // empty: unnamed or published
  FileKind kind_;
  ReplaceParams replace_;
  bool marked_ = false;    // the file begins with kMark, since the file system does not keep the sticky bit
  std::string start_;      // with marked_: the file's own first bytes, which complete() writes over kMark
  std::uint64_t end_ = 0;  // end of the last byte written
  unsigned permissions_ = 0;
  int fd_ = -1;
};

}  // namespace cassata
