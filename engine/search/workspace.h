// The buffers of one thread's searches, reused from query to query so that a search allocates nothing.
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

/// The order of a heap with the closest candidate on top.
inline bool farther(const Candidate& a, const Candidate& b) { return b < a; }

/// The nodes that a traversal has visited: one bit a node, so that a million nodes fit into the second cache level.
/// reset() takes time in proportion to the visited nodes.
class Visited {
 public:
  /// Forgets all nodes. The nodes of the next traversal are 0 to size - 1.
  void reset(std::size_t size) {
    for (std::size_t i = 0; i < count_; ++i) words_[visited_[i] / kBits] = 0;
    if (!words_.empty()) words_[size_ / kBits] = 0;
    count_ = 0;
    if (words_.size() * kBits <= size) words_.resize(size / kBits + 1);  // before size_ changes, because it may throw
    size_ = size;
    words_[size / kBits] |= std::uint32_t{1} << (size % kBits);  // stands for all ids that are no nodes: always visited
  }
  /// Returns those of `ids` that are nodes and unvisited, in their order, and marks them visited. Valid until the next
  /// call.
  std::span<const Id> filter_unvisited(std::span<const Id> ids);
  /// Whether `id` is visited, or no node.
  bool contains(Id id) const noexcept {
    const std::size_t bit = id < size_ ? id : size_;
    return (words_[bit / kBits] >> (bit % kBits)) & 1;
  }
  /// Marks `id` visited. True if it is a node and was unvisited.
  bool visit(Id id) {
    if (visited_.size() == count_) visited_.resize(2 * count_ + 1);
    const bool is_new = mark(id);
    visited_[count_] = id;
    count_ += is_new;
    return is_new;
  }

 private:
  /// As visit(), without the list. Without branches, which would be unpredictable.
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
  std::vector<Id> visited_;  // the first count_ entries are the visited nodes
  std::size_t count_ = 0;
};

/// The best candidates so far, best first, each marked when it is expanded.
class Beam {
 public:
  /// Empties the beam. It will keep the `width` best candidates and, if `relax` is over 0, also those at distance
  /// d <= w + |w| * relax, where w is the worst distance of the `width` best.
  void reset(std::size_t width, float relax) {
    entries_.clear();
    width_ = width;
    relax_ = relax;
    next_ = 0;
  }
  /// True if a candidate at `distance` should be inserted.
  bool admits(float distance) const noexcept {
    if (entries_.size() < width_) return true;
    return relax_ > 0 ? distance <= bound_ : distance < bound_;
  }
  /// True if the beam may still hold an inserted candidate at `distance`.
  bool keeps(float distance) const noexcept {
    return entries_.size() < width_ || distance <= (relax_ > 0 ? bound_ : entries_.back().distance);
  }
  /// Inserts a candidate that admits() accepts. A NaN, from scores beyond f32, counts as infinity.
  void insert(float distance, Id id);
  /// Marks the best unexpanded candidate as expanded and returns its id; kNoId if there is none.
  Id expand_next() noexcept {
    while (next_ < entries_.size() && (entries_[next_].id & kExpanded)) ++next_;
    if (next_ == entries_.size()) return kNoId;
    const Id id = entries_[next_].id;
    entries_[next_].id |= kExpanded;
    return id;
  }
  /// The id that expand_next() would return.
  Id peek_next() noexcept {
    while (next_ < entries_.size() && (entries_[next_].id & kExpanded)) ++next_;
    return next_ == entries_.size() ? kNoId : entries_[next_].id;
  }
  /// The entry that expand_next() would mark; null if there is none.
  const Candidate* next() noexcept { return peek_next() == kNoId ? nullptr : &entries_[next_]; }
  /// Ends the traversal: removes the marks, and returns the `width` best.
  const std::vector<Candidate>& finish() {
    if (entries_.size() > width_) entries_.resize(width_);
    for (Candidate& c : entries_) c.id &= ~kExpanded;
    return entries_;
  }
  const std::vector<Candidate>& entries() const noexcept { return entries_; }

 private:
  /// The place of a new candidate at `distance`: after all that are as close.
  std::size_t place_of(float distance) const noexcept;

  static constexpr Id kExpanded = Id{1} << 31;
  static_assert(kMaxSize < kExpanded);
  std::vector<Candidate> entries_;
  std::size_t width_ = 0;
  std::size_t next_ = 0;  // every entry before it has been expanded
  float relax_ = 0;
  float bound_ = 0;  // largest distance that is admitted, once there are width_ entries
};

struct Workspace {
  Beam beam;
  Visited visited;
  std::vector<Id> scratch;       // a decoded neighbour list
  std::vector<float> distances;  // of unvisited neighbours
  std::vector<Id> entries;       // entry points of the next traversal
};

}  // namespace cassata
