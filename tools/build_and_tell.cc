#include "tools/build_and_tell.h"

#include <chrono>
#include <memory>

#include "engine/index.h"
#include "format/input/stream.h"
#include "tools/describe.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

std::string summary(const Index& index, double seconds) {
  const double rate = static_cast<double>(index.size()) / seconds;
  return printable(index.file().path()) + ": " + std::string(index.class_name()) + " of " + grouped(index.size()) + " vectors, dim " +
         std::to_string(index.dim()) + ", " + size_text(index.file().header().file_length) + ", built in " + fixed(seconds, 1) + " s (" +
         grouped(static_cast<std::uint64_t>(rate)) + " rows/s)\n";
}

std::string summary_json(const Index& index, double seconds, const nlohmann::ordered_json& more) {
  nlohmann::ordered_json json = describe_briefly(index);
  json["seconds"] = seconds;
  json["rows_per_second"] = static_cast<double>(index.size()) / seconds;
  json.update(more);
  return to_text(json);
}

}  // namespace

void build_and_tell(const std::string& input, BuildParams params, const std::string& output, const Telling& telling) {
  params.progress = progress_bar(telling.quiet);
  const auto start = std::chrono::steady_clock::now();
  const std::unique_ptr<VectorStream> vectors = open_vectors(input);
  const Index index = Index::build(*vectors, params, output);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (telling.json) {
    print(summary_json(index, seconds, telling.more));
  } else if (!telling.quiet) {
    print(summary(index, seconds));
  }
}

}  // namespace cassata::tools
