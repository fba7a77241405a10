#include "tools/build_report.h"

#include <chrono>
#include <cstdio>
#include <memory>

#include "cassata/stream.h"
#include "format/file/mapped_file.h"
#include "tools/describe.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

constexpr char kLowRecallAdvice[] = "a larger -m, --ef-construction or ef_search, or finer codes, raise it";

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

void build_and_report(const std::function<Index(const Progress&)>& build, const BuildReport& report) {
  const Progress progress = progress_bar(report.quiet);
  const auto start = std::chrono::steady_clock::now();
  const Index index = build(progress);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (const auto& check = index.manifest().provenance.self_check; check && check->recall() < SelfCheck::kLow)
    std::fprintf(stderr, "cassata build: warning: recall@%u of a sample is %s with default parameters; %s\n", check->k,
                 fixed(check->recall(), 3).c_str(), kLowRecallAdvice);
  if (report.json) {
    print(summary_json(index, seconds, report.more));
  } else if (!report.quiet) {
    print(summary(index, seconds));
  }
}

void build_and_report(const BuildInput& input, BuildParams params, const std::string& output,
                      const BuildReport& report) {
  build_and_report(
      [&](const Progress& progress) {
        params.progress = progress;
        return Index::build(*input.vectors(), params, output);
      },
      report);
}

}  // namespace cassata::tools
