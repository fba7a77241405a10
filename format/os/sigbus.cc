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

/// The handler's data about one mapping. Slots are reused and never freed, so that the handler can read them at any
/// time without a lock.
struct SigbusGuard::Slot {
  std::atomic<bool> taken = false;
  std::atomic<std::uintptr_t> begin = 0, end = 0;  ///< end is 0 if the slot guards no mapping; stored last
  std::atomic<int> protection = 0;
  std::atomic<std::uintptr_t> lost = 0;  ///< address of the first unreadable page; 0: none
  std::atomic<std::size_t> replaced_pages = 0;
};

namespace {

using Slot = SigbusGuard::Slot;

struct Chunk {
  std::array<Slot, 64> slots;
  std::atomic<Chunk*> next = nullptr;
};

Chunk table;  // the first chunk; later chunks are never freed
const std::uintptr_t kPageBytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
struct sigaction former {};

/// The slot of the mapping that holds `address`, or null. The handler and all functions it calls are async-signal-safe.
Slot* slot_of(std::uintptr_t address) noexcept {
  for (Chunk* chunk = &table; chunk != nullptr; chunk = chunk->next.load(std::memory_order_acquire))
    for (Slot& slot : chunk->slots) {
      const std::uintptr_t end = slot.end.load(std::memory_order_acquire);
      if (address >= end || address < slot.begin.load(std::memory_order_acquire)) continue;
      if (slot.end.load(std::memory_order_acquire) == end)
        return &slot;  // otherwise the slot has been reused for another mapping meanwhile
    }
  return nullptr;
}

bool put_zeros(const Slot& slot, std::uintptr_t begin, std::uintptr_t end) noexcept {
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return ::mmap(reinterpret_cast<void*>(begin), end - begin, slot.protection.load(), kFlags, -1, 0) != MAP_FAILED;
}

/// Replaces the small page around `address` by zeros, if it lies in a guarded mapping. Each replaced page adds two of
/// the kernel's limited number of mappings, so after kMostPages pages the whole mapping is replaced.
bool replace(std::uintptr_t address) noexcept {
  constexpr std::size_t kMostPages = 64;
  Slot* const slot = slot_of(address);
  if (slot == nullptr) return false;
  const std::uintptr_t page = address / kPageBytes * kPageBytes;
  std::uintptr_t none = 0;
  slot->lost.compare_exchange_strong(none, page);  // marked before a reader can see a zero
  if (slot->replaced_pages.fetch_add(1) < kMostPages && put_zeros(*slot, page, page + kPageBytes)) return true;
  return put_zeros(*slot, slot->begin.load(), slot->end.load());
}

/// Does what would have happened without this handler.
void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  const struct sigaction action = former;
  // Raised by an access, which the thread repeats when the handler returns.
  const bool by_access = info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
  if ((action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN && !by_access)
    return;  // only a signal that was sent can be ignored; the kernel never ignores a failed access
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

/// Installs the handler once per process. std::call_once would stay locked in the child of a fork during the call.
void install() noexcept {
  static std::atomic_flag installed = ATOMIC_FLAG_INIT;
  if (installed.test_and_set()) return;
  ::sigaction(SIGBUS, nullptr, &former);
  struct sigaction ours {};
  ours.sa_sigaction = handle;
  ours.sa_mask = former.sa_mask;  // the former handler expects it
  // SA_ONSTACK: hosts such as Go require handlers to run on the thread's alternate stack.
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
