#include "engine/index/build_index.h"

#include <algorithm>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "cassata/parameters.h"
#include "engine/build/region_build.h"
#include "engine/index/build_encoders.h"
#include "engine/index/build_kind.h"
#include "engine/index/normalize.h"
#include "engine/index/schema_rules.h"
#include "engine/index/self_check.h"
#include "engine/kernels/dense_distance.h"
#include "engine/payload/checked_payload.h"
#include "engine/payload/stored_documents.h"
#include "format/base/text.h"
#include "format/file/file_writer.h"
#include "format/file/sections.h"
#include "format/os/memory.h"

namespace cassata {
namespace {

void check_budget(const BuildParams& params, const VectorStream& vectors, const std::filesystem::path& path) {
  const std::uint64_t budget = params.memory_budget;
  if (params.resume && budget == 0)
    invalid_argument("resume: given without memory_budget, expected both: only such builds can be resumed");
  if (params.resume && path.empty())
    invalid_argument("resume: given without a path, expected one: work files of an interrupted build lie beside it");
  if (budget == 0) return;
  if (params.schema.kind != Kind::graph)
    invalid_argument("memory_budget: given for kind '" + std::string(name_of(params.schema.kind)) + "', expected '" +
                     std::string(name_of(Kind::graph)) + "'");
  const std::size_t encodings = params.schema.second ? 2 : 1;
  if (const std::uint64_t least =
          least_budget(vectors.size(), vectors.vector_kind() == VectorKind::sparse ? encodings : 0);
      budget < least)
    invalid_argument("memory_budget: " + bytes_text(budget) + " given, expected at least " + bytes_text(least) +
                     " for " + std::to_string(vectors.size()) + " vectors");
}

/// Throws Error(invalid_argument) unless an index of `vectors` can be built with `params`.
void check_build(const VectorStream& vectors, const BuildParams& params, const std::filesystem::path& path) {
  params.check();
  if (vectors.size() == 0) invalid_argument(vectors.name() + ": 0 vectors, expected at least 1");
  if (vectors.size() > kMaxSize)
    invalid_argument(vectors.name() + ": " + std::to_string(vectors.size()) + " vectors, expected at most " +
                     std::to_string(kMaxSize));
  if (vectors.vector_kind() == VectorKind::dense && (vectors.dim() == 0 || vectors.dim() > kMaxDim))
    invalid_argument(vectors.name() + ": dim is " + std::to_string(vectors.dim()) + ", expected 1 to " +
                     std::to_string(kMaxDim));
  if (params.schema.has(Role::maxsim))
    invalid_argument(
        "role: maxsim given for a build, expected another role; Index::join() adds token vectors to an index");
  if (const std::string problem = problem_with(params.schema); !problem.empty()) invalid_argument(problem);
  check_budget(params, vectors, path);
  if (std::error_code none; vectors.is_file() && std::filesystem::equivalent(vectors.name(), path, none))
    invalid_argument("path: " + path.string() + " is the input, which the index would replace");
}

/// The parameters of a build as text, for the provenance, and for the comparison by a resumed build.
std::vector<std::pair<std::string, std::string>> described(const BuildParams& params) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, value] : recorded(params)) out.emplace_back(name, value_text(value));
  return out;
}

/// `params` with what depends on the vectors: the subspaces of product quantization in two stages, unless given.
BuildParams completed(BuildParams params, const VectorStream& vectors) {
  IndexSchema& schema = params.schema;
  schema.vector_kind = vectors.vector_kind();
  if (schema.first.encoding == Encoding::pq && schema.first.code.m_pq == 0 && schema.second)
    schema.first.code.m_pq =
        static_cast<std::uint32_t>(std::min<std::size_t>(CodeParams::kUsualSubspaces, vectors.dim()));
  return params;
}

/// The work files of a build.
std::unique_ptr<WorkFiles> work_files(const VectorStream& vectors, const BuildParams& params,
                                      const CheckedPayload& payload, const std::filesystem::path& path,
                                      const FileWriter& writer) {
  if (params.memory_budget == 0 || path.empty()) return std::make_unique<WorkFiles>(writer.folder());
  std::string what = "cassata " + std::string(library_version()) + "\nbuild " + std::to_string(kRegionBuildVersion) +
                     "\nsimd " + std::string(simd_target()) + "\nvectors " + std::to_string(vectors.size()) +
                     " of dimension " + std::to_string(vectors.dim()) + " in " + vectors.name() + "\n";
  if (payload.hash() != 0) what += "payload " + hex(payload.hash()) + "\n";
  for (const auto& [name, value] : described(params)) what += name + " " + value + "\n";
  return std::make_unique<WorkFiles>(path, what, params.resume);
}

BuiltParts build_parts(const BuildTask& task) {
  switch (task.params.schema.kind) {
    case Kind::flat: return build_flat(task);
    case Kind::graph: return build_graph(task);
    case Kind::postings: return build_lists(task);
  }
  return {};
}

}  // namespace

std::shared_ptr<const MappedFile> build_file(VectorStream& vectors, const BuildParams& given,
                                             const std::filesystem::path& path, const CheckBuild& check) {
  const BuildParams params = completed(given, vectors);
  const IndexSchema& schema = params.schema;
  check_build(vectors, params, path);
  const CheckedPayload payload(params.payload, vectors.size());
  FileWriter writer(path, params.replace);
  const std::unique_ptr<WorkFiles> files = work_files(vectors, params, payload, path, writer);
  // Read first: faults of the documents are found before the build.
  std::optional<StagedDocuments> documents;
  if (params.documents) documents.emplace(*params.documents, vectors.size(), writer.folder(), params.progress);
  std::unique_ptr<VectorStream> holder;
  SampledStream sampled(stream_for(schema.metric, vectors, holder));
  BuiltParts parts = build_parts({sampled, params, encoders_of(params, vectors.dim()), *files, writer});
  Manifest manifest{.schema = schema,
                    .size = vectors.size(),
                    .dim = static_cast<std::uint32_t>(vectors.dim()),
                    .first_section = std::string(kRowsSection),
                    .second_section = std::string(schema.second ? kRerankSection : ""),
                    .graph = std::move(parts.graph),
                    .provenance = {.library_version = std::string(library_version()),
                                   .inputs = {vectors.entry()},
                                   .parameters = described(params)},
                    .postings = parts.postings,
                    .ef_search = params.ef_search};
  payload.write(writer, manifest);
  if (documents) {
    manifest.documents = documents->write(params.num_threads, params.progress, writer);
    manifest.provenance.inputs.push_back(documents->input());
    documents.reset();
  }
  const auto amend = [&](const std::shared_ptr<const MappedFile>& opened, Manifest& amended) {
    amended.provenance.self_check = check(opened, sampled.sample());
  };
  auto file = writer.finish(std::move(manifest), schema.kind == Kind::flat ? FileWriter::Check() : amend);
  files->drop();
  return file;
}

}  // namespace cassata
