// How a file comes to stand under its name: complete, or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "format/mapping.h"

namespace cassata {

/// Has the names in a folder reach the disk. Throws Error(io).
void sync_folder(const std::filesystem::path& folder);

/// A file being written. With a path it is `<path>.partial`, locked against other writers, until publish() renames it; without one it
/// is an unnamed temporary file. What was not published leaves no trace, except after a kill a `.partial`, which the next writer takes over; a
/// file of that name that no writer of ours left is refused. A file that is replaced passes its permissions on.
class PendingFile {
 public:
  /// Throws Error(io), also if another writer is at work on `path`. A symbolic link at `path` is followed.
  explicit PendingFile(const std::filesystem::path& path);
  /// An unnamed file in `folder`, or in the system's folder for temporary files; it is gone with its last user.
  static PendingFile unnamed(const std::filesystem::path& folder = {});
  /// A file for one's own use at `path`, which stays there with what it holds: as it was left, or empty.
  static PendingFile kept(const std::filesystem::path& path);
  PendingFile(PendingFile&&) noexcept;
  PendingFile& operator=(PendingFile&&) noexcept;
  ~PendingFile();

  /// Writes all of `bytes` at `offset`. Throws Error(io) naming the file, e.g. when the disk is full.
  void write(std::span<const std::byte> bytes, std::uint64_t offset);
  /// fsync, rename over the path, fsync of the folder. For an unnamed file: nothing.
  void publish();
  /// Maps what has been written so far, at least one byte. The mapping outlives this object.
  Mapping map() const;
  /// Takes space for `bytes` zeros, at least one, and maps them to be written. Throws Error(io), e.g. when the disk is full.
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

  std::string name_;
  std::filesystem::path path_;     // empty: unnamed
  std::filesystem::path partial_;  // empty: unnamed or published
  unsigned permissions_ = 0;       // of the file that is replaced; 0: there is none
  int fd_ = -1;
};

}  // namespace cassata
