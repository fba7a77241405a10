// Leftovers of killed builds in a folder: finds and removes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cassata {

struct CleanParams {
  bool dry_run = false;    ///< remove nothing
  bool resumable = false;  ///< also remove work folders that a build can resume from
};

/// A file or a folder that a build left, or that a running build uses.
struct Leftover {
  enum class What { partial, work_folder };

  std::filesystem::path path;
  What what = What::partial;
  std::uint64_t bytes = 0;
  std::string kept = {};  ///< why it stays; empty: it is removed, or would be without dry_run
};

/// Finds this user's unfinished index files (`.partial`) and work folders of builds within a memory budget (`.build`)
/// in `folder` itself, not in its subfolders, and removes those that no running build uses. In a work folder it removes
/// only files that a build made, and the folder unless other files are in it. Symbolic links are not followed. Other
/// files are neither removed nor returned. Results are ordered by path. Throws Error(io).
std::vector<Leftover> clean(const std::filesystem::path& folder, const CleanParams& params = {});

}  // namespace cassata
