// cassata bench: recall against queries per second, of one or several indexes, as a table, as JSON and as a picture.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/index.h"
#include "cassata/measure.h"
#include "cassata/rows.h"
#include "format/file/mapped_file.h"
#include "format/input/id_table.h"
#include "tools/command.h"
#include "tools/describe.h"
#include "tools/python.h"
#include "tools/table.h"
#include "tools/terminal.h"
#include "tools/truth.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

using Json = nlohmann::ordered_json;
using Curves = std::vector<std::vector<Point>>;

struct BenchChoices {
  std::vector<std::string> indexes;
  std::string queries, multivec_queries, plot;
  TruthChoices truth;
  std::vector<double> targets = {0.9, 0.95, 0.98};
  bool json = false, quiet = false;
  OpenParams opening;
  MeasureParams params;
  Given<SearchParams> given{search_parameters()};
};

/// Numbers separated by commas.
template <class T>
std::vector<T> numbers(std::string_view text) {
  std::vector<T> values;
  for (;;) {
    const std::size_t comma = text.find(',');
    values.push_back(number<T>(text.substr(0, comma)));
    if (comma == text.npos) return values;
    text.remove_prefix(comma + 1);
  }
}

std::vector<double> parse_targets(const std::string& text) {
  std::vector<double> targets = numbers<double>(text);
  for (const double target : targets)
    if (!(target > 0 && target <= 1))
      invalid_argument(cassata::quoted(text) + " given, expected numbers over 0 and at most 1");
  return targets;
}

/// The format of a picture, by its file's extension.
std::string format_of(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension != ".png" && extension != ".svg" && extension != ".pdf")
    invalid_argument(cassata::quoted(path) + " given, expected a .png, .svg or .pdf file");
  return extension.substr(1);
}

void add_outputs(CommandLine& line, BenchChoices& choices) {
  line.option("recall", "N,N,...", "0.9,0.95,0.98", "recalls at which the speed of each index is printed",
              [&](const std::string& text) { choices.targets = parse_targets(text); });
  line.flag("json", choices.json, "print JSON");
  line.option("plot", "FILE", "",
              "draw the curves: a .png, .svg or .pdf file (needs the Python package and matplotlib)",
              [&](const std::string& text) { format_of(choices.plot = text); });
  add_force(line, choices.truth.replace, "--save-truth and --plot");
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
}

/// Pictures of all formats, so that one may take the place of another.
FileKind picture_kind() {
  return {.name = "a picture (.png, .svg, .pdf)", .fits = [](std::string_view start) {
            return start.starts_with("\x89PNG") || start.starts_with("%PDF") || start.find("<svg") != start.npos ||
                   start.find("DOCTYPE svg") != start.npos;
          }};
}

/// The parameter k_candidates, with the default that it has here.
const Parameter<SearchParams>& swept_candidates() {
  static const Parameter<SearchParams> row = [] {
    Parameter<SearchParams> out = *std::ranges::find(search_parameters(), "k_candidates", &ParameterInfo::name);
    out.usual = "the ef_search, at least k";
    out.get = [](const SearchParams&) { return Value(); };
    return out;
  }();
  return row;
}

CommandLine line_of(BenchChoices& choices) {
  CommandLine line("bench INDEX... --queries FILE [OPTIONS]",
                   "Measures recall against queries per second, for index files over the same vectors, at several "
                   "values of ef_search. For indexes of two\n"
                   "stages, k_candidates takes the same values unless --k-candidates is given. Indexes take turns, so "
                   "that other load of the machine\n"
                   "affects all alike. Recall@k is the share of the k exact answers that are found, by id. Exact "
                   "answers are read (--truth) or computed:\n"
                   "over the original vectors (--data), or over the vectors of the first index that stores them as "
                   "f32, or else as f16. p50 and p99 are\n"
                   "times of queries that run one at a time.");
  line.arguments("INDEX", choices.indexes);
  line.option("queries", "FILE", "", "the queries: a file as for 'cassata build'",
              [&](const std::string& text) { choices.queries = text; });
  line.option("ef-search", "N,N,...", "12 values from max(k, 10) up",
              "beam widths to measure (graphs and approximate inverted lists)",
              [&](const std::string& text) { choices.params.ef_search = numbers<std::size_t>(text); });
  line.parameters(search_parameters(), choices.given, {"ef_search", "k_candidates"});
  line.parameters(std::span(&swept_candidates(), 1), choices.given);
  add_multivec_queries(line, choices.multivec_queries);
  add_resident(line, choices.opening);
  line.option("repeat", choices.params.repeat, "number of timed batches at each width; the median counts");
  line.option("data", "FILE", "",
              "the vectors that the indexes were built from: recall is measured against exact answers over them",
              [&](const std::string& text) { choices.truth.data = text; });
  line.option("truth", "FILE", "", "the exact answers: a .npy file of ids, one row a query, best first",
              [&](const std::string& text) { choices.truth.file = text; });
  line.option("save-truth", "FILE", "", "file for the computed exact answers, to be given as --truth later",
              [&](const std::string& text) { choices.truth.save = text; });
  add_outputs(line, choices);
  return line;
}

void check(BenchChoices& choices) {
  const SearchParams& search = choices.params.search;
  if (choices.queries.empty()) invalid_argument("--queries: none given, expected a file of vectors");
  if (!choices.truth.file.empty() && !(choices.truth.data + choices.truth.save).empty())
    invalid_argument(
        "--truth: given with --data or --save-truth, expected --truth alone: the others are for computed answers");
  if (choices.params.repeat == 0) invalid_argument("--repeat: 0 given, expected at least 1");
  if (search.k == 0) invalid_argument("-k: 0 given, expected at least 1");
  if (choices.params.ef_search.empty()) choices.params.ef_search = usual_ef_search(search.k);
  std::vector<std::filesystem::path> inputs = multivec_query_files(choices.multivec_queries);
  inputs.insert(inputs.end(), choices.indexes.begin(), choices.indexes.end());
  for (const std::string& input : {choices.queries, choices.truth.data, choices.truth.file}) inputs.emplace_back(input);
  refuse_overwriting(choices.truth.save, inputs, "--save-truth");
  refuse_overwriting(choices.plot, inputs, "--plot");
  if (!choices.truth.save.empty()) check_target(choices.truth.save, id_table_kind(), choices.truth.replace);
  if (!choices.plot.empty()) check_replaceable(choices.plot, picture_kind(), choices.truth.replace);
}

/// Opens the indexes, which must have as many vectors as each other, and one metric.
std::vector<Index> open_all(const BenchChoices& choices) {
  std::vector<Index> indexes;
  for (const std::string& path : choices.indexes) indexes.push_back(Index::open(path, choices.opening));
  const Index& first = indexes.front();
  const auto refuse = [&](const Index& index, const std::string& found, const std::string& expected) {
    invalid_argument(index.file().path() + ": " + found + ", expected " + expected + ", as in " + first.file().path());
  };
  for (const Index& index : indexes) {
    const Manifest &mine = index.manifest(), &other = first.manifest();
    if (mine.size != other.size) refuse(index, std::to_string(mine.size) + " vectors", std::to_string(other.size));
    if (index.token_dim() != first.token_dim())
      refuse(index, "token vectors of dim " + std::to_string(index.token_dim()) + " (0: none)",
             std::to_string(first.token_dim()));
    if (mine.schema.metric != other.schema.metric)
      refuse(index, "metric " + std::string(name_of(mine.schema.metric)), std::string(name_of(other.schema.metric)));
  }
  if (choices.params.search.k > first.size())
    invalid_argument("-k: " + std::to_string(choices.params.search.k) + " given, expected at most the " +
                     std::to_string(first.size()) + " vectors of " + first.file().path());
  return indexes;
}

Rows load_queries(const std::string& path, std::span<const Index> indexes) {
  const std::unique_ptr<VectorStream> queries = open_vectors(path);
  for (const Index& index : indexes) check_queries(*queries, index);
  if (queries->size() == 0) invalid_argument(path + ": 0 vectors, expected at least 1");
  return Rows(*queries);
}

double bytes_a_vector(const Index& index) {
  return static_cast<double>(index.file().header().file_length) / static_cast<double>(index.size());
}

/// "f16"; with second codes "int8 + f16".
std::string encodings(const Index& index) {
  std::string names;
  for (const CodesEntry& codes : index.manifest().codes())
    names += (names.empty() ? "" : " + ") + std::string(name_of(codes.encoding));
  return names;
}

Json curve_json(const Index& index, const std::vector<Point>& points, const std::vector<double>& targets) {
  Json json = describe_briefly(index), list = Json::array(), reached = Json::array();
  json["encodings"] = encodings(index);
  json["bytes_per_vector"] = bytes_a_vector(index);
  json["hot_bytes"] = index.hot_bytes();
  for (const Point& point : points) {
    list.push_back({{"ef_search", nullptr},
                    {"recall", point.recall},
                    {"queries_per_second", point.queries_per_second},
                    {"p50_seconds", point.p50_seconds},
                    {"p99_seconds", point.p99_seconds}});
    if (point.ef_search != 0) list.back()["ef_search"] = point.ef_search;
    if (point.k_candidates != 0) list.back()["k_candidates"] = point.k_candidates;
  }
  for (const double target : targets) {
    reached.push_back({{"recall", target}, {"ef_search", nullptr}, {"queries_per_second", nullptr}});
    const auto at = at_recall(points, target);
    if (!at) continue;
    reached.back()["queries_per_second"] = at->queries_per_second;
    if (at->ef_search != 0) reached.back()["ef_search"] = at->ef_search;
  }
  json["points"] = list;
  json["targets"] = reached;
  return json;
}

Json report(const BenchChoices& choices, const Truth& truth, std::span<const Index> indexes, std::size_t queries,
            const Curves& curves) {
  Json json = {{"k", choices.params.search.k},
               {"queries", {{"path", choices.queries}, {"n", queries}}},
               {"threads", choices.params.search.num_threads},
               {"repeat", choices.params.repeat},
               {"truth", truth.json},
               {"indexes", Json::array()}};
  for (std::size_t i = 0; i < indexes.size(); ++i)
    json["indexes"].push_back(curve_json(indexes[i], curves[i], choices.targets));
  return json;
}

std::string whole(double value) { return grouped(static_cast<std::uint64_t>(value + 0.5)); }

std::string curve_text(const Index& index, const std::vector<Point>& points, const std::vector<double>& targets) {
  std::string text =
      printable(index.file().path()) + ": " + std::string(index.class_name()) + ", " + encodings(index) + ", " +
      size_text(index.file().header().file_length) + ", " + fixed(bytes_a_vector(index), 1) + " bytes/vector, " +
      fixed(static_cast<double>(index.hot_bytes()) / static_cast<double>(index.size()), 1) + " of them hot\n";
  const bool two_stages = points.front().k_candidates != 0;
  std::vector<Row> rows = {{"ef_search", "recall", "queries/s", "p50 ms", "p99 ms"}};
  if (two_stages) rows.front().push_back("k_candidates");
  const auto width = [](double ef_search) { return ef_search == 0 ? "-" : fixed(ef_search, 0); };
  for (const Point& point : points)
    rows.push_back({width(static_cast<double>(point.ef_search)), fixed(point.recall, 4),
                    whole(point.queries_per_second), fixed(1000 * point.p50_seconds, 3),
                    fixed(1000 * point.p99_seconds, 3)});
  for (std::size_t i = 0; two_stages && i < points.size(); ++i)
    rows[i + 1].push_back(std::to_string(points[i].k_candidates));
  text += table(rows, {true, true, true, true, true, true});
  for (const double target : targets) {
    const auto at = at_recall(points, target);
    text += "  at recall " + fixed(target, 4) + ": " +
            (at ? whole(at->queries_per_second) + " queries/s" +
                      (at->ef_search == 0 ? "" : ", ef_search " + width(at->ef_search))
                : "never reached") +
            "\n";
  }
  return text;
}

std::string report_text(const BenchChoices& choices, const Truth& truth, std::span<const Index> indexes,
                        std::size_t queries, const Curves& curves) {
  const unsigned threads = choices.params.search.num_threads;
  std::string text = "recall@" + std::to_string(choices.params.search.k) + " against " + truth.text + "\n" +
                     grouped(queries) + " queries of " + printable(choices.queries) +
                     ", threads: " + (threads == 0 ? "all" : std::to_string(threads)) + ", median of " +
                     std::to_string(choices.params.repeat) + "\n";
  for (std::size_t i = 0; i < indexes.size(); ++i) text += "\n" + curve_text(indexes[i], curves[i], choices.targets);
  return text;
}

int run(BenchChoices& choices) {
  choices.given.apply(choices.params.search);
  choices.params.sweep_k_candidates = !choices.given.given("k_candidates");
  check(choices);
  choices.params.check();
  const std::string python = choices.plot.empty() ? "" : find_python("cassata.plot, matplotlib", "plot");
  choices.params.progress = choices.opening.progress = progress_bar(choices.quiet);
  const std::vector<Index> indexes = open_all(choices);
  check_used(choices.given, indexes);
  const Rows loaded = load_queries(choices.queries, indexes);
  const TokenQueries tokens = read_multivec_queries(choices.multivec_queries, indexes.front(), loaded.size());
  Batch queries = loaded.batch();
  if (indexes.front().token_dim() != 0) queries.tokens = tokens.batch();
  const Truth truth = find_truth(choices.truth, indexes, queries, choices.params.search.k, choices.params.progress);
  const Curves curves = measure(indexes, queries, truth.ids, choices.params);
  const std::string json = to_text(report(choices, truth, indexes, queries.rows, curves));
  if (choices.json) {
    print(json);
  } else if (!choices.quiet) {
    print(report_text(choices, truth, indexes, queries.rows, curves));
  }
  if (choices.plot.empty()) return kOk;
  Output picture(choices.plot, picture_kind(), choices.truth.replace);
  picture.write(output_of({python, "-m", "cassata.plot", format_of(choices.plot)}, json));
  picture.finish();
  return kOk;
}

}  // namespace

int bench(const Words& words) {
  BenchChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  return run(choices);
}

}  // namespace cassata::tools
