// cassata fuse: one list of results for each query, from the results of several searches.
#include "cassata/fuse.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "format/base/text_ids.h"
#include "tools/command.h"
#include "tools/results.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

struct FuseChoices {
  std::vector<std::string> files;
  std::string output, run_name = "cassata", method = "rrf", normalize = "none";
  const Format* format = &formats().front();
  std::vector<double> weights;
  std::vector<std::string> best;
  FuseParams params;
  ReplaceParams replace;
};

/// What stands between commas, each part read by `read`.
template <class Read>
auto list_of(std::string_view text, Read read) {
  std::vector<decltype(read(text))> list;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    list.push_back(read(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return list;
}

void check_count(const char* option, std::size_t count, std::size_t files) {
  if (count != files)
    invalid_argument(option + (": " + decimal(count)) + " given, expected " + decimal(files) + ", one for each file");
}

CommandLine line_of(FuseChoices& choices) {
  CommandLine line(
      "fuse FILE... [OPTIONS]",
      "Fuses the results of several searches for the same queries, e.g. of a dense and a sparse index. Each "
      "FILE holds results as 'cassata search'\n"
      "prints them in any format, or a TREC run of another program. Queries are in the order of the first "
      "file, then those that only others have.\n"
      "The largest fused score is the best. Distances are negated before they are summed.");
  line.arguments("FILE", choices.files);
  line.option("method", "NAME", choices.method,
              "rrf: reciprocal rank fusion, the sum of weight / (k + rank), ranks from 1; sum: the sum of weight times "
              "score",
              [&](const std::string& text) { choices.method = text; });
  line.option("k", "NUMBER", decimal(choices.params.k),
              "with rrf: the larger, the less the first ranks differ from others",
              [&](const std::string& text) { choices.params.k = number<double>(text); });
  line.option("weights", "W,W,...", "", "a weight for each file, 0 to 1e30; unless given, 1",
              [&](const std::string& text) { choices.weights = list_of(text, number<double>); });
  line.option("normalize", "NAME", choices.normalize,
              "with sum: min-max scales the scores of each query in each file, the worst to 0 and the best to 1",
              [&](const std::string& text) { choices.normalize = text; });
  line.option(
      "best", "NAME,NAME,...", "",
      "with sum: whether the largest score is the best or the smallest, for each file, or a name for all; unless "
      "given, the largest of a TREC run, and as the order of the scores shows of other files",
      [&](const std::string& text) {
        choices.best = list_of(text, [](std::string_view name) { return std::string(name); });
      });
  line.option("top", "N", "", "results per query; unless given, as many as the file with most has for it",
              [&](const std::string& text) { choices.params.top = number<std::uint32_t>(text); });
  add_format(line, choices.format, choices.run_name);
  line.option("output,o", "FILE", "standard output",
              "file to write; it appears complete or not at all. Devices, pipes, - and /dev/stdout are written to as "
              "results come",
              [&](const std::string& text) { choices.output = text == "-" ? "" : text; });
  add_force(line, choices.replace);
  return line;
}

/// Numbers before texts, by value.
bool id_before(std::string_view a, std::string_view b) {
  const auto x = parse_number<std::int64_t>(a), y = parse_number<std::int64_t>(b);
  if (x && y && *x != *y) return *x < *y;
  return x.has_value() != y.has_value() ? x.has_value() : a < b;
}

/// The queries of all files, in the order of the first file that has each.
std::vector<std::string> queries_of(std::span<const ReadFile> files) {
  std::vector<std::string> queries;
  std::unordered_set<std::string_view> known;
  for (const ReadFile& file : files)
    for (const ReadResults& of_query : file.queries)
      if (known.insert(of_query.query).second) queries.push_back(of_query.query);
  return queries;
}

/// The results of a file as a ranking of all queries.
struct FileRanking {
  FileRanking(const ReadFile& file, std::span<const std::string> queries, const TextIds& known) {
    std::unordered_map<std::string_view, const ReadResults*> by_query;
    for (const ReadResults& of_query : file.queries) by_query[of_query.query] = &of_query;
    for (const std::string& query : queries) {
      if (const auto found = by_query.find(query); found != by_query.end())
        for (const ReadResult& result : found->second->results) {
          ids.push_back(known.number(result.id));
          scores.push_back(result.score);
          lines.push_back(result.line);
        }
      limits.push_back(static_cast<std::int64_t>(ids.size()));
    }
  }

  std::vector<std::int64_t> limits = {0}, ids;
  std::vector<float> scores;
  std::vector<std::uint64_t> lines;
};

/// Queries and ids that are texts in JSON, though some look like numbers.
struct KnownTexts {
  explicit KnownTexts(std::span<const ReadFile> files) {
    for (const ReadFile& file : files)
      for (const ReadResults& of_query : file.queries) {
        if (of_query.is_text) queries.insert(of_query.query);
        for (const ReadResult& result : of_query.results)
          if (result.is_text) ids.insert(result.id);
      }
  }

  std::unordered_set<std::string_view> queries, ids;
};

/// What file i says of its best score; a sum needs it.
BestScore best_of(const FuseChoices& choices, const ReadFile& file, std::size_t i) {
  if (!choices.best.empty()) return parse_best_score(choices.best[choices.best.size() == 1 ? 0 : i]);
  return file.is_trec && choices.params.method == FuseMethod::sum ? BestScore::largest : BestScore::shown;
}

int run(FuseChoices& choices) {
  choices.params.method = parse_fuse_method(choices.method);
  choices.params.normalize = parse_normalization(choices.normalize);
  std::vector<std::filesystem::path> inputs(choices.files.begin(), choices.files.end());
  if (!choices.output.empty()) refuse_overwriting(choices.output, inputs);
  if (!choices.weights.empty()) check_count("--weights", choices.weights.size(), inputs.size());
  if (choices.best.size() > 1) check_count("--best", choices.best.size(), inputs.size());
  std::vector<ReadFile> files;
  for (const std::filesystem::path& path : inputs) files.push_back(read_results(path));
  std::vector<std::string_view> ids;
  for (const ReadFile& file : files)
    for (const ReadResults& of_query : file.queries)
      for (const ReadResult& result : of_query.results) ids.push_back(result.id);
  const TextIds known(std::move(ids), id_before);
  choices.params.shown = [&](std::int64_t id) { return cassata::quoted(known.text(id)); };
  const std::vector<std::string> queries = queries_of(files);
  std::vector<FileRanking> made;
  for (const ReadFile& file : files) made.emplace_back(file, queries, known);
  std::vector<Ranking> rankings;
  for (std::size_t i = 0; i < made.size(); ++i)
    rankings.push_back({.name = choices.files[i],
                        .limits = made[i].limits,
                        .scores = made[i].scores,
                        .ids = made[i].ids,
                        .weight = choices.weights.empty() ? 1 : choices.weights[i],
                        .best = best_of(choices, files[i], i),
                        .place = [&lines = made[i].lines, &queries](std::size_t query, std::size_t place) {
                          return "line " + decimal(lines[place]) + ": query " + cassata::quoted(queries[query]);
                        }});
  const HitLists fused = cassata::fuse(rankings, choices.params);
  const KnownTexts texts(files);
  const auto in_format = [&](std::string_view name, const std::unordered_set<std::string_view>& known_texts,
                             const char* what) {
    return known_texts.contains(name) ? shown(*choices.format, name, what) : shown_id(*choices.format, name, what);
  };
  Output output(choices.output, results_kind(), choices.replace);
  std::string text;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    std::size_t longest = 0;
    for (const FileRanking& one : made)
      longest = std::max(longest, static_cast<std::size_t>(one.limits[q + 1] - one.limits[q]));
    const auto begin = static_cast<std::size_t>(fused.limits[q]);
    auto count = static_cast<std::size_t>(fused.limits[q + 1]) - begin;
    if (choices.params.top == FuseParams().top) count = std::min(count, longest);
    Found found{.query = in_format(queries[q], texts.queries, "query "),
                .ids = {},
                .scores = std::span(fused.scores).subspan(begin, count)};
    for (std::size_t i = 0; i < count; ++i)
      found.ids.push_back(in_format(known.text(fused.ids[begin + i]), texts.ids, "id "));
    choices.format->write(text, found, true, choices.run_name);
    output.write(text);
    text.clear();
  }
  output.finish();
  return kOk;
}

}  // namespace

int fuse(const Words& words) {
  FuseChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  try {
    return run(choices);
  } catch (const Error& error) {  // about a parameter, which is an option here
    const std::string_view message = error.what();
    for (const std::string_view name : {"method: ", "k: ", "weights: ", "normalize: ", "best: "})
      if (message.starts_with(name)) invalid_argument("--" + std::string(message));
    throw;
  }
}

}  // namespace cassata::tools
