// cassata build --target-recall: tries candidates on a sample, prints the reasons for the chosen one, and builds it.
#include "cassata/recommend.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "format/file/file_writer.h"
#include "tools/build_input.h"
#include "tools/build_report.h"
#include "tools/command.h"
#include "tools/describe.h"
#include "tools/document_files.h"
#include "tools/payload_files.h"
#include "tools/table.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

using Json = nlohmann::ordered_json;

struct RecommendChoices {
  std::string input, output, queries;
  FilterChoices filter;
  PayloadFiles payload;
  DocumentFile documents;
  bool quiet = false, json = false;
  Given<RecommendParams> given{recommend_parameters()};
  ReplaceParams replace;
};

CommandLine line_of(RecommendChoices& choices) {
  CommandLine line("build INPUT -o OUTPUT --target-recall N [OPTIONS]",
                   "Builds the fastest index that is expected to reach a recall within a bound of memory. Every "
                   "candidate for such vectors is built over a\n"
                   "sample and over a quarter of it, and measured; the change of recall, speed and bytes between the "
                   "two is extrapolated to all of INPUT,\n"
                   "which is read twice. Speed is measured on this machine, on one thread: on a busy machine the "
                   "choice may differ.");
  line.argument("INPUT", choices.input);
  line.option("output,o", "FILE", "", "the index file to write",
              [&](const std::string& text) { choices.output = text; });
  line.parameters(recommend_parameters(), choices.given);
  line.option("queries", "FILE", "",
              "queries to measure with; unless given, vectors of INPUT that are held out of the sample",
              [&](const std::string& text) { choices.queries = text; });
  add_filter(line, choices.filter, "vectors of an INPUT that is an index meet to be taken",
             "vectors of an INPUT that is an index have to be taken");
  add_payload(line, choices.payload);
  add_documents(line, choices.documents);
  add_force(line, choices.replace);
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
  line.flag("json", choices.json, "print the summary as JSON, with all candidates");
  return line;
}

Json trial_json(const Trial& trial) {
  Json arguments = Json::object();
  for (const auto& [name, value] : arguments_of(trial.params)) arguments[name] = json_of(value);
  Json json = {{"class", trial.class_name}, {"arguments", arguments}};
  if (!trial.refusal.empty()) {
    json["refused"] = trial.refusal;
    return json;
  }
  json["bytes"] = trial.bytes;
  json["hot_bytes"] = trial.hot_bytes;
  json["ef_search"] = json["recall"] = json["queries_per_second"] = nullptr;
  if (!trial.reached) return json;
  if (trial.ef_search() != 0) json["ef_search"] = trial.ef_search();
  json["recall"] = trial.reached->recall;
  json["queries_per_second"] = trial.reached->queries_per_second;
  return json;
}

Json recommendation_json(const Recommendation& found) {
  Json json = trial_json(found.choice());
  json["why"] = found.why;
  json["trials"] = Json::array();
  for (const Trial& trial : found.trials) json["trials"].push_back(trial_json(trial));
  return json;
}

/// The table of all candidates.
std::string table_of(const Recommendation& found) {
  std::vector<Row> rows = {{"", "queries/s", "ef_search", "hot", "file"}};
  for (const Trial& trial : found.trials) {
    rows.push_back({(&trial == &found.choice() ? "* " : "  ") + described(trial)});
    Row& row = rows.back();
    if (!trial.refusal.empty()) {
      row.insert(row.end(), {"refused"});
      continue;
    }
    row.push_back(trial.reached ? grouped(static_cast<std::uint64_t>(trial.reached->queries_per_second)) : "below");
    row.push_back(trial.ef_search() != 0 ? std::to_string(trial.ef_search()) : "-");
    row.push_back(size_text(static_cast<std::uint64_t>(trial.hot_bytes)));
    row.push_back(size_text(static_cast<std::uint64_t>(trial.bytes)));
  }
  return table(rows, {false, true, true, true, true});
}

/// `queries_path` is that of a file; empty: none.
Recommendation find(const BuildInput& input, const std::string& queries_path, const RecommendParams& params) {
  const std::unique_ptr<VectorStream> vectors = input.vectors();
  if (queries_path.empty()) return recommend(*vectors, nullptr, params);
  const std::unique_ptr<VectorStream> stream = open_vectors(queries_path);
  check_queries(*stream, vectors->vector_kind(), vectors->dim(), vectors->name());
  const Rows queries(*stream);
  const Batch batch = queries.batch();
  return recommend(*vectors, &batch, params);
}

}  // namespace

bool recommended_has(const std::string& option) {
  RecommendChoices choices;
  return line_of(choices).has(option);
}

int build_recommended(const Words& words) {
  RecommendChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  check_output_file(choices.output);
  refuse_overwriting(choices.output, {choices.input, choices.queries, choices.filter.ids, choices.payload.ids,
                                      choices.payload.fields, choices.documents.path});
  const BuildInput input(choices.input, choices.filter);
  const Payload payload = input.payload(choices.payload);
  const std::unique_ptr<DocumentStream> documents = input.documents(choices.documents);
  check_target(choices.output, kIndexFile, choices.replace);
  input.complete(choices.given);
  RecommendParams wanted;
  choices.given.apply(wanted);
  wanted.progress = progress_bar(choices.quiet);
  const Recommendation found = find(input, choices.queries, wanted);
  if (!choices.quiet && !choices.json) print(table_of(found) + "\n" + found.why + "\n");
  BuildParams params = found.choice().params;
  params.num_threads = wanted.num_threads;
  params.replace = choices.replace;
  params.payload = &payload;
  params.documents = documents.get();
  params.ef_search = static_cast<std::uint32_t>(found.choice().ef_search());
  build_and_report(
      input, params, choices.output,
      {.quiet = choices.quiet, .json = choices.json, .more = {{"recommendation", recommendation_json(found)}}});
  return kOk;
}

}  // namespace cassata::tools
