// Memory-bounded build: inserts the vectors region by region.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/build/graph_builder.h"
#include "engine/build/pipeline.h"
#include "engine/build/staging.h"
#include "engine/build/work_files.h"

namespace cassata {

/// A built graph and its encoded vectors, before they are written to the index file.
struct GraphParts {
  Mapping lists = {};  ///< memory of the base layer's lists; empty if the graph owns it
  BuiltGraph graph;
  std::vector<StagingFile> staged;       ///< one for each encoder
  std::vector<Id> rows;                  ///< node -> row in the staging files
  std::vector<std::vector<Id>> regions;  ///< the nodes of each region; one region if all fit into memory
};

/// Increases with every change to what a memory-bounded build does, so that no build resumes work of another version.
inline constexpr int kRegionBuildVersion = 5;

/// Smallest budget in bytes: the memory that such a build needs for any budget. `size` is the number of vectors,
/// `uneven_encodings` the number of encodings whose rows differ in length.
std::uint64_t least_budget(std::uint64_t size, std::size_t uneven_encodings = 0);

/// Builds the graph in about `budget` bytes of memory. First inserts the vectors of the upper layers. Assigns every
/// other vector to a node of layer 1 near it, orders these nodes so that neighbours lie close together
/// (graph_reorder.h), sorts the vectors by that order into mapped files, and cuts them into regions that fit into
/// memory. Then inserts region by region, whose vectors and lists lie together on disk. If `files` are named, they keep
/// the work done, and a resumed build continues from it. Throws Error: invalid_argument (the input differs from that of
/// the build to resume), corrupt (work files), io.
GraphParts build_in_regions(VectorStream& vectors, const BuildEncoders& encoders, const GraphBuildParams& params,
                            std::uint64_t budget, WorkFiles& files);

}  // namespace cassata
