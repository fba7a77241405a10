#include "engine/build/work_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <sstream>
#include <system_error>
#include <utility>

#include "cassata/checksum.h"
#include "cassata/error.h"
#include "format/base/text.h"
#include "format/file/section.h"
#include "format/os/memory.h"

namespace cassata {
namespace fs = std::filesystem;
namespace {

const std::string kWhat = "what", kKept = "kept", kNames = "names", kFresh = ".new";

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lines by their first word.
std::map<std::string, std::string> by_key(const std::string& lines) {
  std::map<std::string, std::string> keyed;
  std::istringstream all(lines);
  for (std::string line; std::getline(all, line);) keyed.emplace(line.substr(0, line.find(' ')), line);
  return keyed;
}

/// A line of each with the same first word, in which they differ; none: only one has such a line.
std::string difference(const std::string& there, const std::string& now) {
  const auto then = by_key(there), today = by_key(now);
  auto keys = then;
  keys.insert(today.begin(), today.end());
  const auto shown = [](const auto& lines, const std::string& key) {
    const auto line = lines.find(key);
    return line == lines.end() ? "none" : "'" + line->second + "'";
  };
  for (const auto& [key, line] : keys)
    if (const std::string x = shown(then, key), y = shown(today, key); x != y) return x + " then, " + y + " now";
  return "other parameters";
}

}  // namespace

WorkFiles::WorkFiles(const fs::path& target, const std::string& what, bool resume)
    : folder_(fs::absolute(target)), named_(true) {
  folder_ += kSuffix;
  const std::string name = folder_.string();
  std::error_code error;
  const bool there = fs::exists(folder_, error);
  if (!error && there) fs::directory_iterator(folder_, error);
  if (error && error != std::errc::not_a_directory) io_error("cannot read folder " + name, error.value());
  if (there && !is_ours())
    io_error(name + " is in the way, and not what an interrupted build left: rename or remove it", EEXIST);
  if (there) read_names();
  if (there && has(kKept)) {
    if (!resume)
      invalid_argument("resume: not given, but " + name +
                       " holds an interrupted build; resume it, or remove the folder to start anew");
    const std::string then = text(get(kWhat));
    if (then != what)
      invalid_argument("resume: " + name + " holds a build of something else: " + difference(then, what));
    kept_ = resumed_ = true;
    return;
  }
  if (there) clear();  // interrupted before there was anything to resume
  if (fs::exists(folder_, error))
    io_error(name + " is in the way, and holds files that no build made: move them, and remove it", EEXIST);
  fs::create_directory(folder_, error);
  if (error) io_error("cannot create folder " + name, error.value());
  try {
    write(kWhat, std::as_bytes(std::span(what)));
  } catch (...) {
    clear();
    throw;
  }
}

void WorkFiles::read_names() {
  if (!has(kNames)) return;
  std::istringstream names(text(get(kNames)));
  for (std::string one; names >> one;) {
    if (fs::path(one).filename() != one || one == "." || one == "..")
      damaged(kNames, "'" + one + "', expected names of files in the folder");
    names_.insert(one);
  }
}

std::unique_ptr<WorkFiles> WorkFiles::left_in(const fs::path& folder) {
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) return nullptr;
  std::unique_ptr<WorkFiles> files(new WorkFiles);
  files->folder_ = fs::absolute(folder);
  try {
    if (!files->has(kWhat) || !text(files->get(kWhat)).starts_with("cassata ")) return nullptr;
    files->read_names();
  } catch (const Error&) {
    return nullptr;  // whatever it is, it is not as a build left it
  }
  return files;
}

bool WorkFiles::resumable() const noexcept { return has(kKept); }

std::uint64_t WorkFiles::bytes() const noexcept {
  std::uint64_t sum = 0;
  std::error_code error;
  for (const std::string& name : names_)
    if (const std::uint64_t length = fs::file_size(folder_ / name, error); !error) sum += length;
  return sum;
}

void WorkFiles::clear() const noexcept {
  std::error_code ignored;
  const auto remove_both = [&](const std::string& name) {
    fs::remove(folder_ / name, ignored);
    fs::remove(folder_ / (name + kFresh), ignored);
  };
  remove_both(kKept);
  for (const std::string& name : names_) remove_both(name);
  names_.clear();
  remove_both(kNames);
  remove_both(kWhat);
  fs::remove(folder_, ignored);  // which stays if it is not empty
}

void WorkFiles::note(const std::string& name) const {
  if (!names_.insert(name).second) return;
  std::string lines;
  for (const std::string& one : names_) lines += one + "\n";
  write(kNames, std::as_bytes(std::span(lines)));
}

PendingFile WorkFiles::file(const std::string& name) const {
  if (!named_) return unnamed();
  note(name);
  return PendingFile::kept(folder_ / name);
}

bool WorkFiles::is_ours() const {
  std::error_code error;
  if (!fs::is_directory(folder_, error)) return false;
  const auto entries = fs::directory_iterator(folder_, error);
  if (!has(kWhat))
    return std::all_of(begin(entries), end(entries),
                       [](const fs::directory_entry& e) { return e.path().filename() == kWhat + kFresh; });
  try {
    get(kWhat);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool WorkFiles::has(const std::string& name) const noexcept {
  std::error_code none;
  return named_ && fs::exists(folder_ / name, none);
}

void WorkFiles::damaged(const std::string& name, const std::string& what) const {
  corrupt((folder_ / name).string() + ": " + what + "; remove " + folder_.string() + " to start anew");
}

WorkFiles::~WorkFiles() {
  if (named_ && !kept_) clear();
}

void WorkFiles::expect_room(std::uint64_t bytes) const {
  std::error_code error;
  const fs::path place = folder_.empty() ? fs::temp_directory_path(error) : folder_;
  const fs::space_info room = error ? fs::space_info{} : fs::space(place, error);
  if (error) return;  // writing will tell
  const std::uint64_t held = this->bytes();
  if (room.available + held < bytes)
    io_error(
        place.string() + ": " + bytes_text(room.available) + " free, about " + bytes_text(bytes - held) + " needed",
        ENOSPC);
}

void WorkFiles::keep() {
  if (kept_ || !named_) return;
  write(kKept, {});
  kept_ = true;
}

void WorkFiles::remove(const std::string& name) const noexcept {
  std::error_code ignored;
  if (named_) fs::remove(folder_ / name, ignored);
}

void WorkFiles::put(const std::string& name, std::span<const std::byte> bytes) const {
  if (!named_) return;
  note(name);
  write(name, bytes);
}

void WorkFiles::write(const std::string& name, std::span<const std::byte> bytes) const {
  const fs::path fresh = folder_ / (name + kFresh);
  PendingFile file = PendingFile::kept(fresh);
  file.truncate(0);
  const std::uint64_t hash = xxh3(bytes);
  file.write(bytes, 0);
  file.write(std::as_bytes(std::span(&hash, 1)), bytes.size());
  file.sync();
  std::error_code error;
  fs::rename(fresh, folder_ / name, error);
  if (error) io_error("cannot rename " + fresh.string(), error.value());
  sync_folder(folder_);
}

std::vector<std::byte> WorkFiles::get(const std::string& name) const {
  const fs::path path = folder_ / name;
  std::error_code error;
  const std::uint64_t length = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  std::uint64_t hash = 0;
  if (length < sizeof hash)
    damaged(name, std::to_string(length) + " bytes, expected what an interrupted build left, at least " +
                      std::to_string(sizeof hash));
  const Mapping mapping(path, path.string());
  const auto bytes = mapping.bytes().first(length - sizeof hash);
  std::memcpy(&hash, bytes.data() + bytes.size(), sizeof hash);
  if (xxh3(bytes) != hash) damaged(name, "its hash differs from that of what was kept");
  return {bytes.begin(), bytes.end()};
}

}  // namespace cassata
