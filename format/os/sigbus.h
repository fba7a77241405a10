// Keeps the process alive when a page of a mapped file cannot be read any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cassata {

/// Guards one mapping while it lives. A page of a mapping that the file has lost, because it was truncated or because
/// the disk or the file server fails, raises SIGBUS, which ends a process. The first guard of a process installs a
/// handler. The handler marks the guard whose mapping holds the address and puts a page of zeros there, so that the
/// reader goes on. Whoever reads the mapping must therefore look at the mark afterwards. Every other SIGBUS goes to the
/// handler that was installed before, or ends the process as ever.
///
/// Any number of threads. A forked child inherits handler, guards and marks. A handler that is installed later gets the
/// signal first and must pass it on. The environment variable CASSATA_SIGBUS_GUARD=0, which is read once, switches all
/// guards off.
class SigbusGuard {
 public:
  /// Guards nothing.
  SigbusGuard() = default;
  /// Guards `mapping`, which starts at a page and stays mapped while the guard lives. Allocates; throws std::bad_alloc.
  SigbusGuard(std::span<const std::byte> mapping, bool writable);
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;
  ~SigbusGuard();

  /// True once a page could not be read. Reads may have given zeros since; the mark stays.
  bool tripped() const noexcept;
  /// Where the first such page lies in the mapping, in bytes. Requires tripped().
  std::uint64_t first_lost() const noexcept;

  struct Slot;

 private:
  Slot* slot_ = nullptr;
};

}  // namespace cassata
