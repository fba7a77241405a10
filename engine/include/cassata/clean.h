// What killed builds left in a folder, found and removed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cassata {

struct CleanParams {
  bool dry_run = false;    ///< nothing is removed
  bool resumable = false;  ///< work folders that a build could resume from are removed, too
};

/// A file or a folder that a build left, or that a build is at work on.
struct Leftover {
  enum class What { partial, work_folder };

  std::filesystem::path path;
  What what = What::partial;
  std::uint64_t bytes = 0;
  std::string kept = {};  ///< why it stays; empty: it is removed, or would be but for dry_run
};

/// Looks at what lies in `folder` itself, for unfinished index files (`.partial`) and work folders of builds within a
/// memory budget (`.build`), of this user. Removes those that no build is at work on. Of a work folder only files that
/// a build made are removed, and the folder unless others are in it. Symbolic links are not followed, and what builds
/// did not leave is neither removed nor returned. Ordered by path. Throws Error(io).
std::vector<Leftover> clean(const std::filesystem::path& folder, const CleanParams& params = {});

}  // namespace cassata
