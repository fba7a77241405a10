#include "tools/truth.h"

#include <algorithm>
#include <memory>

#include "cassata/error.h"
#include "cassata/exact.h"
#include "format/file/mapped_file.h"
#include "format/input/id_table.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

constexpr SearchParams kOnAllProcessors = {.num_threads = 0};

Truth read(const std::string& path, std::span<const Index> indexes, const Batch& queries, std::size_t k) {
  const IdTable table = read_ids(path);
  if (table.rows != queries.rows)
    invalid_argument(path + ": " + std::to_string(table.rows) + " rows, expected " + std::to_string(queries.rows) +
                     ", one a query");
  if (table.columns < k)
    invalid_argument(path + ": " + std::to_string(table.columns) +
                     " columns, expected at least k = " + std::to_string(k));
  Truth truth{.ids = {},
              .text = "the answers in " + printable(path),
              .json = {{"source", "file"}, {"path", path}, {"dtype", nullptr}}};
  const auto n = static_cast<std::int64_t>(indexes.front().size());
  for (std::uint64_t row = 0; row < table.rows; ++row)
    for (std::uint64_t column = 0; column < k; ++column) {
      const std::int64_t id = table.ids[row * table.columns + column];
      if (id < -1 || id >= n)
        invalid_argument(path + ": row " + std::to_string(row) + ", column " + std::to_string(column) + ": id " +
                         std::to_string(id) + ", expected one below " + std::to_string(n) + ", or -1 for none");
      truth.ids.push_back(id);
    }
  return truth;
}

Truth over_data(const std::string& path, std::span<const Index> indexes, const Batch& queries, std::size_t k,
                const Progress& progress) {
  const Index& index = indexes.front();
  if (index.token_dim() != 0)
    invalid_argument("--data: " + path + " given, but " + index.file().path() +
                     " answers by token vectors; expected --truth, or an index that holds tokens as f16");
  const std::unique_ptr<VectorStream> vectors = open_vectors(path);
  check_queries(*vectors, index);
  if (vectors->size() != index.size())
    invalid_argument(path + ": " + std::to_string(vectors->size()) + " vectors, expected " +
                     std::to_string(index.size()) + ", as in " + index.file().path());
  Truth truth{.ids = std::vector<std::int64_t>(queries.rows * k),
              .text = "exact answers over the vectors of " + printable(path),
              .json = {{"source", "data"}, {"path", path}, {"dtype", nullptr}}};
  std::vector<float> scores(truth.ids.size());
  SearchParams params = kOnAllProcessors;
  params.k = k;
  search_exact(*vectors, index.manifest().schema.metric, queries, params, {.ids = truth.ids, .scores = scores},
               progress);
  return truth;
}

/// Precision of the vectors that an exact search of `index` scores: 2, f32; 1, f16; 0, less.
int precision(const Index& index) {
  const auto of = [](const Stage& stage) {
    return name_of(stage.encoding) == "f32" ? 2 : name_of(stage.encoding) == "f16" ? 1 : 0;
  };
  const IndexSchema& schema = index.manifest().schema;
  const int last = of(schema.last());
  return schema.has(Role::residual) ? std::min(last, of(schema.first)) : last;
}

Truth over_index(std::span<const Index> indexes, const Batch& queries, std::size_t k, const Progress& progress) {
  const Index& index = *std::ranges::max_element(indexes, {}, precision);  // the first of the best
  const std::string& path = index.file().path();
  const bool tokens = index.token_dim() != 0;
  if (precision(index) == 0)
    invalid_argument(std::string(tokens ? "--truth" : "--data, --truth") +
                     ": none given, but no index here holds the vectors that it was built from (f32, f16): " + path +
                     " has " + std::string(name_of(index.manifest().schema.last().encoding)));
  const std::string_view dtype = precision(index) == 2 ? "f32" : "f16";
  Truth truth{.ids = std::vector<std::int64_t>(queries.rows * k),
              .text = "exact answers over the " + std::string(dtype) +
                      (tokens ? " token vectors in " : " vectors in ") + printable(path),
              .json = {{"source", "index"}, {"path", path}, {"dtype", dtype}}};
  if (precision(index) == 1 && !tokens) truth.text += ", which are rounded; --data compares with the originals";
  std::vector<float> scores(truth.ids.size());
  SearchParams params = kOnAllProcessors;
  params.k = k;
  constexpr std::size_t kQueries = 256;  // between checks for Ctrl-C
  for (std::size_t first = 0; first < queries.rows; first += kQueries) {
    const std::size_t count = std::min(kQueries, queries.rows - first);
    index.search_exact(queries.part(first, count), params,
                       {.ids = std::span(truth.ids).subspan(first * k, count * k),
                        .scores = std::span(scores).subspan(first * k, count * k)});
    progress("exact answers", first + count, queries.rows);
  }
  return truth;
}

}  // namespace

Truth find_truth(const TruthChoices& choices, std::span<const Index> indexes, const Batch& queries, std::size_t k,
                 const Progress& progress) {
  if (!choices.file.empty()) return read(choices.file, indexes, queries, k);
  Truth truth = choices.data.empty() ? over_index(indexes, queries, k, progress)
                                     : over_data(choices.data, indexes, queries, k, progress);
  if (!choices.save.empty()) write_ids(choices.save, truth.ids, k, choices.replace);
  return truth;
}

}  // namespace cassata::tools
