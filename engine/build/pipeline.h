// How a collection becomes the sections of an index file, one function for each kind of index.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "engine/build/graph_builder.h"
#include "engine/codes/codes.h"
#include "engine/graph/permutation.h"
#include "format/file_writer.h"
#include "format/input/stream.h"
#include "format/manifest.h"

namespace cassata {

/// Name of the section that holds the vectors as they were encoded.
inline constexpr std::string_view kRowsSection = "codes.rows";
/// And of the one that holds them as the second encoder of a build did.
inline constexpr std::string_view kRerankSection = "rerank.rows";
/// What a section of rows' name is followed by to name the one that tells where each begins, if their lengths differ.
inline constexpr std::string_view kOffsetsSuffix = ".offsets";

/// Streams the vectors' codes into the file.
void write_flat(VectorStream& vectors, const Encoder& encoder, const Progress& progress, FileWriter& writer);

/// Streams the vectors' codes into an unnamed file in `folder` for each of the one or two encoders, builds the graph over the first of these
/// files where it lies, orders the rows as `type` says, and writes graph and codes. Held in memory are the graph and one chunk of vectors.
GraphEntry write_graph(VectorStream& vectors, std::span<const std::unique_ptr<Encoder>> encoders, const GraphParams& params, GraphType type,
                       const std::filesystem::path& folder, FileWriter& writer);

}  // namespace cassata
