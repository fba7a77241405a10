// Turns a collection into the sections of an index file, with one function for each kind of index.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/stream.h"
#include "engine/build/graph_builder.h"
#include "engine/build/staging.h"
#include "engine/build/work_files.h"
#include "engine/codec/codes.h"
#include "engine/graph/row_order.h"
#include "format/file/file_writer.h"

namespace cassata {

/// The encoders of a build. Trained encoders learn from the codes of encoder 0 and encode these; the others encode the
/// vectors of the stream.
struct BuildEncoders {
  std::vector<std::unique_ptr<Encoder>> all;
  std::vector<std::size_t> stored;        ///< indices of those whose codes the file holds: first and second codes
  std::optional<std::size_t> links = {};  ///< index of the one for the codes of links; paged graphs only
  std::size_t traversal = 0;              ///< index of the one by whose codes a build searches for candidates
  std::size_t pruning = 0;                ///< index of the one by whose codes it selects neighbours among them
};

/// Streams the codes of the vectors into the file.
void write_flat(VectorStream& vectors, const Encoder& encoder, const Progress& progress, FileWriter& writer);

/// Streams the codes of the vectors into one staging file per encoder, builds the graph over these mapped files, orders
/// the rows as `type` requires, and writes graph and codes. Memory holds the graph, two more of its size while rows are
/// reordered, and one chunk of vectors. With a `budget` in bytes (0: none), the graph is built and the rows are
/// reordered in regions that fit into it (region_build.h).
GraphEntry write_graph(VectorStream& vectors, const BuildEncoders& encoders, const GraphBuildParams& params,
                       GraphType type, std::uint64_t budget, WorkFiles& files, FileWriter& writer);

/// Encodes the vectors with each of the encoders: the codes of encoder i, in the order of ids, go to file(i).
std::vector<StagingFile> stage_all(VectorStream& vectors, std::span<const std::unique_ptr<Encoder>> encoders,
                                   const GraphBuildParams& params,
                                   const std::function<PendingFile(std::size_t i)>& file);

/// The codes by which a graph is built: traversal codes find candidates, pruning codes select neighbours among them.
struct BuildCodes {
  BuildCodes(const BuildEncoders& encoders, std::span<const StagingFile> staged, std::uint64_t size);
  const Codes& traversal() const { return traversal_ ? *traversal_ : *pruning_; }
  const Codes& pruning() const { return *pruning_; }

 private:
  std::unique_ptr<Codes> pruning_, traversal_;  // traversal_ is null if the pruning codes serve for both
};

}  // namespace cassata
