// The upper layers of HNSW (Malkov and Yashunin, TPAMI 2020): each has fewer nodes than the one below, so that a
// descent comes close to a query in few hops.
//
// Nodes are ordered by their highest level, highest first, then by id. The nodes of level l are therefore the first
// level_sizes[l - 1] nodes of level 1, and a node has the same position on all its levels. Position 0 is the entry
// point.
//
//   nodes   u32   level_sizes[0] ids
//   edges         for level 1, 2, ...: level_sizes[l - 1] rows of m positions, u16 if level 1 has at most 65,535 nodes,
//                 else u32; unused places at the end of a row have all bits set
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/types.h"
#include "engine/graph/adjacency.h"
#include "format/file/section.h"

namespace cassata {

/// The nodes of the upper layers.
struct LevelAssignment {
  std::vector<Id> nodes;             ///< the nodes of level 1, highest level first, then by id
  std::vector<std::uint64_t> sizes;  ///< number of nodes on level 1, 2, ...; each at least 1
};

/// Assigns a node to level l or above with probability m^-l. The result depends on `size` and `m` alone.
LevelAssignment assign_levels(std::uint64_t size, std::uint32_t m);

/// The upper layers in a file. If there are none, the entry point is node 0.
class UpperLayers {
 public:
  /// `base_size` is the number of nodes of the base layer. Throws Error(corrupt) if `sizes` increase, or do not match
  /// the sections' lengths.
  UpperLayers(const Section& nodes, const Section& edges, std::span<const std::uint64_t> sizes, std::uint32_t m,
              std::uint64_t base_size);

  /// The layers from level 1 on. Their nodes are positions.
  std::span<const RowAdjacency> levels() const noexcept { return levels_; }
  /// The ids of nodes, by position.
  std::span<const Id> nodes() const noexcept { return nodes_; }
  /// Checks every id and position. Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading = {}) const;

 private:
  Section nodes_section_;
  std::span<const Id> nodes_;
  std::vector<RowAdjacency> levels_;
  std::uint64_t base_size_;
};

}  // namespace cassata
