#include "tools/build_report.h"

#include <chrono>
#include <cstdio>
#include <memory>

#include "cassata/stream.h"
#include "format/file/mapped_file.h"
#include "tools/describe.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

constexpr char kLowRecallAdvice[] = "a larger -m, --ef-construction, ef_search or more exact codes raise it";

std::string summary(const Index& index, double seconds) {
  const double rate = static_cast<double>(index.size()) / seconds;
  return printable(index.file().path()) + ": " + std::string(index.class_name()) + " of " + grouped(index.size()) +
         " vectors, dim " + std::to_string(index.dim()) + ", " + size_text(index.file().header().file_length) +
         ", built in " + fixed(seconds, 1) + " s (" + grouped(static_cast<std::uint64_t>(rate)) + " rows/s)\n";
}

std::string summary_json(const Index& index, double seconds, const nlohmann::ordered_json& more) {
  nlohmann::ordered_json json = describe_briefly(index);
  json["seconds"] = seconds;
  json["rows_per_second"] = static_cast<double>(index.size()) / seconds;
  json.update(more);
  return to_text(json);
}

}  // namespace

void build_and_tell(const std::function<Index(const Progress&)>& build, const Telling& telling) {
  const Progress progress = progress_bar(telling.quiet);
  const auto start = std::chrono::steady_clock::now();
  const Index index = build(progress);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (const auto& check = index.manifest().provenance.self_check; check && check->recall() < SelfCheck::kLow)
    std::fprintf(stderr, "cassata build: warning: recall@%u of a sample is %s by default parameters; %s\n", check->k,
                 fixed(check->recall(), 3).c_str(), kLowRecallAdvice);
  if (telling.json) {
    print(summary_json(index, seconds, telling.more));
  } else if (!telling.quiet) {
    print(summary(index, seconds));
  }
}

void build_and_tell(const std::string& input, BuildParams params, const std::string& output, const Telling& telling) {
  build_and_tell(
      [&](const Progress& progress) {
        params.progress = progress;
        return Index::build(*open_vectors(input), params, output);
      },
      telling);
}

}  // namespace cassata::tools
