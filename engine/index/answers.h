// What every search has in common: queries that are checked, and results that are put where the caller wants them.
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

/// What queries are compared with.
struct Searched {
  VectorKind vector_kind;
  std::size_t dim;
  std::size_t token_dim = 0;  ///< 0: there are no token vectors
  std::string_view name = "the index";
};

/// Throws Error(invalid_argument) unless `queries` are vectors of that shape, finite, of a length (L2) of 0 or 1e-15 to
/// 2e18, and, if dense, of that dim. Components of sparse ones may stand in any order, and more than once:
/// OrderedQueries.
void check_queries(const Batch& queries, const Searched& searched);
/// The same, and unless they have token vectors where they must, and `out` has room for `k` results of each.
void check_search(const Batch& queries, const Searched& searched, std::size_t k, const Hits& out);

/// Checked queries as searches take them: the components of a sparse one rise strictly. Where they do not, a copy is
/// sorted, and the values of a repeated component are summed. Throws Error(invalid_argument) where f32 cannot hold a
/// sum.
class OrderedQueries {
 public:
  explicit OrderedQueries(const Batch& queries);
  OrderedQueries(const OrderedQueries&) = delete;
  OrderedQueries& operator=(const OrderedQueries&) = delete;

  /// Borrows the queries, or this copy.
  const Batch& batch() const noexcept { return batch_; }

 private:
  void append(VectorView query);

  Batch batch_;
  std::vector<std::uint32_t> components_;
  std::vector<float> values_;
  std::vector<std::uint64_t> offsets_ = {0};
};

/// Checked queries as searches by a metric take them: ordered, and of length 1 where the metric has such.
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

/// Puts best[i], at most `k`, best first, where the results of query i go.
void put_hits(std::span<std::vector<Candidate>> best, const Batch& queries, Metric metric, std::size_t k,
              const Hits& out);

}  // namespace cassata
