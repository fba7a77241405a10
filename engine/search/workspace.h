// What one thread needs to search, reused from query to query so that nothing is allocated on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cassata/types.h"

namespace cassata {

struct Candidate {
  float distance;
  Id id;

  /// Closer first, then lower id.
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
  }
};

/// The nodes met by a walk: a bit for each, so that a million fit the second cache level. Cleared in the time it took
/// to fill.
class Visited {
 public:
  void reset(std::size_t size) {
    for (std::size_t i = 0; i < count_; ++i) words_[met_[i] / kBits] = 0;
    if (!words_.empty()) words_[size_ / kBits] = 0;
    count_ = 0;
    if (words_.size() * kBits <= size) words_.resize(size / kBits + 1);  // before size_ says so: it may throw
    size_ = size;
    words_[size / kBits] |= std::uint32_t{1} << (size % kBits);  // stands for all that are no nodes
  }
  /// Those of `ids` that are nodes and were not met before, in their order; valid until the next call.
  std::span<const Id> filter_unvisited(std::span<const Id> ids);
  /// True if `id` is a node that was not met before.
  bool visit(Id id) {
    if (met_.size() == count_) met_.resize(2 * count_ + 1);
    const bool is_new = mark(id);
    met_[count_] = id;
    count_ += is_new;
    return is_new;
  }

 private:
  /// True if it is new. Without branches: whether it is, is a coin toss.
  bool mark(Id id) {
    const std::size_t bit = id < size_ ? id : size_;
    std::uint32_t& word = words_[bit / kBits];
    const bool is_new = (~word >> (bit % kBits)) & 1;
    word |= std::uint32_t{1} << (bit % kBits);
    return is_new;
  }

  static constexpr std::size_t kBits = 32;
  std::size_t size_ = 0;
  std::vector<std::uint32_t> words_;
  std::vector<Id> met_;
  std::size_t count_ = 0;  // of met_
};

/// The best candidates met so far, best first, each marked once it has been expanded.
class Beam {
 public:
  /// Keeps the `width` best, and while `relax` is over 0 also those within the worst of these relaxed by it.
  void reset(std::size_t width, float relax) {
    entries_.clear();
    width_ = width;
    relax_ = relax;
    next_ = 0;
  }
  /// True if a candidate at `distance` is to be inserted.
  bool admits(float distance) const noexcept {
    if (entries_.size() < width_) return true;
    return relax_ > 0 ? distance <= bound_ : distance < bound_;
  }
  /// True if a candidate at `distance` that was inserted may still be there.
  bool keeps(float distance) const noexcept {
    return entries_.size() < width_ || distance <= (relax_ > 0 ? bound_ : entries_.back().distance);
  }
  /// A NaN, as of scores beyond f32, counts as infinity.
  void insert(float distance, Id id);
  /// Marks the best unexpanded candidate and returns its id, or kNoId if there is none left.
  Id expand_next() noexcept {
    while (next_ < entries_.size() && (entries_[next_].id & kExpanded)) ++next_;
    if (next_ == entries_.size()) return kNoId;
    const Id id = entries_[next_].id;
    entries_[next_].id |= kExpanded;
    return id;
  }
  /// The one that expand_next() would return now.
  Id peek_next() noexcept {
    while (next_ < entries_.size() && (entries_[next_].id & kExpanded)) ++next_;
    return next_ == entries_.size() ? kNoId : entries_[next_].id;
  }
  /// The width best. Ends the walk: the marks are gone.
  const std::vector<Candidate>& finish() {
    if (entries_.size() > width_) entries_.resize(width_);
    for (Candidate& c : entries_) c.id &= ~kExpanded;
    return entries_;
  }
  const std::vector<Candidate>& entries() const noexcept { return entries_; }

 private:
  /// Where a candidate at `distance` comes to stand: after those that are as close.
  std::size_t place_of(float distance) const noexcept;

  static constexpr Id kExpanded = Id{1} << 31;
  static_assert(kMaxSize < kExpanded);
  std::vector<Candidate> entries_;
  std::size_t width_ = 0;
  std::size_t next_ = 0;  // every entry before it has been expanded
  float relax_ = 0;
  float bound_ = 0;  // once width_ entries are there: what is beyond it is not inserted
};

struct Workspace {
  Beam beam;
  Visited visited;
  std::vector<Id> scratch;       // a neighbour list that had to be decoded
  std::vector<float> distances;  // of neighbours not met before
  std::vector<Id> entries;       // where the next walk starts
};

}  // namespace cassata
