// Who is next to whom. One layout per class; a walk sees only `Adjacency`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/section.h"
#include "format/types.h"

namespace cassata {

/// The neighbour lists of the nodes 0 to size() - 1. Immutable while it is walked; any number of threads.
class Adjacency {
 public:
  virtual ~Adjacency() = default;
  /// The neighbours of node `id`, at most max_degree() of them. They lie in the graph's memory or in `scratch` (max_degree() places).
  /// In a damaged file they may be any numbers: the walk checks them.
  virtual std::span<const Id> neighbors(Id id, Id* scratch) const noexcept = 0;
  /// Starts to fetch the list of node `id`.
  virtual void prefetch(Id id) const noexcept = 0;

  std::size_t size() const noexcept { return size_; }
  std::size_t max_degree() const noexcept { return max_degree_; }

 protected:
  Adjacency(std::size_t size, std::size_t max_degree) : size_(size), max_degree_(max_degree) {}

 private:
  std::size_t size_;
  std::size_t max_degree_;
};

/// Lists one behind the other.
///
///   offsets   (n + 1) u64   not falling, the first 0, the last the number of edges
///   edges     u32           node i's neighbours are edges[offsets[i]] to edges[offsets[i + 1] - 1]
class OffsetAdjacency final : public Adjacency {
 public:
  /// Throws Error(corrupt) if the sections' lengths do not fit.
  OffsetAdjacency(const Section& offsets, const Section& edges, std::uint64_t size, std::size_t max_degree);
  std::span<const Id> neighbors(Id id, Id* scratch) const noexcept override;
  void prefetch(Id id) const noexcept override;
  /// Checks every offset and id. Throws Error(corrupt).
  void verify() const;

 private:
  Section offsets_section_, edges_section_;
  std::span<const std::uint64_t> offsets_;
  std::span<const Id> edges_;
};

/// A row of max_degree ids for each node; unused places, at its end, hold kNoId.
class RowAdjacency final : public Adjacency {
 public:
  RowAdjacency(std::span<const Id> rows, std::size_t size, std::size_t max_degree) : Adjacency(size, max_degree), rows_(rows) {}
  std::span<const Id> neighbors(Id id, Id* scratch) const noexcept override;
  void prefetch(Id id) const noexcept override;

 private:
  std::span<const Id> rows_;
};

/// Lists under construction.
class NeighborLists final : public Adjacency {
 public:
  NeighborLists(std::size_t size, std::size_t max_degree) : Adjacency(size, max_degree), ids_(size * max_degree), counts_(size) {}
  std::span<const Id> neighbors(Id id, Id*) const noexcept override { return list(id); }
  void prefetch(Id id) const noexcept override;

  std::span<const Id> list(Id id) const noexcept { return {ids_.data() + id * max_degree(), counts_[id]}; }
  /// At most max_degree() ids.
  void assign(Id id, std::span<const Id> list) noexcept {
    std::copy(list.begin(), list.end(), ids_.begin() + static_cast<std::ptrdiff_t>(id * max_degree()));
    counts_[id] = static_cast<std::uint16_t>(list.size());
  }

 private:
  std::vector<Id> ids_;
  std::vector<std::uint16_t> counts_;
};

}  // namespace cassata
