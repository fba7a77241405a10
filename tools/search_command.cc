// cassata search: the closest vectors to each query of a file, as TSV, a TREC run or JSON lines.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/index.h"
#include "cassata/stream.h"
#include "format/file/mapped_file.h"
#include "tools/command.h"
#include "tools/document_files.h"
#include "tools/payload_files.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

// Queries and their results that are held at a time; Ctrl-C is heard after each batch.
constexpr std::size_t kBatchRows = 1024, kBatchBytes = std::size_t{8} << 20;

struct Found {
  std::string query;             // number or name; in JSON with quotes, if it is a name
  std::vector<std::string> ids;  // likewise
  std::span<const float> scores;
  std::optional<std::vector<std::string>> documents = {};  ///< of the ids, if they are shown
};

template <class T>
void append(std::string& text, T value) {
  std::array<char, 32> digits;
  text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

/// query_id, doc_id, rank from 1, score, and the document if documents are shown.
void write_tsv(std::string& text, const Found& found, Metric, const std::string&) {
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    text += found.query + '\t' + found.ids[i] + '\t';
    append(text, i + 1), text += '\t';
    append(text, found.scores[i]);
    if (found.documents) text += '\t' + in_one_column((*found.documents)[i]);
    text += '\n';
  }
}

/// A TREC run. Its readers take the largest score for the best, so a distance is written negated.
void write_trec(std::string& text, const Found& found, Metric metric, const std::string& run_name) {
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    text += found.query + " Q0 " + found.ids[i] + ' ';
    append(text, i + 1), text += ' ';
    append(text, largest_first(metric) ? found.scores[i] : 0.0F - found.scores[i]);  // no "-0"
    text += ' ' + run_name + '\n';
  }
}

/// One object a line. JSON knows no infinity: null.
void write_json(std::string& text, const Found& found, Metric, const std::string&) {
  text += "{\"query\": " + found.query + ", \"ids\": [";
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    if (i != 0) text += ", ";
    text += found.ids[i];
  }
  text += "], \"scores\": [";
  for (std::size_t i = 0; i < found.scores.size(); ++i) {
    if (i != 0) text += ", ";
    std::isfinite(found.scores[i]) ? append(text, found.scores[i]) : void(text += "null");
  }
  text += ']';
  if (found.documents) text += ", \"documents\": " + nlohmann::json(*found.documents).dump();
  text += "}\n";
}

std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end = line.find(separator); end != line.npos; end = line.find(separator)) {
    parts.push_back(line.substr(0, end));
    line.remove_prefix(end + 1);
  }
  parts.push_back(line);
  return parts;
}

struct Format {
  std::string_view name;
  /// Separates the columns, and so may not be in an id; 0: ids are in quotes.
  char separator;
  void (*write)(std::string& text, const Found& found, Metric metric, const std::string& run_name);
};
constexpr Format kFormats[] = {{"tsv", '\t', write_tsv}, {"trec", ' ', write_trec}, {"json", '\0', write_json}};

/// The name of a query or vector as this format has it. Throws Error(invalid_argument), about `what`.
std::string shown(const Format& format, std::string_view name, const std::string& what) {
  if (format.separator == '\0')
    return nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (name.empty() || name.find(format.separator) != name.npos || printable(name) != name)
    invalid_argument(what + cassata::quoted(name) + ", expected a text without " +
                     (format.separator == '\t' ? "tabs" : "blanks") + " and line breaks for --format " +
                     std::string(format.name) + "; json can hold it");
  return std::string(name);
}

const Format& parse_format(std::string_view name) {
  std::string known;
  for (const Format& format : kFormats) {
    if (format.name == name) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  invalid_argument("'" + std::string(name) + "' given, expected one of " + known);
}

/// Results of any format, so that one may take the place of another. Their first line shows it: its rank is 1, and its
/// score is a number.
FileKind results_kind() {
  return {.name = "results of a search", .fits = [](std::string_view start) {
            const std::string_view line = start.substr(0, start.find('\n'));
            const std::vector<std::string_view> tsv = split(line, '\t'), trec = split(line, ' ');
            return (line.starts_with("{\"query\": ") && line.find(", \"ids\": [") != line.npos) ||
                   ((tsv.size() == 4 || tsv.size() == 5) && tsv[2] == "1" && parse_number<float>(tsv[3])) ||
                   (trec.size() == 6 && trec[1] == "Q0" && trec[3] == "1" && parse_number<float>(trec[4]));
          }};
}

struct SearchChoices {
  std::string index, queries, query_ids, multivec_queries, output, run_name = "cassata";
  FilterChoices filter;
  const Format* format = &kFormats[0];
  bool exact = false, show = false;
  ReplaceParams replace;
  OpenParams opening;
  Given<SearchParams> given{search_parameters()};
  SearchParams params;

  /// True if results would mix with the progress bar on a terminal.
  bool on_terminal() const { return output.empty() || descriptor_of(output).has_value(); }
};

CommandLine line_of(SearchChoices& choices) {
  CommandLine line("search INDEX QUERIES [OPTIONS]",
                   "Finds the closest vectors to each query. QUERIES is a file as for 'cassata build', or '-' for "
                   "standard input: one query per line,\n"
                   "numbers separated by blanks or commas (sparse: component:value). Results are printed best first; "
                   "an id is that of --ids of the\n"
                   "build, or the number of a vector in its input, from 0.\n"
                   "  tsv   query_id, doc_id, rank (from 1), score, separated by tabs\n"
                   "  trec  a TREC run: query_id Q0 doc_id rank score run_name; distances are negated, because readers "
                   "take the largest score for the best\n"
                   "  json  one object per line: query, ids, scores\n"
                   "The score is that of the index's metric: dot product or cosine (largest first), squared Euclidean "
                   "or Manhattan distance (smallest first).");
  line.argument("INDEX", choices.index);
  line.argument("QUERIES", choices.queries);
  line.parameters(search_parameters(), choices.given);
  line.option("query-ids", "FILE", "",
              "the ids of the queries in results, one a line; unless given, their numbers from 0",
              [&](const std::string& text) { choices.query_ids = text; });
  add_filter(line, choices.filter, "results meet", "results may have");
  add_multivec_queries(line, choices.multivec_queries);
  add_resident(line, choices.opening);
  line.flag("show", choices.show,
            "also print the stored documents of the results: in tsv as a fifth column, with tabs, line ends and "
            "backslashes as \\t, \\n, \\r and \\\\; in json as a list 'documents'");
  line.flag("exact", choices.exact, "compare each query with every vector, with any kind of index");
  line.option("format", "NAME", std::string(choices.format->name), "tsv, trec or json",
              [&](const std::string& text) { choices.format = &parse_format(text); });
  line.option("run-name", "NAME", choices.run_name, "last column of a TREC run", [&](const std::string& text) {
    if (text.empty() || printable(text) != text || text.find(' ') != text.npos)
      invalid_argument("'" + text + "' given, expected a word without blanks");
    choices.run_name = text;
  });
  line.option("output,o", "FILE", "standard output",
              "file to write; it appears complete or not at all. Devices, pipes, -, /dev/stdout and other descriptors "
              "are written to as results come",
              [&](const std::string& text) { choices.output = text == "-" ? "" : text; });
  add_force(line, choices.replace);
  return line;
}

std::string read_standard_input() {
  std::string text;
  for (std::array<char, 65536> buffer;;) {
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    ::poll(&input, 1, -1);  // Ctrl-C ends it; read() would continue to wait
    stop_if_interrupted();
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0) io_error("cannot read standard input");
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

/// Answers queries and prints their results, a limited number at a time.
class Answers {
 public:
  /// `tokens` are those of the queries, if the index has any; `names` those of all queries, or none.
  Answers(const Index& index, const SearchChoices& choices, std::span<const std::string> names,
          const TokenBatch& tokens, Output& output)
      : index_(index), choices_(choices), names_(names), tokens_(tokens), output_(output), params_(choices.params) {
    params_.k = static_cast<std::size_t>(std::min<std::uint64_t>(params_.k, index.size()));
    rows_ = std::clamp<std::size_t>(
        kBatchBytes / std::max<std::size_t>(1, params_.k * (sizeof(std::int64_t) + sizeof(float))), 1, kBatchRows);
    ids_.resize(rows_ * params_.k);
    scores_.resize(rows_ * params_.k);
  }

  void print(VectorStream& queries) {
    const Progress progress = progress_bar(choices_.on_terminal());  // a bar would mix with results on a terminal
    for (Batch batch = queries.next_batch(); batch.rows != 0; batch = queries.next_batch())
      for (std::size_t first = 0; first < batch.rows; first += rows_) {
        print(batch.part(first, std::min(rows_, batch.rows - first)));
        progress("search", done_, queries.size());
      }
  }

 private:
  void print(Batch queries) {
    queries.tokens = tokens_.from(done_);
    const std::size_t places = queries.rows * params_.k;
    const Hits hits{.ids = std::span(ids_).first(places), .scores = std::span(scores_).first(places)};
    choices_.exact ? index_.search_exact(queries, params_, hits) : index_.search(queries, params_, hits);
    std::string text;
    for (std::size_t i = 0; i < queries.rows; ++i, ++done_) {
      const auto all = hits.ids.subspan(i * params_.k, params_.k);
      const auto count = static_cast<std::size_t>(std::ranges::find(all, -1) - all.begin());
      Found found{.query = query_name(), .ids = {}, .scores = hits.scores.subspan(i * params_.k, count)};
      const std::vector<Id> rows(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
      for (const Id row : rows) found.ids.push_back(id_of(row));
      if (choices_.show) found.documents = index_.documents()->at(rows);
      choices_.format->write(text, found, index_.manifest().schema.metric, choices_.run_name);
      output_.write(text);
      text.clear();
    }
  }

  std::string query_name() const {
    return names_.empty() ? decimal(done_) : shown(*choices_.format, names_[done_], choices_.query_ids + ": ");
  }
  std::string id_of(Id row) const {
    if (index_.external_ids() == nullptr) return decimal(row);
    const ExternalId id = index_.external_ids()->at(row);
    if (const auto* number = std::get_if<std::int64_t>(&id)) return decimal(*number);
    return shown(*choices_.format, std::get<std::string_view>(id), index_.file().path() + ": id ");
  }

  const Index& index_;
  const SearchChoices& choices_;
  std::span<const std::string> names_;
  TokenBatch tokens_;
  Output& output_;
  SearchParams params_;
  std::size_t rows_;
  std::vector<std::int64_t> ids_;
  std::vector<float> scores_;
  std::uint64_t done_ = 0;
};

/// Throws Error(invalid_argument) unless the documents of the index can be shown.
void check_shown(const Index& index, const Format& format) {
  if (format.write == write_trec) invalid_argument("--show: given with --format trec, expected tsv or json");
  const std::string found = index.documents() == nullptr       ? "no documents"
                            : !index.documents()->entry().text ? "documents that are bytes"
                                                               : "";
  if (!found.empty()) invalid_argument("--show: " + index.file().path() + " holds " + found + ", expected texts");
}

int answer(SearchChoices& choices) {
  if (!choices.output.empty()) {
    std::vector<std::filesystem::path> inputs = multivec_query_files(choices.multivec_queries);
    inputs.insert(inputs.end(), {choices.index, choices.query_ids, choices.filter.ids,
                                 choices.queries == "-" ? "/dev/stdin" : choices.queries});
    refuse_overwriting(choices.output, inputs);
  }
  choices.opening.progress = progress_bar(choices.on_terminal());
  const Index index = Index::open(choices.index, choices.opening);
  if (choices.show) check_shown(index, *choices.format);
  choices.params.ef_search = index.default_ef_search();
  choices.given.apply(choices.params);
  check_used(choices.given, {&index, 1});
  const std::shared_ptr<const Bitmap> filter = filter_of(index, choices.filter);
  const Bitmap* const of_all[] = {filter.get()};
  if (filter) choices.params.filters = of_all;
  std::optional<TypedVectors> typed;
  if (choices.queries == "-") typed.emplace(read_standard_input(), index);
  const std::unique_ptr<VectorStream> queries = typed ? typed->stream() : open_vectors(choices.queries);
  check_queries(*queries, index);
  const TokenQueries tokens = read_multivec_queries(choices.multivec_queries, index, queries->size());
  std::vector<std::string> names;
  if (!choices.query_ids.empty()) {
    names = read_lines(choices.query_ids);
    if (names.size() != queries->size())
      invalid_argument(choices.query_ids + ": " + std::to_string(names.size()) + " ids, expected " +
                       std::to_string(queries->size()) + ", as there are queries");
  }
  Output output(choices.output, results_kind(), choices.replace);
  Answers(index, choices, names, index.token_dim() == 0 ? TokenBatch() : tokens.batch(), output).print(*queries);
  output.finish();
  return kOk;
}

}  // namespace

int search(const Words& words) {
  SearchChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  return answer(choices);
}

}  // namespace cassata::tools
