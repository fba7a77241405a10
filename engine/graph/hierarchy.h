// The upper layers of a hierarchical graph (Malkov and Yashunin, TPAMI 2020): ever fewer nodes, to come close to a
// query in few steps.
//
// Nodes are ordered by their highest level, highest first, then by id. So the nodes of a level are the first
// level_sizes[l - 1] of level 1's, and a node has the same position on every level that it stands on. Position 0 is the
// entry point.
//
//   nodes   u32   level_sizes[0] ids
//   edges         for level 1, 2, ...: level_sizes[l - 1] rows of m positions, all u16 where level 1 has at most 65,535
//   nodes, else u32;
//                 unused places, at the end of a row, have all bits set
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/types.h"
#include "engine/graph/adjacency.h"
#include "format/file/section.h"

namespace cassata {

inline constexpr std::string_view kUpperNodesSection = "graph.upper_nodes";
inline constexpr std::string_view kUpperEdgesSection = "graph.upper_edges";

/// Which nodes stand on the upper layers. It depends on `size` and `m` alone.
struct LevelAssignment {
  std::vector<Id> nodes;             ///< those of level 1, highest level first, then by id
  std::vector<std::uint64_t> sizes;  ///< nodes on level 1, 2, ...; each at least 1
};

/// A node stands on level l and above with probability m^-l.
LevelAssignment assign_levels(std::uint64_t size, std::uint32_t m);

/// The upper layers as they lie in a file. Without any, the entry point is node 0.
class UpperLayers {
 public:
  /// Throws Error(corrupt) if the sections' lengths or the sizes are not what they must be.
  UpperLayers(const Section& nodes, const Section& edges, std::span<const std::uint64_t> sizes, std::uint32_t m,
              std::uint64_t base_size);

  /// Level 1, 2, ...; their nodes are positions.
  std::span<const RowAdjacency> levels() const noexcept { return levels_; }
  /// The ids that positions stand for.
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
