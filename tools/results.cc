#include "tools/results.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "cassata/error.h"
#include "format/base/text.h"
#include "tools/document_files.h"
#include "tools/payload_files.h"

namespace cassata::tools {
namespace {

template <class T>
void append(std::string& text, T value) {
  std::array<char, 32> digits;
  text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

/// query_id, doc_id, rank from 1, score, and the document if documents are shown.
void write_tsv(std::string& text, const Found& found, bool, const std::string&) {
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    text += found.query + '\t' + found.ids[i] + '\t';
    append(text, i + 1), text += '\t';
    append(text, found.scores[i]);
    if (found.documents) text += '\t' + in_one_column((*found.documents)[i]);
    text += '\n';
  }
}

/// A TREC run. Its readers take the largest score for the best, so a distance is written negated.
void write_trec(std::string& text, const Found& found, bool largest_first, const std::string& run_name) {
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    text += found.query + " Q0 " + found.ids[i] + ' ';
    append(text, i + 1), text += ' ';
    append(text, largest_first ? found.scores[i] : 0.0F - found.scores[i]);  // no "-0"
    text += ' ' + run_name + '\n';
  }
}

/// One object a line. JSON knows no infinity: null.
void write_json(std::string& text, const Found& found, bool, const std::string&) {
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

constexpr Format kFormats[] = {
    {"tsv", '\t', true, write_tsv}, {"trec", ' ', false, write_trec}, {"json", '\0', true, write_json}};

const Format& parse_format(std::string_view name) {
  std::string known;
  for (const Format& format : kFormats) {
    if (format.name == name) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  invalid_argument("'" + std::string(name) + "' given, expected one of " + known);
}

/// Collects the lines of a file.
class ResultLines {
 public:
  explicit ResultLines(std::string path) : path_(std::move(path)) {}

  void read(std::string_view line) {
    ++number_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) return;
    if (line.starts_with('{')) return read_json(line);
    const std::vector<std::string_view> tsv = split(line, '\t');
    if (tsv.size() == 4 || tsv.size() == 5) return add(tsv[0], tsv[1], tsv[2], tsv[3]);
    const std::vector<std::string_view> trec = words(line);
    if (trec.size() != 6)
      refuse(
          "expected a line of a TREC run (query_id Q0 doc_id rank score run_name), of TSV (query_id, doc_id, rank, "
          "score) or of JSON, as 'cassata search' prints them");
    file_.is_trec = true;
    add(trec[0], trec[2], trec[3], trec[4]);
  }

  ReadFile finish() {
    for (ReadResults& of_query : file_.queries) std::ranges::stable_sort(of_query.results, {}, &ReadResult::rank);
    return std::move(file_);
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    invalid_argument(path_ + ": line " + decimal(number_) + ": " + problem);
  }

  static std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> out;
    for (std::size_t begin = 0; (begin = line.find_first_not_of(" \t", begin)) != line.npos;) {
      const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
      out.push_back(line.substr(begin, end - begin));
      begin = end;
    }
    return out;
  }

  ReadResults& query(std::string_view name, bool is_text) {
    const auto [at, is_new] = places_.try_emplace(std::string(name), file_.queries.size());
    if (is_new) file_.queries.push_back({.query = std::string(name), .is_text = false});
    ReadResults& query = file_.queries[at->second];
    query.is_text |= is_text;
    return query;
  }

  void add(std::string_view name, std::string_view id, std::string_view rank, std::string_view score) {
    const auto place = parse_number<std::uint64_t>(rank);
    if (!place) refuse("rank " + cassata::quoted(rank) + ", expected a whole number");
    const auto value = parse_number<double>(score);
    if (!value || std::isnan(*value)) refuse("score " + cassata::quoted(score) + ", expected a number");
    query(name, false)
        .results.push_back({.id = std::string(id),
                            .is_text = false,
                            .score = static_cast<float>(*value),
                            .rank = *place,
                            .line = number_});
  }

  /// A text, or a whole number as a text.
  std::string name_of(const nlohmann::json& json, const char* what) const {
    if (json.is_string()) return json.get<std::string>();
    if (!json.is_number_integer()) refuse(std::string(what) + ": expected a whole number or a text");
    return json.dump();
  }

  void read_json(std::string_view line) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("query") || !json.contains("ids") || !json.contains("scores") ||
        !json["ids"].is_array() || !json["scores"].is_array() || json["ids"].size() != json["scores"].size())
      refuse("expected a JSON object of query, ids and as many scores");
    ReadResults& of = query(name_of(json["query"], "query"), json["query"].is_string());
    for (std::size_t i = 0; i < json["ids"].size(); ++i) {
      const nlohmann::json& score = json["scores"][i];
      if (!score.is_number() && !score.is_null()) refuse("scores: expected numbers or null");
      const float value =
          score.is_null() ? std::numeric_limits<float>::infinity() : static_cast<float>(score.get<double>());
      of.results.push_back({.id = name_of(json["ids"][i], "ids"),
                            .is_text = json["ids"][i].is_string(),
                            .score = value,
                            .rank = of.results.size(),
                            .line = number_});
    }
  }

  std::string path_;
  std::uint64_t number_ = 0;
  std::unordered_map<std::string, std::size_t> places_;
  ReadFile file_;
};

}  // namespace

std::span<const Format> formats() { return kFormats; }

std::string shown(const Format& format, std::string_view name, const std::string& what) {
  if (format.separator == '\0')
    return nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (name.empty() || name.find(format.separator) != name.npos || printable(name) != name)
    invalid_argument(what + cassata::quoted(name) + ", expected a text without " +
                     (format.separator == '\t' ? "tabs" : "blanks") + " and line breaks for --format " +
                     std::string(format.name) + "; json can hold it");
  return std::string(name);
}

std::string shown_id(const Format& format, std::string_view id, const std::string& what) {
  const auto number = parse_number<std::int64_t>(id);
  return number && decimal(*number) == id ? std::string(id) : shown(format, id, what);
}

void add_format(CommandLine& line, const Format*& format, std::string& run_name) {
  line.option("format", "NAME", std::string(format->name), "tsv, trec or json",
              [&format](const std::string& text) { format = &parse_format(text); });
  line.option("run-name", "NAME", run_name, "last column of a TREC run", [&run_name](const std::string& text) {
    if (text.empty() || printable(text) != text || text.find(' ') != text.npos)
      invalid_argument("'" + text + "' given, expected a word without blanks");
    run_name = text;
  });
}

FileKind results_kind() {
  return {.name = "results of a search", .fits = [](std::string_view start) {
            const std::string_view line = start.substr(0, start.find('\n'));
            const std::vector<std::string_view> tsv = split(line, '\t'), trec = split(line, ' ');
            return (line.starts_with("{\"query\": ") && line.find(", \"ids\": [") != line.npos) ||
                   ((tsv.size() == 4 || tsv.size() == 5) && tsv[2] == "1" && parse_number<float>(tsv[3])) ||
                   (trec.size() == 6 && trec[1] == "Q0" && trec[3] == "1" && parse_number<float>(trec[4]));
          }};
}

ReadFile read_results(const std::filesystem::path& path) {
  ResultLines lines(path.string());
  for (const std::string& line : read_lines(path)) lines.read(line);
  return lines.finish();
}

}  // namespace cassata::tools
