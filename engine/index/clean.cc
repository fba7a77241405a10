#include "cassata/clean.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>

#include "cassata/error.h"
#include "engine/build/work_files.h"
#include "format/os/publish.h"

namespace cassata {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    paths.push_back(entry->path());
  if (error) io_error("cannot read folder " + folder.string(), error.value());
  std::ranges::sort(paths);
  return paths;
}

std::optional<Leftover> clean_partial(const fs::path& path, const CleanParams& params) {
  const PartialState state = partial_state(path);
  if (state == PartialState::other) return {};
  std::error_code gone;
  const std::uint64_t bytes = fs::file_size(path, gone);
  Leftover found{.path = path, .what = Leftover::What::partial, .bytes = gone ? 0 : bytes};
  if (state == PartialState::in_use) found.kept = "a writer is at work on it";
  if (found.kept.empty() && !params.dry_run) remove_partial(path);
  return found;
}

std::optional<Leftover> clean_work_folder(const fs::path& path, const CleanParams& params) {
  const std::unique_ptr<WorkFiles> files = WorkFiles::left_in(path);
  if (!files) return {};
  Leftover found{.path = path, .what = Leftover::What::work_folder, .bytes = files->bytes()};
  std::string target = path.string();
  target.resize(target.size() - WorkFiles::kSuffix.size());
  if (files->resumable() && !params.resumable) found.kept = "a build can be resumed from it";
  if (partial_state(target + std::string(kPartialSuffix)) == PartialState::in_use)
    found.kept = "a build is at work on it";
  if (!found.kept.empty() || params.dry_run) return found;
  try {
    const PendingFile lock(target, {}, {.overwrite = true});  // a running build holds it
    const std::unique_ptr<WorkFiles> locked = WorkFiles::left_in(path);
    if (!locked) return {};
    if (locked->resumable() && !params.resumable) return {};  // a build ran meanwhile
    locked->drop();                                           // so that the destructor removes them
  } catch (const Error& error) {
    found.kept = error.what();
  }
  if (std::error_code gone; found.kept.empty() && fs::exists(path, gone))
    found.kept = "files that no build made are in it; the build's own are removed";
  return found;
}

}  // namespace

std::vector<Leftover> clean(const fs::path& folder, const CleanParams& params) {
  const std::vector<fs::path> entries = entries_of(folder);
  std::vector<Leftover> found;
  const auto look = [&](std::string_view suffix, auto clean_one) {
    for (const fs::path& path : entries)
      if (path.filename().string().ends_with(suffix))
        if (std::optional<Leftover> one = clean_one(path, params)) found.push_back(std::move(*one));
  };
  look(kPartialSuffix, clean_partial);  // first: the lock of a work folder is such a file
  look(WorkFiles::kSuffix, clean_work_folder);
  std::ranges::sort(found, {}, &Leftover::path);
  return found;
}

}  // namespace cassata
