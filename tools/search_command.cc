// cassata search: the closest vectors to each query of a file, as TSV, a TREC run or JSON lines.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
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
#include "tools/results.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

// Queries and their results that are held at a time; Ctrl-C is heard after each batch.
constexpr std::size_t kBatchRows = 1024, kBatchBytes = std::size_t{8} << 20;
// The least with --radius, whose results are few as a rule, though all vectors may be among them.
constexpr std::size_t kRangeRows = 64;

struct SearchChoices {
  std::string index, queries, query_ids, multivec_queries, output, run_name = "cassata";
  FilterChoices filter;
  const Format* format = &formats().front();
  bool exact = false, show = false;
  ReplaceParams replace;
  OpenParams opening;
  Given<SearchParams> given{search_parameters()};
  SearchParams params;
  std::optional<float> radius;
  std::optional<std::uint64_t> max_results;

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
  line.option(
      "radius", "SCORE", "",
      "find all vectors with this score or a better one, instead of -k: at least this dot product or cosine, at "
      "most this distance",
      [&](const std::string& text) { choices.radius = number<float>(text); });
  line.option("max-results", "N", "", "with --radius: only so many of the best results of each query",
              [&](const std::string& text) { choices.max_results = number<std::uint64_t>(text); });
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
  add_format(line, choices.format, choices.run_name);
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
    const std::uint64_t most = choices.radius ? choices.max_results.value_or(index.size()) : params_.k;
    params_.k = static_cast<std::size_t>(std::min<std::uint64_t>(most, index.size()));
    rows_ = std::clamp<std::size_t>(
        kBatchBytes / std::max<std::size_t>(1, params_.k * (sizeof(std::int64_t) + sizeof(float))),
        choices.radius ? kRangeRows : 1, kBatchRows);
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
    const HitLists hits = answer(queries);
    std::string text;
    for (std::size_t i = 0; i < queries.rows; ++i, ++done_) {
      const auto begin = static_cast<std::size_t>(hits.limits[i]), end = static_cast<std::size_t>(hits.limits[i + 1]);
      const std::vector<Id> rows(hits.ids.begin() + hits.limits[i], hits.ids.begin() + hits.limits[i + 1]);
      Found found{.query = query_name(), .ids = {}, .scores = std::span(hits.scores).subspan(begin, end - begin)};
      for (const Id row : rows) found.ids.push_back(id_of(row));
      if (choices_.show) found.documents = index_.documents()->at(rows);
      choices_.format->write(text, found, largest_first(index_.manifest().schema.metric), choices_.run_name);
      output_.write(text);
      text.clear();
    }
  }

  HitLists answer(const Batch& queries) const {
    if (choices_.radius)
      return choices_.exact ? index_.range_search_exact(queries, *choices_.radius, params_, params_.k)
                            : index_.range_search(queries, *choices_.radius, params_, params_.k);
    const std::size_t k = params_.k;
    HitLists all{.limits = {0},
                 .scores = std::vector<float>(queries.rows * k),
                 .ids = std::vector<std::int64_t>(queries.rows * k)};
    const Hits hits{.ids = all.ids, .scores = all.scores};
    choices_.exact ? index_.search_exact(queries, params_, hits) : index_.search(queries, params_, hits);
    std::size_t count = 0;  // of results, moved together
    for (std::size_t i = 0; i < queries.rows; ++i) {
      for (std::size_t place = i * k; place < (i + 1) * k && all.ids[place] >= 0; ++place, ++count) {
        all.ids[count] = all.ids[place];
        all.scores[count] = all.scores[place];
      }
      all.limits.push_back(static_cast<std::int64_t>(count));
    }
    return all;
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
  std::uint64_t done_ = 0;
};

/// Throws Error(invalid_argument) unless the documents of the index can be shown.
void check_shown(const Index& index, const Format& format) {
  if (!format.has_documents) invalid_argument("--show: given with --format trec, expected tsv or json");
  const std::string found = index.documents() == nullptr       ? "no documents"
                            : !index.documents()->entry().text ? "documents that are bytes"
                                                               : "";
  if (!found.empty()) invalid_argument("--show: " + index.file().path() + " holds " + found + ", expected texts");
}

int answer(SearchChoices& choices) {
  if (choices.radius && choices.given.given("k")) invalid_argument("-k: given with --radius, expected --max-results");
  if (choices.max_results && !choices.radius) invalid_argument("--max-results: given without --radius, expected -k");
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
