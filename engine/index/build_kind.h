// How each kind of index comes to be: from a stream of vectors to the sections of a file.
#pragma once

#include <optional>

#include "cassata/manifest.h"
#include "cassata/params.h"
#include "cassata/stream.h"
#include "engine/build/pipeline.h"
#include "engine/build/work_files.h"
#include "format/file/file_writer.h"

namespace cassata {

/// What a build works on; it writes sections.
struct BuildTask {
  VectorStream& vectors;
  const BuildParams& params;
  BuildEncoders encoders;
  WorkFiles& files;
  FileWriter& writer;
};

/// What the manifest says of the sections that were written.
struct BuiltParts {
  std::optional<GraphEntry> graph = {};
  std::optional<PostingsEntry> postings = {};
};

BuiltParts build_flat(const BuildTask& task);
BuiltParts build_graph(const BuildTask& task);
/// Inverted lists; such as exact search needs where the kind is flat.
BuiltParts build_lists(const BuildTask& task);

}  // namespace cassata
