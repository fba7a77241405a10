// Whether rows that are asked for are in memory.
#pragma once

#include <atomic>

namespace cassata {

/// Whether what is asked for is in memory already, so that asking can be saved: for token vectors it takes a fifth as
/// long as scoring (docs/performance.md). Any number of threads.
class alignas(64) Residency {
 public:
  /// So it was the last kStreak times.
  bool likely_resident() const noexcept { return streak_.load(std::memory_order_relaxed) >= kStreak; }
  /// Whether this is one of those times at which it is looked at: it takes as long as scoring some rows.
  bool sample_now() noexcept { return samples_.fetch_add(1, std::memory_order_relaxed) % kEvery == 0; }
  void record(bool was_read) noexcept {
    if (was_read)
      streak_.store(0, std::memory_order_relaxed);
    else if (!likely_resident())
      streak_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  /// More than a walk makes on the upper layers, which are in memory first.
  static constexpr unsigned kStreak = 128;
  static constexpr unsigned kEvery = 32;
  std::atomic<unsigned> streak_ = 0, samples_ = 0;
};

}  // namespace cassata
