#include "tools/vectors.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "cassata/error.h"
#include "cassata/index_source.h"
#include "format/file/mapped_file.h"
#include "format/input/sparse_files.h"
#include "format/os/file_reader.h"
#include "tools/command.h"
#include "tools/python.h"

namespace cassata::tools {
namespace {

constexpr const char* kSource = "standard input";

/// The words of a line that blanks and commas separate.
std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kSeparators = " \t,\r";
  std::vector<std::string_view> words;
  for (;;) {
    line.remove_prefix(std::min(line.find_first_not_of(kSeparators), line.size()));
    if (line.empty()) return words;
    words.push_back(line.substr(0, line.find_first_of(kSeparators)));
    line.remove_prefix(words.back().size());
  }
}

/// number(), its errors with their place before them.
template <class T>
T number_at(std::string_view word, std::size_t row, const char* place, std::size_t i) {
  try {
    return number<T>(word);
  } catch (const Error& error) {
    invalid_argument(std::string(kSource) + ": row " + std::to_string(row) + ", " + place + " " + std::to_string(i) +
                     ": " + error.what());
  }
}

constexpr const char* kMatrixExtension = ".npz";

/// Sparse vectors in the bytes of their arrays.
class MatrixStream final : public VectorStream {
 public:
  MatrixStream(std::unique_ptr<const std::string> bytes, std::unique_ptr<SparseStream> rows)
      : VectorStream(rows->name(), VectorKind::sparse, rows->size(), rows->dim(), true),
        bytes_(std::move(bytes)),
        rows_(std::move(rows)) {}
  std::uint64_t entries() const noexcept override { return rows_->entries(); }
  InputEntry entry() const override { return rows_->entry(); }
  Batch next_batch() override { return rows_->next_batch(); }

 private:
  std::unique_ptr<const std::string> bytes_;
  std::unique_ptr<SparseStream> rows_;
};

/// Reads a matrix by SciPy, in another process.
std::unique_ptr<VectorStream> read_matrix(const std::string& path) {
  constexpr const char* kProgram = R"(
import sys
import numpy as np
from cassata import inputs
out = sys.stdout.buffer
try:
    components, values, offsets = inputs.matrix_rows(sys.argv[1], inputs.matrix_file(sys.argv[1]))
except (OSError, ValueError) as error:
    out.write(b"refused:" + str(error).encode())
    sys.exit()
out.write(b"arrays: ")
for array in (np.array([len(offsets), len(components)], np.uint64), offsets, components, values):
    out.write(array.tobytes())
)";
  constexpr std::string_view kRefused = "refused:", kArrays = "arrays: ";
  FileReader{path};  // throws as for other inputs, before Python starts
  auto bytes =
      std::make_unique<const std::string>(output_of({find_python("cassata, scipy", "sparse"), "-c", kProgram, path}));
  if (bytes->starts_with(kRefused)) invalid_argument(bytes->substr(kRefused.size()));
  const std::string_view arrays = std::string_view(*bytes).substr(std::min(kArrays.size(), bytes->size()));
  std::array<std::uint64_t, 2> counts = {};
  if (arrays.size() >= sizeof counts) std::memcpy(counts.data(), arrays.data(), sizeof counts);
  const auto [places, entries] = counts;
  if (arrays.size() !=
      sizeof counts + places * sizeof(std::uint64_t) + entries * (sizeof(std::uint32_t) + sizeof(float)))
    io_error("cannot read " + path + " by Python", EIO);
  const auto* const offsets = reinterpret_cast<const std::uint64_t*>(arrays.data()) + counts.size();
  const auto* const components = reinterpret_cast<const std::uint32_t*>(offsets + places);
  const auto* const values = reinterpret_cast<const float*>(components + entries);
  auto rows = sparse_memory_stream(path, {components, entries}, {values, entries}, {offsets, places});
  return std::make_unique<MatrixStream>(std::move(bytes), std::move(rows));
}

}  // namespace

VectorKind vector_kind_of(const std::filesystem::path& path) {
  const std::string extension = input_extension(path);
  return extension == ".bin" || extension == kMatrixExtension ? VectorKind::sparse : VectorKind::dense;
}

std::unique_ptr<VectorStream> open_vectors(const std::filesystem::path& path) {
  if (is_index_file(path)) return IndexSource(Index::open(path)).vectors();
  if (input_extension(path) == kMatrixExtension) return read_matrix(path.string());
  if (vector_kind_of(path) == VectorKind::sparse) return open_sparse_stream(path);
  return open_stream(path);
}

void check_queries(const VectorStream& queries, VectorKind vector_kind, std::size_t dim, const std::string& searched) {
  const bool sparse = vector_kind == VectorKind::sparse;
  if (queries.vector_kind() != vector_kind)
    invalid_argument(
        queries.name() + ": " +
        (sparse ? "dense vectors, expected sparse ones (.bin, .npz)" : "sparse vectors, expected dense ones") +
        ", as in " + searched);
  if (!sparse && queries.dim() != dim)
    invalid_argument(queries.name() + ": dim " + std::to_string(queries.dim()) + ", expected " + std::to_string(dim) +
                     ", as in " + searched);
}

void check_queries(const VectorStream& queries, const Index& index) {
  check_queries(queries, index.manifest().schema.vector_kind, index.dim(), index.file().path());
}

TokenQueries read_multivec_queries(const std::string& path, const Index& index, std::uint64_t count) {
  const std::string file = index.file().path();
  if (path.empty() && index.token_dim() == 0) return {};
  if (index.token_dim() == 0) invalid_argument("--multivec-queries: given, but " + file + " holds no token vectors");
  if (path.empty())
    invalid_argument("--multivec-queries: none given, expected the token vectors of the queries, as in " + file);
  TokenQueries queries = read_token_queries(path);
  if (queries.dim != index.token_dim())
    invalid_argument(path + ": token vectors of dim " + std::to_string(queries.dim) + ", expected " +
                     std::to_string(index.token_dim()) + ", as in " + file);
  if (queries.size() != count)
    invalid_argument(path + ": token vectors of " + std::to_string(queries.size()) + " queries, expected " +
                     std::to_string(count));
  return queries;
}

std::vector<std::filesystem::path> multivec_query_files(const std::string& path) {
  if (path.empty()) return {};
  const auto files = token_query_files(path);
  return {files.begin(), files.end()};
}

void add_multivec_queries(CommandLine& line, std::string& path) {
  line.option("multivec-queries", "PATH", "",
              "token vectors of the queries, for an index built with --multivec: queries.npy, (queries, tokens, "
              "token_dim) f4, or its folder; if query_doclens.npy lies beside it, it holds the number of tokens of "
              "each query, and further tokens are padding",
              [&path](const std::string& text) { path = text; });
}

namespace {

/// Appends JSON as text lines: an array of numbers as one line, an array of arrays as one line for each. An object is a
/// sparse vector, and its keys are components.
void append_lines(const nlohmann::ordered_json& json, std::string& lines) {
  const bool rows = json.is_array() && !json.empty() && (json[0].is_array() || json[0].is_object());
  if (rows) {
    for (const nlohmann::ordered_json& row : json) append_lines(row, lines);
    return;
  }
  if (!json.is_array() && !json.is_object())
    invalid_argument(std::string(kSource) + ": " + cassata::quoted(json.dump()) +
                     " given, expected a JSON array or object");
  std::string line;
  for (const auto& [key, value] : json.items()) line += (json.is_object() ? key + ":" : "") + value.dump() + " ";
  lines += line + "\n";
}

/// The value of a JSON text. Throws Error(invalid_argument) for an object that has a name twice, of which the library
/// would keep the last.
nlohmann::ordered_json json_value(std::string_view text) {
  using Json = nlohmann::ordered_json;  // components rise in the order in which they were typed
  using Event = Json::parse_event_t;
  std::set<std::string> names;
  return Json::parse(text, [&](int, Event event, const Json& part) {
    if (event == Event::object_start) names.clear();
    if (event == Event::key && !names.insert(part.get<std::string>()).second)
      invalid_argument(std::string(kSource) + ": component " + part.get<std::string>() +
                       " given twice in a vector, expected each component once");
    return true;
  });
}

/// Text without the mark that some editors and shells begin it with, and JSON as lines of numbers.
std::string plain_text(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == text.npos || (text[start] != '[' && text[start] != '{')) return std::string(text);
  std::string lines;
  std::istringstream input{std::string(text)};
  try {
    for (nlohmann::json json; input >> std::ws && !input.eof();) {
      const auto begin = static_cast<std::size_t>(input.tellg());
      input >> json;  // finds its end
      const std::size_t end = input.eof() ? text.size() : static_cast<std::size_t>(input.tellg());
      append_lines(json_value(text.substr(begin, end - begin)), lines);
    }
  } catch (const nlohmann::json::exception& error) {
    invalid_argument(std::string(kSource) + ": begins like JSON, but is not valid JSON: " + error.what());
  }
  return lines;
}

}  // namespace

TypedVectors::TypedVectors(const std::string& typed, const Index& index)
    : vector_kind_(index.manifest().schema.vector_kind), dim_(index.dim()) {
  const std::string text = plain_text(typed);
  std::istringstream lines(text);
  std::string line;
  for (std::size_t row = 0; std::getline(lines, line);) {
    if (row == 0 && line.starts_with("\x93NUMPY"))
      invalid_argument(std::string(kSource) + ": a .npy file, expected lines of numbers; give its path instead");
    if (words_of(line).empty()) continue;
    vector_kind_ == VectorKind::sparse ? parse_sparse(line, row) : parse_dense(line, row);
    offsets_.push_back(values_.size());
    ++row;
  }
}

void TypedVectors::parse_dense(std::string_view line, std::size_t row) {
  const auto words = words_of(line);
  for (std::size_t i = 0; i < words.size(); ++i) values_.push_back(number_at<float>(words[i], row, "column", i));
  if (words.size() != dim_)
    invalid_argument(std::string(kSource) + ": row " + std::to_string(row) + " has " + std::to_string(words.size()) +
                     " numbers, expected " + std::to_string(dim_) + " (the index's dim)");
}

void TypedVectors::parse_sparse(std::string_view line, std::size_t row) {
  const auto words = words_of(line);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t colon = words[i].find(':');
    if (colon == words[i].npos)
      invalid_argument(std::string(kSource) + ": row " + std::to_string(row) + ", entry " + std::to_string(i) + ": " +
                       quoted(words[i]) + " given, expected component:value");
    components_.push_back(number_at<std::uint32_t>(words[i].substr(0, colon), row, "entry", i));
    values_.push_back(number_at<float>(words[i].substr(colon + 1), row, "entry", i));
  }
}

std::unique_ptr<VectorStream> TypedVectors::stream() const {
  if (vector_kind_ == VectorKind::sparse) return sparse_memory_stream(kSource, components_, values_, offsets_);
  return memory_stream(kSource, values_.data(), values_.size() / dim_, dim_, ElementType::f32);
}

}  // namespace cassata::tools
