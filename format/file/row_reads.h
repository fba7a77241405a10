// Reads rows of a section from disk ahead of their use, many at once (docs/decisions/rows-are-read-many-at-once.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "cassata/types.h"
#include "format/os/mapping.h"

namespace cassata {

/// Whether rows of one section have to be read from disk. Remembers whether requested rows did, so that requests can be
/// saved while rows are in memory: for token vectors a request takes a fifth of the time of scoring. Any number of
/// threads.
class alignas(64) RowReads {
 public:
  RowReads() = default;
  /// For a section that becomes resident: once `cold` is false, its rows are in memory, and nothing is requested.
  /// Borrows `cold`.
  explicit RowReads(const std::atomic<bool>& cold) : cold_(&cold) {}

  /// True while the section is to become resident and is not yet: then traversals request rows, too.
  bool cold() const noexcept { return cold_ != nullptr && cold_->load(std::memory_order_relaxed); }

 private:
  friend class RowFetch;

  bool resident() const noexcept { return cold_ != nullptr && !cold(); }
  /// True if the last kStreak requests were without a read.
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

  /// More than the requests of a traversal in the upper layers, which are in memory first.
  static constexpr unsigned kStreak = 128;
  static constexpr unsigned kEvery = 32;
  const std::atomic<bool>* cold_ = nullptr;
  std::atomic<unsigned> streak_ = 0, samples_ = 0;
};

/// Starts the reads of one scorer. Call fetch() before rows are scored, and scored() after that. While rows are likely
/// resident, nothing is requested, and scoring is sampled now and then for reads. One thread.
class RowFetch {
 public:
  /// Null: the rows are in memory.
  explicit RowFetch(RowReads* reads) : reads_(reads) {}

  /// RowReads::cold().
  bool cold() const noexcept { return reads_ != nullptr && reads_->cold(); }
  /// Starts to read the rows `ids`. True if some of them have to be read from disk. part_of(id) is the row's bytes, in
  /// a mapping; place_of(id), if given, is the bytes of its place in the file, which part_of(id) reads.
  template <class PartOf, class PlaceOf = std::nullptr_t>
  bool fetch(std::span<const Id> ids, PartOf part_of, PlaceOf place_of = nullptr) noexcept {
    if (ids.empty() || reads_ == nullptr || reads_->resident()) return false;
    if (reads_->likely_resident()) {
      if (watches_ || !reads_->sample_now()) return false;
      watches_ = true;
      read_ = blocks_read();
      return false;
    }
    const std::uint64_t before = blocks_read();
    if constexpr (!std::is_null_pointer_v<PlaceOf>) request(ids, place_of);
    request(ids, part_of);
    const bool reads = blocks_read() != before;
    reads_->record(reads);
    return reads;
  }
  void scored() noexcept {
    if (!watches_) return;
    watches_ = false;
    if (blocks_read() != read_) reads_->record(true);
  }

 private:
  template <class PartOf>
  static void request(std::span<const Id> ids, PartOf part_of) noexcept {
    std::span<const std::byte> run;  // adjacent parts, requested together
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
  }

  RowReads* reads_;
  bool watches_ = false;    // this scoring is sampled
  std::uint64_t read_ = 0;  // blocks_read() before it
};

}  // namespace cassata
