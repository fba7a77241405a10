// Estimates whether rows are in memory.
#pragma once

#include <atomic>

namespace cassata {

/// Records whether requested rows had to be read from disk, so that requests can be saved while rows are in memory: for
/// token vectors a request takes a fifth of the time of scoring (docs/decisions/rows-are-read-many-at-once.md). Any
/// number of threads.
class alignas(64) Residency {
 public:
  /// True if the last kStreak records were without a read.
  bool likely_resident() const noexcept { return streak_.load(std::memory_order_relaxed) >= kStreak; }
  /// True once in kEvery calls: then residency is to be checked, which takes as long as scoring some rows.
  bool sample_now() noexcept { return samples_.fetch_add(1, std::memory_order_relaxed) % kEvery == 0; }
  /// `was_read`: some requested rows had to be read.
  void record(bool was_read) noexcept {
    if (was_read)
      streak_.store(0, std::memory_order_relaxed);
    else if (!likely_resident())
      streak_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  /// More than the requests of a traversal in the upper layers, which are in memory first.
  static constexpr unsigned kStreak = 128;
  static constexpr unsigned kEvery = 32;
  std::atomic<unsigned> streak_ = 0, samples_ = 0;
};

}  // namespace cassata
