// Results of searches as text: TSV, TREC runs and JSON lines, written and read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/command.h"
#include "tools/terminal.h"

namespace cassata::tools {

/// Results of a query, best first.
struct Found {
  std::string query;             // number or name; in JSON with quotes, if it is a name
  std::vector<std::string> ids;  // likewise
  std::span<const float> scores;
  std::optional<std::vector<std::string>> documents = {};  ///< of the ids, if they are shown
};

struct Format {
  std::string_view name;
  /// Separates the columns, and so may not be in an id; 0: ids are in quotes.
  char separator;
  bool has_documents;  ///< shows documents, if there are any
  void (*write)(std::string& text, const Found& found, bool largest_first, const std::string& run_name);
};

/// All formats, the usual one first.
std::span<const Format> formats();

/// The name of a query or vector as this format has it. Throws Error(invalid_argument), about `what`.
std::string shown(const Format& format, std::string_view name, const std::string& what);
/// The same for a query or an id of unknown type: in JSON without quotes if it is a number.
std::string shown_id(const Format& format, std::string_view id, const std::string& what);

/// Adds --format and --run-name.
void add_format(CommandLine& line, const Format*& format, std::string& run_name);

/// Results of any format, so that one may take the place of another. Their first line shows it: its rank is 1, and its
/// score is a number.
FileKind results_kind();

struct ReadResult {
  std::string id;
  bool is_text;  ///< it is a text in JSON, and not a number; other formats do not tell
  float score;
  std::uint64_t rank, line;
};

/// The results of a query, as read from a file.
struct ReadResults {
  std::string query;
  bool is_text;  ///< as of an id
  std::vector<ReadResult> results = {};
};

struct ReadFile {
  std::vector<ReadResults> queries = {};
  bool is_trec = false;  ///< the file has a line of a TREC run, of which the largest score is the best
};

/// Reads a file of results in any format, by its content. Queries are in the order of their first lines; results of
/// each are in the order of their ranks, in JSON in that of the list. Throws Error(io), or Error(invalid_argument)
/// naming the file and the line.
ReadFile read_results(const std::filesystem::path& path);

}  // namespace cassata::tools
