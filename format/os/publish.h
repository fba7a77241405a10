// How a file comes to stand under its name: complete, or not at all.
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

/// A kind of file, known by its first bytes. A writer replaces files of the kind that it writes, and no others.
struct FileKind {
  static constexpr std::size_t kStartBytes = 4096;  ///< as many are looked at

  std::string name;                                  ///< for messages: "a Cassata index file"
  std::function<bool(std::string_view start)> fits;  ///< true for the first bytes of such a file
};

/// Throws Error(io, EEXIST) if a file stands at `path` that is neither empty nor of this kind, and Error(io) if it
/// cannot be read; links are followed. Does nothing if `overwrite` is given.
void check_replaceable(const std::filesystem::path& path, const FileKind& kind, const ReplaceParams& replace);

/// Throws what PendingFile throws for `path`, as far as that can be told before anything is written: to be called
/// before a long computation, too.
void check_target(const std::filesystem::path& path, const FileKind& kind, const ReplaceParams& replace);

/// The descriptor that `path` names, also through symbolic links: 1 of /dev/stdout, 3 of /dev/fd/3 or /proc/self/fd/3;
/// none: it names a file.
std::optional<int> descriptor_of(const std::filesystem::path& path);

/// Has the names in a folder reach the disk. Throws Error(io).
void sync_folder(const std::filesystem::path& folder);

inline constexpr std::string_view kPartialSuffix = ".partial";
/// What stands at a path: an unfinished file of this user that a writer holds, or might hold, where a file system has
/// no locks; one that a killed writer left; or anything else, or nothing.
enum class PartialState { in_use, left, other };
PartialState partial_state(const std::filesystem::path& partial) noexcept;
/// Removes what a killed writer left; anything else stays. Throws Error(io).
void remove_partial(const std::filesystem::path& partial);

/// A file being written. With a path it is `<path>.partial`, locked against other writers, until publish() renames it;
/// without one it is an unnamed temporary file. What was not published leaves no trace, except after a kill a
/// `.partial`, which the next writer removes; a file of that name that no writer of this user left is refused. Only its
/// owner may open it until publish() gives it the owner, the group and the permissions of the file that it replaces, or
/// those of a new one.
class PendingFile {
 public:
  /// Throws Error: io, also if another writer is at work on `path`, and as check_replaceable(); invalid_argument if
  /// `path` names a device, a pipe or a descriptor. A symbolic link at `path` is followed.
  PendingFile(const std::filesystem::path& path, FileKind kind, ReplaceParams replace = {});
  /// An unnamed file in `folder`, or in the system's folder for temporary files; it is gone with its last user.
  static PendingFile unnamed(const std::filesystem::path& folder = {});
  /// A file for one's own use at `path`, which stays there with what it holds: as it was left, or empty.
  static PendingFile kept(const std::filesystem::path& path);
  PendingFile(PendingFile&&) noexcept;
  PendingFile& operator=(PendingFile&&) noexcept;
  ~PendingFile();

  /// Writes all of `bytes` at `offset`. Throws Error(io) naming the file, e.g. when the disk is full.
  void write(std::span<const std::byte> bytes, std::uint64_t offset);
  /// Puts all that was written where readable_path() leads to. To be called before a named file is read there.
  /// publish() calls it, too.
  void complete();
  /// fsync, rename over the path, fsync of the folder. For an unnamed file: nothing. Throws Error(io); if that is
  /// published(), the file stands under its name all the same.
  void publish();
  /// Maps what has been written so far, at least one byte. The mapping outlives this object.
  Mapping map() const;
  /// Takes space for `bytes` zeros, at least one, and maps them to be written. Throws Error(io), e.g. when the disk is
  /// full.
  Mapping map_zeros(std::uint64_t bytes);
  /// Bytes that the file has.
  std::uint64_t length() const;
  /// Has all that was written reach the disk.
  void sync() const;
  /// Leaves the first `bytes` alone.
  void truncate(std::uint64_t bytes);
  /// A path that opens what has been written, published or not. Valid while this object lives.
  std::filesystem::path readable_path() const;
  /// Where the file stands once published; empty for an unnamed one.
  const std::filesystem::path& path() const noexcept { return path_; }
  /// For messages: what is being written.
  const std::string& name() const noexcept { return name_; }

 private:
  PendingFile() = default;
  void close() noexcept;
  void write_all(std::span<const std::byte> bytes, std::uint64_t offset);
  /// Gives the file its owner, group and permissions. Returns a note on what is not as it was, or nothing.
  std::string pass_rights_on();

  std::string name_;
  std::filesystem::path path_;     // empty: unnamed
  std::filesystem::path partial_;  // empty: unnamed or published
  FileKind kind_;
  ReplaceParams replace_;
  std::string start_;  // where the file system keeps no mark: the first bytes, until complete() writes them; till then
                       // kMark stands there
  bool marked_ = false;    // it does: kMark stands in the file
  std::uint64_t end_ = 0;  // where the last byte written ends
  unsigned permissions_ = 0;
  int fd_ = -1;
};

}  // namespace cassata
