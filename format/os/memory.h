// How much memory this process may use.
#pragma once

#include <cstdint>
#include <filesystem>

namespace cassata {

/// Bytes: those of the machine, or less where this process's memory cgroup or one above it is limited (version 1 and
/// 2). `groups` names them, as /proc/PID/cgroup does; `mount` is where their files are. What cannot be read limits
/// nothing.
std::uint64_t memory_limit(const std::filesystem::path& groups = "/proc/self/cgroup",
                           const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace cassata
