// Who is next to whom. One layout per class; a walk sees only `Adjacency`.
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

/// Section of the base layer's lists.
inline constexpr std::string_view kEdgesSection = "graph.edges";

/// The neighbour lists of the nodes 0 to size() - 1. Immutable while it is walked; any number of threads.
class Adjacency {
 public:
  virtual ~Adjacency() = default;
  /// The neighbours of node `id`, in the graph's memory or in `scratch` (list_capacity() places). Numbers that are not
  /// below size() are none: unused places, or whatever a damaged file holds, where a list may also be longer than
  /// max_degree(); the walk passes them over.
  std::span<const Id> neighbors(Id id, Id* scratch) const noexcept { return read(id, locate(id), scratch); }

  /// Starts to fetch what `locate` reads, for nodes that may be expanded soon.
  virtual void prefetch_location(Id) const noexcept {}
  /// `neighbors` in two parts: where the list of `id` lies, which starts to be fetched;
  virtual std::span<const std::byte> locate(Id id) const noexcept = 0;
  /// and once other work is done, the neighbours.
  virtual std::span<const Id> read(Id id, std::span<const std::byte> list, Id* scratch) const noexcept = 0;
  /// Checks all that a file's bytes must be. Calls `reading` with each part before it is read. Throws Error(corrupt).
  virtual void verify(const Reading& = {}) const {}

  std::size_t size() const noexcept { return size_; }
  std::size_t max_degree() const noexcept { return max_degree_; }
  /// The most numbers that a list has, whatever the bytes, and that are written on the way.
  static constexpr std::size_t kListSlack = 32;
  std::size_t list_capacity() const noexcept { return max_degree_ + kListSlack; }

 protected:
  Adjacency(std::size_t size, std::size_t max_degree) : size_(size), max_degree_(max_degree) {}

 private:
  std::size_t size_;
  std::size_t max_degree_;
};

/// Graphs of up to so many nodes have their neighbours' ids as u16: 0xFFFF is none of them.
inline constexpr std::size_t kMaxNarrowSize = 0xFFFF;

/// Bytes of an id in a section that holds `count` ids of nodes below `size`: 2 or 4; files that were written before
/// there were narrow ones have 4. Throws Error(corrupt) if the section's length is neither's.
std::size_t id_bytes(const Section& section, std::uint64_t count, std::size_t size);

/// Rows of max_degree() ids; the unused places at a row's end hold kNoId, or 0xFFFF among narrow ones. Of one length,
/// so that a list's place is known without a look-up.
class RowAdjacency final : public Adjacency {
 public:
  /// Throws Error(corrupt) if the section's length is not that of `size` rows.
  RowAdjacency(const Section& section, std::size_t size, std::size_t max_degree)
      : RowAdjacency(section, 0, id_bytes(section, size * max_degree, size), size, max_degree) {}
  /// Rows of ids of `width` bytes from byte `offset` of `section` on, which has as many.
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

/// Lists under construction.
class NeighborLists final : public Adjacency {
 public:
  NeighborLists(std::size_t size, std::size_t max_degree)
      : Adjacency(size, max_degree), own_(size * max_degree), ids_(own_), counts_(size) {}
  /// In borrowed memory for size * max_degree ids.
  NeighborLists(std::size_t size, std::size_t max_degree, std::span<Id> memory)
      : Adjacency(size, max_degree), ids_(memory), counts_(size) {}
  /// In its own memory.
  NeighborLists(const NeighborLists& other)
      : Adjacency(other), own_(other.ids_.begin(), other.ids_.end()), ids_(own_), counts_(other.counts_) {}
  NeighborLists(NeighborLists&&) noexcept = default;
  std::span<const std::byte> locate(Id id) const noexcept override;
  std::span<const Id> read(Id id, std::span<const std::byte> list, Id* scratch) const noexcept override;

  std::span<const Id> list(Id id) const noexcept { return {ids_.data() + id * max_degree(), counts_[id]}; }
  /// At most max_degree() ids.
  void assign(Id id, std::span<const Id> list) noexcept {
    std::copy(list.begin(), list.end(), ids_.begin() + static_cast<std::ptrdiff_t>(id * max_degree()));
    counts_[id] = static_cast<std::uint16_t>(list.size());
  }
  /// Requires a free place in the list of `id`.
  void append(Id id, Id neighbor) noexcept { ids_[id * max_degree() + counts_[id]++] = neighbor; }

 private:
  std::vector<Id> own_;
  std::span<Id> ids_;  // own_, or borrowed
  std::vector<std::uint16_t> counts_;
};

}  // namespace cassata
