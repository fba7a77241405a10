// cassata search: the closest vectors to each query of a file, as TSV, a TREC run or JSON lines.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/index.h"
#include "format/input/stream.h"
#include "tools/command.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

// Queries and their results that are held at a time; Ctrl-C is heard after each batch.
constexpr std::size_t kBatchRows = 1024, kBatchBytes = std::size_t{8} << 20;

struct Found {
  std::uint64_t query;
  std::span<const std::int64_t> ids;
  std::span<const float> scores;
};

template <class T>
void append(std::string& text, T value) {
  std::array<char, 32> digits;
  text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

/// query_id, doc_id, rank from 1, score.
void write_tsv(std::string& text, const Found& found, Metric, const std::string&) {
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    append(text, found.query), text += '\t';
    append(text, found.ids[i]), text += '\t';
    append(text, i + 1), text += '\t';
    append(text, found.scores[i]), text += '\n';
  }
}

/// A TREC run. Its readers take the largest score for the best, so a squared distance is written negated.
void write_trec(std::string& text, const Found& found, Metric metric, const std::string& run_name) {
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    append(text, found.query), text += " Q0 ";
    append(text, found.ids[i]), text += ' ';
    append(text, i + 1), text += ' ';
    append(text, metric == Metric::euclidean ? 0.0F - found.scores[i] : found.scores[i]);  // no "-0"
    text += ' ' + run_name + '\n';
  }
}

/// One object a line. JSON knows no infinity: null.
void write_json(std::string& text, const Found& found, Metric, const std::string&) {
  text += "{\"query\": ";
  append(text, found.query);
  text += ", \"ids\": [";
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    if (i != 0) text += ", ";
    append(text, found.ids[i]);
  }
  text += "], \"scores\": [";
  for (std::size_t i = 0; i < found.scores.size(); ++i) {
    if (i != 0) text += ", ";
    std::isfinite(found.scores[i]) ? append(text, found.scores[i]) : void(text += "null");
  }
  text += "]}\n";
}

struct Format {
  std::string_view name;
  void (*write)(std::string& text, const Found& found, Metric metric, const std::string& run_name);
};
constexpr Format kFormats[] = {{"tsv", write_tsv}, {"trec", write_trec}, {"json", write_json}};

const Format& parse_format(std::string_view name) {
  std::string known;
  for (const Format& format : kFormats) {
    if (format.name == name) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  invalid_argument("'" + std::string(name) + "' given, expected one of " + known);
}

struct Choices {
  std::string index, queries, output, run_name = "cassata";
  const Format* format = &kFormats[0];
  bool exact = false;
  SearchParams params;
};

bool read(const Words& words, Choices& choices) {
  CommandLine line("search INDEX QUERIES [OPTIONS]",
                   "Finds the closest vectors to each row of QUERIES: a file as 'cassata build' reads it, or '-' for standard input, one query a\n"
                   "line, numbers separated by blanks or commas. Prints them best first; ids are row numbers from 0.\n"
                   "  tsv   query_id, doc_id, rank (from 1), score, separated by tabs\n"
                   "  trec  a TREC run: query_id Q0 doc_id rank score run_name; squared distances are negated, since larger must be better\n"
                   "  json  one object a line: query, ids, scores\n"
                   "The score is the dot product (largest first) or the squared Euclidean distance (smallest first), as the index was built.");
  SearchParams& params = choices.params;
  line.argument("INDEX", choices.index);
  line.argument("QUERIES", choices.queries);
  line.option(",k", params.k, "results a query");
  line.option("ef-search", params.ef_search, "candidates that the walk over the graph keeps: more is more exact and slower");
  line.option("early-exit-threshold", params.early_exit_threshold,
              "0 to 0.5: the walk goes on while a score is within the worst kept one relaxed by it");
  line.option("threads", params.num_threads, "0: all processors");
  line.flag("exact", choices.exact, "compare each query with every vector, whatever the index");
  line.option("format", "NAME", std::string(choices.format->name), "tsv, trec or json",
              [&](const std::string& text) { choices.format = &parse_format(text); });
  line.option("run-name", "NAME", choices.run_name, "last column of a TREC run", [&](const std::string& text) {
    if (text.empty() || printable(text) != text || text.find(' ') != text.npos)
      invalid_argument("'" + text + "' given, expected a word without blanks");
    choices.run_name = text;
  });
  line.option("output,o", "FILE", "standard output", "file to write, which appears complete or not at all",
              [&](const std::string& text) { choices.output = text; });
  return line.parse(words);
}

/// The numbers of one line.
std::vector<float> parse_row(std::string_view line, std::size_t row) {
  constexpr std::string_view kSeparators = " \t,\r";
  std::vector<float> values;
  for (;;) {
    line.remove_prefix(std::min(line.find_first_not_of(kSeparators), line.size()));
    if (line.empty()) return values;
    const std::string_view word = line.substr(0, line.find_first_of(kSeparators));
    try {
      values.push_back(number<float>(word));
    } catch (const Error& error) {
      invalid_argument("standard input: row " + std::to_string(row) + ", column " + std::to_string(values.size()) + ": " + error.what());
    }
    line.remove_prefix(word.size());
  }
}

std::string read_standard_input() {
  std::string text;
  for (std::array<char, 65536> buffer;;) {
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    ::poll(&input, 1, -1);  // Ctrl-C ends it; read() would go on waiting
    stop_if_interrupted();
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0) io_error("cannot read standard input");
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

/// Queries as text, one a line; empty lines are skipped.
std::vector<float> parse_queries(const std::string& text, std::size_t dim) {
  std::vector<float> values;
  std::istringstream lines(text);
  std::string line;
  for (std::size_t row = 0; std::getline(lines, line);) {
    if (row == 0 && line.starts_with("\x93NUMPY")) invalid_argument("standard input: a .npy file, expected lines of numbers; give its path instead");
    const std::vector<float> numbers = parse_row(line, row);
    if (numbers.empty()) continue;
    if (numbers.size() != dim)
      invalid_argument("standard input: row " + std::to_string(row) + " has " + std::to_string(numbers.size()) + " numbers, expected " +
                       std::to_string(dim) + " (the index's dim)");
    values.insert(values.end(), numbers.begin(), numbers.end());
    ++row;
  }
  return values;
}

void answer(const Index& index, DenseStream& queries, const Choices& choices, Output& output) {
  SearchParams params = choices.params;
  params.k = static_cast<std::size_t>(std::min<std::uint64_t>(params.k, index.size()));
  const std::size_t row_bytes = index.dim() * sizeof(float) + params.k * (sizeof(std::int64_t) + sizeof(float));
  const std::size_t rows = std::clamp<std::size_t>(kBatchBytes / row_bytes, 1, kBatchRows);
  std::vector<float> batch(rows * index.dim()), scores(rows * params.k);
  std::vector<std::int64_t> ids(rows * params.k);
  std::string text;
  const Progress progress = progress_bar(choices.output.empty());  // a bar would mix with results on a terminal
  std::uint64_t done = 0;
  for (std::size_t read = 0; (read = queries.next(batch)) != 0;) {
    const std::size_t places = read * params.k;
    const Hits hits{.ids = std::span(ids).first(places), .scores = std::span(scores).first(places)};
    const Batch matrix{.data = batch.data(), .rows = read, .dim = index.dim()};
    choices.exact ? index.search_exact(matrix, params, hits) : index.search(matrix, params, hits);
    for (std::size_t i = 0; i < read; ++i, ++done) {
      const auto all = hits.ids.subspan(i * params.k, params.k);
      const auto count = static_cast<std::size_t>(std::ranges::find(all, -1) - all.begin());
      choices.format->write(text, {done, all.first(count), hits.scores.subspan(i * params.k, count)}, index.manifest().metric, choices.run_name);
      output.write(text);
      text.clear();
    }
    progress("search", done, queries.size());
  }
}

}  // namespace

int search(const Words& words) {
  Choices choices;
  if (!read(words, choices)) return kOk;
  if (!choices.output.empty()) refuse_overwriting(choices.output, {choices.index, choices.queries == "-" ? "/dev/stdin" : choices.queries});
  const Index index = Index::open(choices.index);
  choices.params.check();
  std::vector<float> typed;
  std::unique_ptr<DenseStream> queries;
  if (choices.queries == "-") {
    typed = parse_queries(read_standard_input(), index.dim());
    queries = memory_stream("standard input", typed.data(), typed.size() / index.dim(), index.dim(), ElementType::f32);
  } else {
    queries = open_stream(choices.queries);
  }
  if (queries->dim() != index.dim())
    invalid_argument(queries->name() + ": dim " + std::to_string(queries->dim()) + ", expected " + std::to_string(index.dim()) + ", as of " +
                     choices.index);
  Output output(choices.output);
  answer(index, *queries, choices, output);
  output.finish();
  return kOk;
}

}  // namespace cassata::tools
