// The common ends of every search: checked queries, and results in the caller's arrays.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/index.h"
#include "cassata/metric.h"
#include "engine/index/normalize.h"
#include "engine/search/workspace.h"

namespace cassata {

/// The vectors that queries are compared with.
struct Searched {
  VectorKind vector_kind;
  std::size_t dim;
  std::size_t token_dim = 0;  ///< 0: no token vectors
  std::string_view name = "the index";
};

/// Throws Error(invalid_argument) unless `queries` are of the kind and, if dense, of the dim of `searched`, with finite
/// values and a length (L2) of 0 or 1e-15 to 2e18. Components of sparse queries may be unsorted and repeated: see
/// OrderedQueries.
void check_queries(const Batch& queries, const Searched& searched);
/// Also checks their token vectors.
void check_asked(const Batch& queries, const Searched& searched);
/// Also checks that `out` has room for `k` results of each query.
void check_search(const Batch& queries, const Searched& searched, std::size_t k, const Hits& out);

/// Throws Error(invalid_argument) unless there is no filter, one, or one for each of `queries`, each of `size` rows.
void check_filters(std::span<const Bitmap* const> filters, std::size_t queries, std::uint64_t size);

/// Checked queries with strictly rising components. Other sparse queries are copied and sorted, and the values of a
/// repeated component are summed.
class OrderedQueries {
 public:
  explicit OrderedQueries(const Batch& queries);
  OrderedQueries(const OrderedQueries&) = delete;
  OrderedQueries& operator=(const OrderedQueries&) = delete;

  /// Borrows the queries, or the sorted copy.
  const Batch& batch() const noexcept { return batch_; }

 private:
  void append(VectorView query);

  Batch batch_;
  std::vector<std::uint32_t> components_;
  std::vector<float> values_;
  std::vector<std::uint64_t> offsets_ = {0};
};

/// Checked queries as searches by a metric take them: ordered, and normalized if the metric asks for it.
class SearchedQueries {
 public:
  SearchedQueries(const Batch& queries, Metric metric)
      : ordered_(queries),
        normalized_(row_of(metric).normalized),
        unit_(normalized_ ? NormalizedBatch(ordered_.batch()) : NormalizedBatch()) {}

  const Batch& batch() const noexcept { return normalized_ ? unit_.batch() : ordered_.batch(); }

 private:
  OrderedQueries ordered_;
  bool normalized_;
  NormalizedBatch unit_;
};

/// Copies best[i], at most `k` results, best first, to the places of query i, and fills the rest.
void put_hits(std::span<std::vector<Candidate>> best, const Batch& queries, Metric metric, std::size_t k,
              const Hits& out);

/// The results best[i], best first, of each query; frees them.
HitLists lists_of(std::span<std::vector<Candidate>> best, Metric metric);

}  // namespace cassata
