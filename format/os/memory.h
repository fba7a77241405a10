// The memory that this process may use.
#pragma once

#include <cstdint>
#include <filesystem>

namespace cassata {

/// Bytes of memory that this process may use: the memory of the machine, or the smallest limit of the process's memory
/// cgroup and the groups above it (versions 1 and 2). `groups` lists the groups, as /proc/PID/cgroup does; `mount` is
/// the folder of their files. Files that cannot be read are treated as no limit.
std::uint64_t memory_limit(const std::filesystem::path& groups = "/proc/self/cgroup",
                           const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace cassata
