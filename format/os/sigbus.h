// Keeps the process alive when a page of a mapped file can no longer be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cassata {

/// Guards one mapping while it lives. Reading a page that the file has lost, because the file was truncated or because
/// the disk or the file server fails, raises SIGBUS, which ends a process by default. The first guard of a process
/// installs a handler, which marks the guard of the mapping and maps a page of zeros there, so that the reader
/// continues. Readers must therefore check tripped() after reading. Every other SIGBUS goes to the handler that was
/// installed before, or ends the process.
///
/// Any number of threads. A forked child inherits handler, guards and marks. A handler that is installed later receives
/// the signal first and must pass it on. The environment variable CASSATA_SIGBUS_GUARD=0, which is read once, disables
/// all guards.
class SigbusGuard {
 public:
  /// Guards nothing.
  SigbusGuard() = default;
  /// Guards `mapping`, which begins at a page boundary and stays mapped while the guard lives. Throws std::bad_alloc.
  SigbusGuard(std::span<const std::byte> mapping, bool writable);
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;
  ~SigbusGuard();

  /// True once a page could not be read: reads may have returned zeros since. Never becomes false again.
  bool tripped() const noexcept;
  /// Offset in bytes of the first such page in the mapping. Requires tripped().
  std::uint64_t first_lost() const noexcept;

  struct Slot;

 private:
  Slot* slot_ = nullptr;
};

}  // namespace cassata
