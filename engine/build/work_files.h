// Temporary and resumable files of a build.
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

/// The files of a build: unnamed files, which vanish with the process, or named files in a folder beside the target, so
/// that an interrupted build can be resumed. The lock of the target protects the folder.
class WorkFiles {
 public:
  static constexpr std::string_view kSuffix = ".build";  ///< the folder's name is the target's name and this suffix

  /// Unnamed files in `folder`; if it is empty, in the system's folder for temporary files.
  explicit WorkFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  /// Named files in the folder `<target>.build`. `what` describes the build, its parameters and inputs, one per line.
  /// With `resume`, opens the files that an interrupted build with the same description left, if there are any. Throws
  /// Error: invalid_argument if the descriptions differ, or if there is an interrupted build and `resume` is false; io.
  WorkFiles(const std::filesystem::path& target, const std::string& what, bool resume);
  /// Opens the files that an interrupted build of this user left in `folder`; null if `folder` is anything else. The
  /// caller takes the lock.
  static std::unique_ptr<WorkFiles> left_in(const std::filesystem::path& folder);
  WorkFiles(const WorkFiles&) = delete;
  WorkFiles& operator=(const WorkFiles&) = delete;
  /// Removes the files unless keep() was called.
  ~WorkFiles();

  /// Throws Error(io) unless the files can grow to `bytes` bytes in all on their disk.
  void expect_room(std::uint64_t bytes) const;
  /// True if the files are named.
  bool named() const noexcept { return named_; }
  const std::filesystem::path& folder() const noexcept { return folder_; }

  /// An unnamed file.
  PendingFile unnamed() const { return PendingFile::unnamed(named_ ? folder_.parent_path() : folder_); }
  /// Opens the file `name`, with its contents if it exists; an unnamed file if the files are not named.
  PendingFile file(const std::string& name) const;
  void remove(const std::string& name) const noexcept;

  /// Stores `bytes` atomically under `name`: a crash leaves all of them or the former contents. Does nothing if the
  /// files are not named.
  void put(const std::string& name, std::span<const std::byte> bytes) const;
  /// What put() stored under `name`. Throws Error(corrupt) if it is missing or damaged.
  std::vector<std::byte> get(const std::string& name) const;
  bool has(const std::string& name) const noexcept;
  /// Throws Error(corrupt) for the file `name`; `what` is the rest of the message.
  [[noreturn]] void damaged(const std::string& name, const std::string& what) const;
  /// True if this build resumes an interrupted one.
  bool resumed() const noexcept { return resumed_; }

  /// True if the files can be resumed: keep() was called for them.
  bool resumable() const noexcept;
  /// Length of all files in bytes.
  std::uint64_t bytes() const noexcept;
  /// Makes the files resumable: they outlive this object and the process. Does nothing if the files are not named.
  void keep();
  /// The reverse of keep(), once the index is complete: the destructor removes the files.
  void drop() noexcept { kept_ = false; }

 private:
  WorkFiles() : named_(true), kept_(true) {}
  /// Reads names_ from the folder.
  void read_names();
  /// True if a build made the folder, or if it is empty.
  bool is_ours() const;
  /// Removes the build's files, and the folder if it is then empty. The order of removal matters: if it is interrupted,
  /// the rest is not resumable and still recognized as a build's.
  void clear() const noexcept;
  /// Records in the folder that the file `name` is the build's own. Called before the file is created.
  void note(const std::string& name) const;
  void write(const std::string& name, std::span<const std::byte> bytes) const;

  std::filesystem::path folder_;
  mutable std::set<std::string> names_;  // files that builds made in the folder, except those of WorkFiles itself
  bool named_ = false;
  bool kept_ = false;
  bool resumed_ = false;
};

}  // namespace cassata
