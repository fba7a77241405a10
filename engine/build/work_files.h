// What a build keeps on disk until its index is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/os/publish.h"

namespace cassata {

/// The files of a build: unnamed ones, which are gone with it; or, so that an interrupted build can be resumed, named
/// ones in a folder beside its target. The folder is locked by the lock of the target.
class WorkFiles {
 public:
  static constexpr std::string_view kSuffix = ".build";  ///< of the folder, behind the target's name

  /// Unnamed, in `folder`; empty: in the system's folder for temporary files.
  explicit WorkFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  /// Named, in the folder `<target>.build`. `what` tells what is built, of what, line by line. With `resume` and a
  /// folder that a build of the same left: what it kept. Throws Error: invalid_argument if it was a build of something
  /// else, or there is one and `resume` was not given; io.
  WorkFiles(const std::filesystem::path& target, const std::string& what, bool resume);
  /// What an interrupted build of this user left in `folder`; null if that is anything else. The lock is the caller's
  /// to take.
  static std::unique_ptr<WorkFiles> left_in(const std::filesystem::path& folder);
  WorkFiles(const WorkFiles&) = delete;
  WorkFiles& operator=(const WorkFiles&) = delete;
  /// Removes what was made unless something is kept.
  ~WorkFiles();

  /// Throws Error(io) unless the disk has room for so many bytes, beside those that the files hold.
  void expect_room(std::uint64_t bytes) const;
  /// Whether files are named.
  bool named() const noexcept { return named_; }
  const std::filesystem::path& folder() const noexcept { return folder_; }

  /// An unnamed file.
  PendingFile unnamed() const { return PendingFile::unnamed(named_ ? folder_.parent_path() : folder_); }
  /// The file of that name, as it was left or empty; an unnamed one if files are not named.
  PendingFile file(const std::string& name) const;
  void remove(const std::string& name) const noexcept;

  /// Keeps `bytes` under a name, all of them or what was there before. Does nothing if files are not named.
  void put(const std::string& name, std::span<const std::byte> bytes) const;
  /// What was kept; throws Error(corrupt) if that is damaged or not there.
  std::vector<std::byte> get(const std::string& name) const;
  bool has(const std::string& name) const noexcept;
  /// Throws Error(corrupt): what is wrong with what was kept under that name.
  [[noreturn]] void damaged(const std::string& name, const std::string& what) const;
  /// Whether an interrupted build left something, which is resumed.
  bool resumed() const noexcept { return resumed_; }

  /// Whether a build kept something there that can be resumed.
  bool resumable() const noexcept;
  /// Bytes of the files.
  std::uint64_t bytes() const noexcept;
  /// From now on there is something to resume, which outlives this object. Does nothing if files are not named.
  void keep();
  /// There no longer is: the index is there.
  void drop() noexcept { kept_ = false; }

 private:
  WorkFiles() : named_(true), kept_(true) {}
  /// Reads which names the files in the folder have.
  void read_names();
  /// Whether the folder is one that a build made, or an empty one.
  bool is_ours() const;
  /// Removes what builds made in the folder, and the folder if nothing else is in it, so that whatever is left if that
  /// is interrupted is nothing to resume, and known for what it is.
  void clear() const noexcept;
  /// Tells in the folder that a file of that name is the build's own, before there is one.
  void note(const std::string& name) const;
  void write(const std::string& name, std::span<const std::byte> bytes) const;

  std::filesystem::path folder_;
  mutable std::set<std::string> names_;  // of the files that builds made there, but for those that tell of them
  bool named_ = false;
  bool kept_ = false;
  bool resumed_ = false;
};

}  // namespace cassata
