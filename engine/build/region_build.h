// A graph over vectors that do not fit into memory: inserted region by region.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/build/graph_builder.h"
#include "engine/build/pipeline.h"
#include "engine/build/staging.h"
#include "engine/build/work_files.h"

namespace cassata {

/// A graph and the vectors that it is over, on their way to a file.
struct GraphParts {
  Mapping lists = {};  ///< memory of the base layer's lists, if these are not in the graph's own
  BuiltGraph graph;
  std::vector<StagingFile> staged;       ///< of each of the encoders
  std::vector<Id> rows;                  ///< number in these of each node
  std::vector<std::vector<Id>> regions;  ///< nodes that lie together; more than one where not all fit into memory
};

/// Rises with whatever changes what such a build does, so that none goes on where another version left off.
inline constexpr int kRegionBuildVersion = 4;

/// Bytes that a build in regions holds whatever the budget, for so many vectors, stored as so many encodings whose rows
/// differ in length.
std::uint64_t least_budget(std::uint64_t size, std::size_t uneven_encodings = 0);

/// Builds the graph with about `budget` bytes of memory. The vectors of the upper layers are inserted first. Every
/// other one belongs to that of level 1 which it is close to; these are ordered so that neighbours lie close together
/// (reorder.h), and the vectors with them, which are cut to regions that fit into memory. All is in mapped files in
/// that order. Region by region is inserted: what that reads lies together. What was done is kept in `files`, if these
/// are named, and not done again.
GraphParts build_in_regions(VectorStream& vectors, const BuildEncoders& encoders, const GraphParams& params,
                            std::uint64_t budget, WorkFiles& files);

}  // namespace cassata
