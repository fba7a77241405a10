// Rows on their way from disk to memory, many at once, ahead of their use.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "format/mapping.h"
#include "format/types.h"

namespace cassata {

/// Whether what is asked for is in memory already, so that asking can be saved: for token vectors it takes a fifth as long as scoring
/// (docs/performance.md). Any number of threads.
class Residency {
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
  static constexpr unsigned kCalm = 32, kEvery = 32;
  std::atomic<unsigned> calm_ = 0, looks_ = 0;
};

/// What a scorer asks for: fetch() before rows are scored, scored() after that. While all seems to be in memory, nothing is asked, but now and then
/// it is looked at whether scoring had to read. One thread.
class RowFetch {
 public:
  explicit RowFetch(Residency& residency) : residency_(residency) {}

  /// part_of(id): a row's bytes, in a mapping. True if some of them have to be read.
  template <class PartOf>
  bool fetch(std::span<const Id> ids, PartOf part_of) noexcept {
    if (residency_.likely()) {
      if (watches_ || !residency_.looked_at()) return false;
      watches_ = true;
      read_ = blocks_read();
      return false;
    }
    const std::uint64_t before = blocks_read();
    std::span<const std::byte> run;  // of rows that lie one after another
    for (const Id id : ids) {
      const std::span<const std::byte> part = part_of(id);
      if (run.data() + run.size() == part.data()) {
        run = {run.data(), run.size() + part.size()};
        continue;
      }
      Mapping::advise(run, Advice::will_need);
      run = part;
    }
    Mapping::advise(run, Advice::will_need);
    const bool reads = blocks_read() != before;
    residency_.learn(reads);
    return reads;
  }
  void scored() noexcept {
    if (!watches_) return;
    watches_ = false;
    if (blocks_read() != read_) residency_.learn(true);
  }

 private:
  Residency& residency_;
  bool watches_ = false;
  std::uint64_t read_ = 0;
};

}  // namespace cassata
