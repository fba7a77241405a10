// Neighbour lists. One class for each layout; traversals see them through `Adjacency` alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/types.h"
#include "format/file/section.h"

namespace cassata {

/// The neighbour lists of the nodes 0 to size() - 1. Immutable during a traversal; any number of threads.
class Adjacency {
 public:
  virtual ~Adjacency() = default;
  /// The neighbours of node `id`, in the graph's memory or in `scratch` (list_capacity() places). The caller skips
  /// numbers of size() or more: they are unused places, or come from a damaged file, whose lists may also exceed
  /// max_degree().
  std::span<const Id> neighbors(Id id, Id* scratch) const noexcept { return read(id, locate(id), scratch); }

  /// Prefetches the location of the list of `id`, which locate() reads. For nodes that may be expanded soon.
  virtual void prefetch_location(Id) const noexcept {}
  /// The first part of neighbors(): returns the list's bytes, and prefetches them.
  virtual std::span<const std::byte> locate(Id id) const noexcept = 0;
  /// The second part, to be called after other work: decodes the neighbours of `id` from the list that locate()
  /// returned.
  virtual std::span<const Id> read(Id id, std::span<const std::byte> list, Id* scratch) const noexcept = 0;
  /// Checks every rule of the format. Calls `reading` with each part before it is read. Throws Error(corrupt).
  virtual void verify(const Reading& = {}) const {}

  std::size_t size() const noexcept { return size_; }
  std::size_t max_degree() const noexcept { return max_degree_; }
  /// Places beyond max_degree() that a decoder may write.
  static constexpr std::size_t kListSlack = 32;
  /// Places that read() needs in `scratch`, also for lists of a damaged file.
  std::size_t list_capacity() const noexcept { return max_degree_ + kListSlack; }

 protected:
  Adjacency(std::size_t size, std::size_t max_degree) : size_(size), max_degree_(max_degree) {}

 private:
  std::size_t size_;
  std::size_t max_degree_;
};

/// Most nodes of a graph whose neighbour ids are u16: 0xFFFF marks unused places.
inline constexpr std::size_t kMaxNarrowSize = 0xFFFF;

/// Bytes of an id, 2 or 4, in a section that holds `count` ids of nodes below `size`. Small graphs have 4 bytes as well
/// in files of early versions. Throws Error(corrupt) if the section's length matches neither.
std::size_t id_bytes(const Section& section, std::uint64_t count, std::size_t size);

/// Rows of max_degree() ids, u16 or u32. Unused places at the end of a row hold 0xFFFF or kNoId. Rows have one length,
/// so that a list is found without a lookup of its location.
class RowAdjacency final : public Adjacency {
 public:
  /// Throws Error(corrupt) if the section's length is not that of `size` rows.
  RowAdjacency(const Section& section, std::size_t size, std::size_t max_degree)
      : RowAdjacency(section, 0, id_bytes(section, size * max_degree, size), size, max_degree) {}
  /// Rows of ids of `width` bytes from byte `offset` of `section` on. Requires that the section holds them.
  RowAdjacency(const Section& section, std::uint64_t offset, std::size_t width, std::size_t size,
               std::size_t max_degree)
      : Adjacency(size, max_degree), section_(section), offset_(offset), width_(width) {}
  std::span<const std::byte> locate(Id id) const noexcept override;
  std::span<const Id> read(Id id, std::span<const std::byte> list, Id* scratch) const noexcept override;
  void verify(const Reading& reading = {}) const override;

 private:
  const std::byte* row(Id id) const noexcept {
    return section_.bytes.data() + offset_ + std::size_t{id} * max_degree() * width_;
  }

  Section section_;
  std::uint64_t offset_;
  std::size_t width_;
};

/// Neighbour lists during a build.
class NeighborLists final : public Adjacency {
 public:
  NeighborLists(std::size_t size, std::size_t max_degree)
      : Adjacency(size, max_degree), own_(size * max_degree), ids_(own_), counts_(size) {}
  /// In borrowed memory for size * max_degree ids.
  NeighborLists(std::size_t size, std::size_t max_degree, std::span<Id> memory)
      : Adjacency(size, max_degree), ids_(memory), counts_(size) {}
  /// The copy owns its memory.
  NeighborLists(const NeighborLists& other)
      : Adjacency(other), own_(other.ids_.begin(), other.ids_.end()), ids_(own_), counts_(other.counts_) {}
  NeighborLists(NeighborLists&&) noexcept = default;
  std::span<const std::byte> locate(Id id) const noexcept override;
  std::span<const Id> read(Id id, std::span<const std::byte> list, Id* scratch) const noexcept override;

  std::span<const Id> list(Id id) const noexcept { return {ids_.data() + id * max_degree(), counts_[id]}; }
  /// Replaces the list of `id`. Requires at most max_degree() ids.
  void assign(Id id, std::span<const Id> list) noexcept {
    std::copy(list.begin(), list.end(), ids_.begin() + static_cast<std::ptrdiff_t>(id * max_degree()));
    counts_[id] = static_cast<std::uint16_t>(list.size());
  }
  /// Requires fewer than max_degree() ids in the list of `id`.
  void append(Id id, Id neighbor) noexcept { ids_[id * max_degree() + counts_[id]++] = neighbor; }

 private:
  std::vector<Id> own_;
  std::span<Id> ids_;  // own_, or borrowed memory
  std::vector<std::uint16_t> counts_;
};

}  // namespace cassata
