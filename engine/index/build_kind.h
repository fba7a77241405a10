// The build of each kind of index: from a stream of vectors to the sections of a file.
#pragma once

#include <optional>

#include "cassata/manifest.h"
#include "cassata/params.h"
#include "cassata/stream.h"
#include "engine/build/pipeline.h"
#include "engine/build/work_files.h"
#include "format/file/file_writer.h"

namespace cassata {

/// Inputs and outputs of a build, which writes sections.
struct BuildTask {
  VectorStream& vectors;
  const BuildParams& params;
  BuildEncoders encoders;
  WorkFiles& files;
  FileWriter& writer;
};

/// Manifest entries of the sections that were written.
struct BuiltParts {
  std::optional<GraphEntry> graph = {};
  std::optional<PostingsEntry> postings = {};
};

BuiltParts build_flat(const BuildTask& task);
BuiltParts build_graph(const BuildTask& task);
/// Writes inverted lists; for kind flat, those that exact search needs.
BuiltParts build_lists(const BuildTask& task);

}  // namespace cassata
