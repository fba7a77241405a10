#include "engine/index/answers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "cassata/error.h"
#include "format/input/sparse_files.h"
#include "format/input/vector_lengths.h"

namespace cassata {
namespace {

/// Throws unless the vector can be compared. `name` is for messages.
void check_vector(std::span<const float> values, const std::function<std::string()>& name) {
  if (comparable(values)) return;
  const auto bad = std::ranges::find_if_not(values, [](float value) { return std::isfinite(value); });
  const bool finite = bad == values.end();
  const std::size_t column = finite ? largest_value(values) : static_cast<std::size_t>(bad - values.begin());
  invalid_argument(name() + ", column " + std::to_string(column) + ": " +
                   (finite ? length_fault(values) : std::to_string(*bad) + ", expected a finite number"));
}

void check_tokens(const Batch& queries, std::size_t dim) {
  const TokenBatch& tokens = queries.tokens;
  if (tokens.offsets == nullptr && dim == 0) return;
  if (dim == 0) invalid_argument("multivec_queries: given, but the index has no token vectors");
  if (tokens.offsets == nullptr)
    invalid_argument("multivec_queries: none given, expected the token vectors, of dim " + std::to_string(dim) +
                     ", of each query");
  if (tokens.dim != dim)
    invalid_argument("multivec_queries: dim is " + std::to_string(tokens.dim) + ", expected " + std::to_string(dim) +
                     ", as in the index");
  for (std::size_t i = 0; i < queries.rows; ++i) {
    if (tokens.offsets[i] > tokens.offsets[i + 1])
      invalid_argument("multivec_queries: query " + std::to_string(i) + " from token " +
                       std::to_string(tokens.offsets[i]) + " to " + std::to_string(tokens.offsets[i + 1]) +
                       ", expected non-decreasing offsets");
    const auto values = tokens.row(i);
    for (std::size_t at = 0; at < values.size(); at += dim)
      check_vector(values.subspan(at, dim), [&] {
        return "multivec_queries: query " + std::to_string(i) + ", token " + std::to_string(at / dim);
      });
  }
}

}  // namespace

void check_queries(const Batch& queries, const Searched& searched) {
  if (queries.sparse() != (searched.vector_kind == VectorKind::sparse))
    invalid_argument(
        "queries: " +
        std::string(queries.sparse() ? "sparse vectors, expected dense" : "dense vectors, expected sparse") +
        " ones, as in " + std::string(searched.name));
  if (queries.sparse()) {
    for (std::size_t i = 0; i < queries.rows; ++i) check_sparse_row("queries", i, queries.row(i), ComponentOrder::any);
    return;
  }
  if (queries.dim != searched.dim)
    invalid_argument("queries: dim is " + std::to_string(queries.dim) + ", expected " + std::to_string(searched.dim) +
                     ", as in " + std::string(searched.name));
  for (std::size_t i = 0; i < queries.rows; ++i)
    check_vector(queries.row(i).values, [&] { return "queries: row " + std::to_string(i); });
}

void check_asked(const Batch& queries, const Searched& searched) {
  check_queries(queries, searched);
  check_tokens(queries, searched.token_dim);
}

void check_search(const Batch& queries, const Searched& searched, std::size_t k, const Hits& out) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();  // bounds the product
  const std::size_t places = k != 0 && queries.rows > kMost / k ? kMost : queries.rows * k;
  if (out.ids.size() != places || out.scores.size() != out.ids.size())
    invalid_argument("out: room for " + std::to_string(out.ids.size()) +
                     " results, expected queries x k = " + std::to_string(places));
  check_asked(queries, searched);
}

void check_filters(std::span<const Bitmap* const> filters, std::size_t queries, std::uint64_t size) {
  if (filters.size() > 1 && filters.size() != queries)
    invalid_argument("filter: " + std::to_string(filters.size()) + " filters, expected one, or one for each of the " +
                     std::to_string(queries) + " queries");
  for (const Bitmap* filter : filters)
    if (filter != nullptr && filter->size() != size)
      invalid_argument("filter: of " + std::to_string(filter->size()) + " rows, expected " + std::to_string(size) +
                       ", as in the index");
}

OrderedQueries::OrderedQueries(const Batch& queries) : batch_(queries) {
  if (!queries.sparse()) return;
  const auto rises = [&](std::size_t row) {
    const auto components = queries.row(row).components;
    return std::ranges::adjacent_find(components, std::ranges::greater_equal()) == components.end();
  };
  std::size_t row = 0;
  while (row < queries.rows && rises(row)) ++row;
  if (row == queries.rows) return;
  for (std::size_t i = 0; i < queries.rows; ++i) append(queries.row(i));
  batch_.data = values_.data();
  batch_.components = components_.data();
  batch_.offsets = offsets_.data();
}

void OrderedQueries::append(VectorView query) {
  std::vector<std::size_t> order(query.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return query.components[i]; });
  for (std::size_t i = 0; i < order.size();) {
    const std::uint32_t component = query.components[order[i]];
    double sum = 0;
    for (; i < order.size() && query.components[order[i]] == component; ++i)
      sum += static_cast<double>(query.values[order[i]]);
    components_.push_back(component);
    values_.push_back(static_cast<float>(sum));
  }
  offsets_.push_back(values_.size());
}

void put_hits(std::span<std::vector<Candidate>> best, const Batch& queries, Metric metric, std::size_t k,
              const Hits& out) {
  for (std::size_t i = 0; i < queries.rows; ++i) {
    const auto ids = out.ids.subspan(i * k, k);
    const auto scores = out.scores.subspan(i * k, k);
    for (std::size_t j = 0; j < best[i].size(); ++j) {
      ids[j] = best[i][j].id;
      scores[j] = score_of(metric, best[i][j].distance);
    }
    std::fill(ids.begin() + static_cast<std::ptrdiff_t>(best[i].size()), ids.end(), -1);
    std::fill(scores.begin() + static_cast<std::ptrdiff_t>(best[i].size()), scores.end(),
              score_of(metric, std::numeric_limits<float>::infinity()));
  }
}

HitLists lists_of(std::span<std::vector<Candidate>> best, Metric metric) {
  HitLists out;
  for (const std::vector<Candidate>& found : best)
    out.limits.push_back(out.limits.back() + static_cast<std::int64_t>(found.size()));
  const auto count = static_cast<std::size_t>(out.limits.back());
  out.scores.reserve(count);
  out.ids.reserve(count);
  for (std::vector<Candidate>& found : best) {
    for (const Candidate& hit : found) {
      out.scores.push_back(score_of(metric, hit.distance));
      out.ids.push_back(hit.id);
    }
    found = {};
  }
  return out;
}

}  // namespace cassata
