// How a collection becomes the sections of an index file, one function for each kind of index.
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

/// Name of the section that holds the vectors as they were encoded.
inline constexpr std::string_view kRowsSection = "codes.rows";
/// And of the one that holds them as the second encoder of a build did.
inline constexpr std::string_view kRerankSection = "rerank.rows";
/// What a section of rows' name is followed by to name the one that tells where each begins, if their lengths differ.
inline constexpr std::string_view kOffsetsSuffix = ".offsets";

/// What follows it to name the one with what an encoder learned.
inline constexpr std::string_view kModelSuffix = ".model";

/// The encoders of a build. Those that learn do so from the codes of the first, and are given these to encode; the
/// others are given the stream's vectors.
struct BuildEncoders {
  std::vector<std::unique_ptr<Encoder>> all;
  std::vector<std::size_t>
      stored;  ///< numbers of those whose codes come into the file: of the first codes, and the second
  std::optional<std::size_t> links = {};  ///< number of the one for neighbours' codes, where the graph is in pages
  std::size_t traversal = 0;              ///< number of the one by whose codes a graph's builder looks for neighbours
  std::size_t pruning = 0;                ///< and of the one by whose codes it chooses among those it found
};

/// Streams the vectors' codes into the file.
void write_flat(VectorStream& vectors, const Encoder& encoder, const Progress& progress, FileWriter& writer);

/// Streams the vectors' codes into a file for each of the encoders, builds the graph over these files where they lie,
/// orders the rows as `type` says, and writes graph and codes. Held in memory are the graph, while rows are ordered two
/// more of its size, and one chunk of vectors. With a `budget` of bytes, other than 0, the graph is built in regions
/// (region_build.h) that fit into it, and so are rows ordered.
GraphEntry write_graph(VectorStream& vectors, const BuildEncoders& encoders, const GraphParams& params, GraphType type,
                       std::uint64_t budget, WorkFiles& files, FileWriter& writer);

/// The vectors' codes by id, for each of the encoders, i, in file(i).
std::vector<StagingFile> stage_all(VectorStream& vectors, std::span<const std::unique_ptr<Encoder>> encoders,
                                   const GraphParams& params, const std::function<PendingFile(std::size_t i)>& file);
/// The codes by which a graph is built: those that are walked, and those by which neighbours are chosen.
struct BuildCodes {
  BuildCodes(const BuildEncoders& encoders, std::span<const StagingFile> staged, std::uint64_t size);
  const Codes& traversal() const { return traversal_ ? *traversal_ : *pruning_; }
  const Codes& pruning() const { return *pruning_; }

 private:
  std::unique_ptr<Codes> pruning_, traversal_;  // the second only if it is another
};

}  // namespace cassata
