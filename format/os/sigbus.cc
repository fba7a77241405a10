#include "format/os/sigbus.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace cassata {

/// What the handler knows of one mapping. Slots are reused and never freed, so that the handler can read them at any
/// time, without a lock.
struct SigbusGuard::Slot {
  std::atomic<bool> taken = false;
  std::atomic<std::uintptr_t> begin = 0, end = 0;  ///< end is 0 unless the slot guards a mapping; it is stored last
  std::atomic<int> protection = 0;
  std::atomic<std::uintptr_t> lost = 0;  ///< the first page that could not be read, 0: none
  std::atomic<std::size_t> replaced_pages = 0;
};

namespace {

using Slot = SigbusGuard::Slot;

struct Chunk {
  std::array<Slot, 64> slots;
  std::atomic<Chunk*> next = nullptr;
};

Chunk table;  // the first chunk; those that follow are never freed
const std::uintptr_t kPageBytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
struct sigaction former {};

/// The handler, and all that it calls, are async-signal-safe.
Slot* slot_of(std::uintptr_t address) noexcept {
  for (Chunk* chunk = &table; chunk != nullptr; chunk = chunk->next.load(std::memory_order_acquire))
    for (Slot& slot : chunk->slots) {
      const std::uintptr_t end = slot.end.load(std::memory_order_acquire);
      if (address >= end || address < slot.begin.load(std::memory_order_acquire)) continue;
      if (slot.end.load(std::memory_order_acquire) == end)
        return &slot;  // else it was given to another mapping meanwhile
    }
  return nullptr;
}

bool put_zeros(const Slot& slot, std::uintptr_t begin, std::uintptr_t end) noexcept {
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return ::mmap(reinterpret_cast<void*>(begin), end - begin, slot.protection.load(), kFlags, -1, 0) != MAP_FAILED;
}

/// Puts zeros in place of the small page around `address`, if it is in a guarded mapping. Each page takes two of the
/// kernel's limited number of mappings, so that after some pages the whole mapping is replaced.
bool replace(std::uintptr_t address) noexcept {
  constexpr std::size_t kMostPages = 64;
  Slot* const slot = slot_of(address);
  if (slot == nullptr) return false;
  const std::uintptr_t page = address / kPageBytes * kPageBytes;
  std::uintptr_t none = 0;
  slot->lost.compare_exchange_strong(none, page);  // marked before anybody can read a zero
  if (slot->replaced_pages.fetch_add(1) < kMostPages && put_zeros(*slot, page, page + kPageBytes)) return true;
  return put_zeros(*slot, slot->begin.load(), slot->end.load());
}

/// What would have happened without this handler.
void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  const struct sigaction action = former;
  const bool by_access =
      info->si_code > 0 && info->si_code != BUS_MCEERR_AO;  // by a thread that accesses the address, and will again
  if ((action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN && !by_access)
    return;  // the kernel ignores no failed access
  if ((action.sa_flags & SA_SIGINFO) == 0 && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    ::sigaction(SIGBUS, &standard, nullptr);
    if (!by_access) ::raise(SIGBUS);  // it ends the process when this handler returns
    return;
  }
  if ((action.sa_flags & SA_RESETHAND) != 0) {
    former = {};
    former.sa_handler = SIG_DFL;
  }
  if ((action.sa_flags & SA_SIGINFO) != 0)
    action.sa_sigaction(signal, info, context);
  else
    action.sa_handler(signal);
}

void handle(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool lost_page = info->si_code > 0 && info->si_code != BUS_ADRALN && info->si_code != BUS_MCEERR_AO;
  if (!lost_page || !replace(reinterpret_cast<std::uintptr_t>(info->si_addr))) pass_on(signal, info, context);
  errno = error;
}

/// Once a process. Not by std::call_once, which a fork in another thread's call would leave locked in the child.
void install() noexcept {
  static std::atomic_flag installed = ATOMIC_FLAG_INIT;
  if (installed.test_and_set()) return;
  ::sigaction(SIGBUS, nullptr, &former);
  struct sigaction ours {};
  ours.sa_sigaction = handle;
  ours.sa_mask = former.sa_mask;  // as the former handler expects it
  // On the thread's alternate stack, if it has one: hosts such as Go demand it.
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (former.sa_flags & (SA_RESTART | SA_NODEFER));
  ::sigaction(SIGBUS, &ours, &former);
}

bool enabled() noexcept {
  static const bool on = [] {
    const char* const choice = std::getenv("CASSATA_SIGBUS_GUARD");
    return choice == nullptr || std::string_view(choice) != "0";
  }();
  return on;
}

Slot& take_slot() {
  for (Chunk* chunk = &table;;) {
    for (Slot& slot : chunk->slots)
      if (!slot.taken.load(std::memory_order_relaxed) && !slot.taken.exchange(true)) return slot;
    Chunk* next = chunk->next.load(std::memory_order_acquire);
    if (next == nullptr) {
      auto* const fresh = new Chunk;
      if (chunk->next.compare_exchange_strong(next, fresh))
        next = fresh;
      else
        delete fresh;  // another thread was faster
    }
    chunk = next;
  }
}

}  // namespace

SigbusGuard::SigbusGuard(std::span<const std::byte> mapping, bool writable) {
  if (mapping.empty() || !enabled()) return;
  install();
  slot_ = &take_slot();
  const auto begin = reinterpret_cast<std::uintptr_t>(mapping.data());
  slot_->lost = 0;
  slot_->replaced_pages = 0;
  slot_->protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  slot_->begin.store(begin, std::memory_order_release);
  slot_->end.store((begin + mapping.size() + kPageBytes - 1) / kPageBytes * kPageBytes, std::memory_order_release);
}

SigbusGuard::~SigbusGuard() {
  if (slot_ == nullptr) return;
  slot_->end.store(0, std::memory_order_release);
  slot_->taken.store(false, std::memory_order_release);
}

bool SigbusGuard::tripped() const noexcept {
  return slot_ != nullptr && slot_->lost.load(std::memory_order_acquire) != 0;
}

std::uint64_t SigbusGuard::first_lost() const noexcept { return slot_->lost.load() - slot_->begin.load(); }

}  // namespace cassata
