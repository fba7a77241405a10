// How a collection becomes the sections of an index file, one function for each kind of index.
#pragma once

#include <filesystem>
#include <string_view>

#include "engine/build/graph_builder.h"
#include "engine/codes/codes.h"
#include "format/file_writer.h"
#include "format/input/stream.h"
#include "format/manifest.h"

namespace cassata {

/// Name of the section that holds the vectors as they were encoded.
inline constexpr std::string_view kRowsSection = "codes.rows";
/// What a section of rows' name is followed by to name the one that tells where each begins, if their lengths differ.
inline constexpr std::string_view kOffsetsSuffix = ".offsets";

/// And of the one that holds the rows' ids, where rows do not stand in their order: n x u32.
inline constexpr std::string_view kIdsSection = "ids";

/// Streams the vectors' codes into the file.
void write_flat(VectorStream& vectors, const Encoder& encoder, const Progress& progress, FileWriter& writer);

/// Streams the vectors' codes into an unnamed file in `folder`, builds the graph over that file where it lies, orders the rows as `type`
/// says, and writes graph and codes. Held in memory are the graph and one chunk of vectors.
GraphEntry write_graph(VectorStream& vectors, const Encoder& encoder, const GraphParams& params, GraphType type, const std::filesystem::path& folder,
                       FileWriter& writer);

}  // namespace cassata
