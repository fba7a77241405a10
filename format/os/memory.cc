#include "format/os/memory.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>

namespace cassata {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

std::uint64_t machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), bytes = ::sysconf(_SC_PAGE_SIZE);
  return pages > 0 && bytes > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(bytes) : kUnlimited;
}

/// The number in a file; a file that is not there, or says "max", limits nothing.
std::uint64_t limit_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t bytes = 0;
  return in >> bytes ? bytes : kUnlimited;
}

/// The least of `files` in a group's folder and in all above it, up to `mount`. In a container the group may be told by
/// a name that it has outside: then of its folders only the mount itself is there, which is the group.
std::uint64_t least(const std::filesystem::path& mount, std::filesystem::path group,
                    std::initializer_list<const char*> files) {
  std::uint64_t bytes = kUnlimited;
  for (;; group = group.parent_path()) {
    for (const char* file : files) bytes = std::min(bytes, limit_in(mount / group.relative_path() / file));
    if (group.relative_path().empty()) return bytes;
  }
}

}  // namespace

std::uint64_t memory_limit(const std::filesystem::path& groups, const std::filesystem::path& mount) {
  std::uint64_t bytes = machine_memory();
  std::ifstream in(groups);
  for (std::string line; std::getline(in, line);) {  // number:controllers:/group
    const std::size_t first = line.find(':'), second = line.find(':', first == line.npos ? first : first + 1);
    if (second == line.npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                      group = line.substr(second + 1);
    if (controllers == ",,") bytes = std::min(bytes, least(mount, group, {"memory.max", "memory.high"}));
    if (controllers.find(",memory,") != controllers.npos)
      bytes = std::min(bytes, least(mount / "memory", group, {"memory.limit_in_bytes"}));
  }
  return bytes;
}

}  // namespace cassata
