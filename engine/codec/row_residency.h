// Whether rows that are asked for are in memory.
#pragma once

#include <atomic>

namespace cassata {

/// Whether what is asked for is in memory already, so that asking can be saved: for token vectors it takes a fifth as
/// long as scoring (docs/performance.md). Any number of threads.
class alignas(64) Residency {
 public:
  /// So it was the last kCalm times.
  bool likely() const noexcept { return calm_.load(std::memory_order_relaxed) >= kCalm; }
  /// Whether this is one of those times at which it is looked at: it takes as long as scoring some rows.
  bool looked_at() noexcept { return looks_.fetch_add(1, std::memory_order_relaxed) % kEvery == 0; }
  void learn(bool was_read) noexcept {
    if (was_read)
      calm_.store(0, std::memory_order_relaxed);
    else if (!likely())
      calm_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  /// More than a walk makes on the upper levels, which are in memory first.
  static constexpr unsigned kCalm = 128;
  static constexpr unsigned kEvery = 32;
  std::atomic<unsigned> calm_ = 0, looks_ = 0;
};

}  // namespace cassata
