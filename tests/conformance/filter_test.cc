// Filtered searches, of every kind of index that the registry has: nothing outside of the filter, and little is missed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cassata/bitmap.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/multivector_cases.h"
#include "tests/support/expect_error.h"

namespace cassata::filter_test {
namespace {

using namespace test;

class FilteredKind : public EveryKind {};
class FilteredKindAtSize : public EveryKind {};
class FilteredMultivector : public EveryMultivector {};

using Filters = std::vector<Bitmap>;

std::vector<const Bitmap*> pointers(const Filters& filters) {
  std::vector<const Bitmap*> out;
  for (const Bitmap& filter : filters) out.push_back(&filter);
  return out;
}

Bitmap random_filter(Random& random, std::size_t size, double share) {
  Bitmap out(size);
  for (std::size_t i = 0; i < size; ++i)
    if (static_cast<double>(random() % 1'000'000) < share * 1e6) out.set(i);
  return out;
}

/// Filters of every share from none to all.
Filters random_filters(Random& random, std::size_t queries, std::size_t size) {
  const double shares[] = {0, 0.01, 0.1, 0.3, 0.5, 0.8, 0.97, 1};
  Filters out;
  for (std::size_t q = 0; q < queries; ++q) out.push_back(random_filter(random, size, shares[q % 8]));
  return out;
}

/// `all`, the results of all rows for each query, without those that do not pass.
Answers passing(const Answers& all, const Filters& filters, std::size_t k) {
  const std::size_t width = all.ids.size() / filters.size();
  Answers out;
  for (std::size_t q = 0; q < filters.size(); ++q) {
    std::size_t found = 0;
    for (std::size_t i = q * width; i < (q + 1) * width && found < k; ++i) {
      if (all.ids[i] < 0 || !filters[q].test(static_cast<std::size_t>(all.ids[i]))) continue;
      out.ids.push_back(all.ids[i]);
      out.scores.push_back(all.scores[i]);
      ++found;
    }
    for (; found < k; ++found) {
      out.ids.push_back(-1);
      out.scores.push_back(out.scores.empty() ? 0 : out.scores.back());  // not compared
    }
  }
  return out;
}

void expect_within(const Answers& found, const Filters& filters, std::size_t k) {
  for (std::size_t q = 0; q < filters.size(); ++q) {
    std::size_t count = 0;
    for (std::size_t i = q * k; i < (q + 1) * k; ++i) {
      if (found.ids[i] < 0) continue;
      ++count;
      ASSERT_LT(static_cast<std::size_t>(found.ids[i]), filters[q].size());
      ASSERT_TRUE(filters[q].test(static_cast<std::size_t>(found.ids[i]))) << "query " << q << ", id " << found.ids[i];
    }
    ASSERT_EQ(count, std::min(k, filters[q].count())) << "query " << q;
  }
}

TEST_P(FilteredKind, FindsOnlyWhatPasses) {
  for (unsigned seed = 0; seed < seeds(6); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = seed % 2 ? whole_vectors(random, 100 + below(random, 500), 1 + below(random, 6))
                               : clustered_vectors(random, 100 + below(random, 500), 1 + below(random, 20), 5);
    duplicate_rows(random, vectors, seed * 20);
    const Vectors queries = seed % 2 ? whole_vectors(random, 24, vectors.dim) : normal_vectors(random, 24, vectors.dim);
    const Index index = build(vectors, GetParam());
    const Filters filters = random_filters(random, queries.size(), vectors.size());
    const auto of_each = pointers(filters);
    for (const std::size_t ef : {1, 3, 30}) {
      const SearchParams params{.k = 1 + below(random, 8), .ef_search = ef, .filters = of_each};
      const Answers found = search(index, queries, params);
      ASSERT_NO_FATAL_FAILURE(expect_within(found, filters, params.k)) << "ef_search " << ef;
      const Answers exact = search_exact(index, queries, params);
      ASSERT_NO_FATAL_FAILURE(expect_within(exact, filters, params.k));
      const Answers all = search_exact(index, queries, {.k = vectors.size()});
      EXPECT_EQ(exact.ids, passing(all, filters, params.k).ids);
      for (std::size_t q = 0; q < queries.size(); ++q) {  // one filter for all queries
        SearchParams one = params;
        one.filters = std::span(of_each).subspan(q, 1);
        const Answers alone = search(index, queries.part(q, 1), one);
        ASSERT_TRUE(std::ranges::equal(alone.ids, std::span(found.ids).subspan(q * params.k, params.k))) << q;
      }
    }
  }
}

TEST_P(FilteredKind, AFilterOfAllRowsAndNoneChangeNothing) {
  Random random(7);
  Vectors vectors = clustered_vectors(random, 400, 8, 5);
  duplicate_rows(random, vectors, 40);
  const Vectors queries = normal_vectors(random, 12, 8);
  const Index index = build(vectors, GetParam());
  const Bitmap all(vectors.size(), true), half = random_filter(random, vectors.size(), 0.5);
  SearchParams params{.k = 5, .ef_search = 20};
  const Answers unfiltered = search(index, queries, params);
  const Bitmap* const same[] = {&all};
  params.filters = same;
  EXPECT_EQ(search(index, queries, params), unfiltered);
  std::vector<const Bitmap*> mixed(queries.size(), nullptr);
  mixed[3] = &half;
  params.filters = mixed;
  const Answers found = search(index, queries, params);
  for (std::size_t i = 0; i < found.ids.size(); ++i)
    if (i / 5 != 3) {
      ASSERT_EQ(found.ids[i], unfiltered.ids[i]);
    }
}

TEST_P(FilteredKind, RefusesFiltersThatDoNotFit) {
  Random random(8);
  const Vectors vectors = whole_vectors(random, 50, 3), queries = whole_vectors(random, 3, 3);
  const Index index = build(vectors, GetParam());
  const Bitmap fits(50), larger(51);
  const Bitmap *const wrong[] = {&larger}, *const two[] = {&fits, &fits};
  expect_error(Errc::invalid_argument, {"filter: of 51 rows, expected 50"},
               [&] { search(index, queries, {.k = 2, .filters = wrong}); });
  expect_error(Errc::invalid_argument, {"filter: 2 filters, expected one, or one for each of the 3 queries"},
               [&] { search(index, queries, {.k = 2, .filters = two}); });
}

/// The share of the best scores among rows that pass that a search reaches.
double recall_of(const Index& index, const Vectors& queries, const Filters& filters, SearchParams params) {
  const auto of_each = pointers(filters);
  params.filters = of_each;
  const Answers found = search(index, queries, params), exact = search_exact(index, queries, params);
  const bool largest = largest_first(index.manifest().schema.metric);
  std::size_t hits = 0, wanted = 0;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const std::size_t count = std::min(params.k, filters[q].count());
    if (count == 0) continue;
    const float worst = exact.scores[q * params.k + count - 1];
    for (std::size_t i = q * params.k; i < q * params.k + count; ++i)
      hits += found.ids[i] >= 0 && (largest ? found.scores[i] >= worst : found.scores[i] <= worst);
    wanted += count;
  }
  return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
}

TEST_P(FilteredKindAtSize, FindsAsMuchAsWithoutAFilter) {
  Random random(9);
  Vectors vectors = clustered_vectors(random, 3000, 12, 20);
  duplicate_rows(random, vectors, 300);
  const Vectors queries = clustered_vectors(random, 40, 12, 20);
  const Index index = build(vectors, GetParam());
  const SearchParams params{.k = 10, .ef_search = 20};
  const double usual = recall_of(index, queries, Filters(queries.size(), Bitmap(vectors.size(), true)), params);
  // Rows by their distance to each query: those close to it, and those far from it.
  std::vector<std::vector<Id>> orders;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    orders.emplace_back();
    for (const Candidate& c : brute_force(vectors, index.manifest().schema.metric, queries.row(q), vectors.size()))
      orders.back().push_back(c.id);
  }
  for (const double share : {0.02, 0.3, 0.5, 0.7, 0.95}) {
    const auto count = static_cast<std::size_t>(share * static_cast<double>(vectors.size()));
    Filters random_rows, close, far;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      random_rows.push_back(random_filter(random, vectors.size(), share));
      close.emplace_back(vectors.size());
      far.emplace_back(vectors.size());
      for (std::size_t i = 0; i < count; ++i) {
        close.back().set(orders[q][i]);
        far.back().set(orders[q][orders[q].size() - 1 - i]);
      }
    }
    EXPECT_GE(recall_of(index, queries, random_rows, params), usual - 0.03) << "random rows, " << share;
    EXPECT_GE(recall_of(index, queries, close, params), usual - 0.03) << "rows close to the query, " << share;
    // Rows far from the query are about as far as each other: the first of two stages with a given number of candidates
    // cannot tell them apart, nor can lists, which are short of the components they share.
    const IndexSchema& schema = GetParam().schema;
    if (schema.kind == Kind::postings || (schema.second && !schema.traversal_only())) continue;
    EXPECT_GE(recall_of(index, queries, far, params), usual - 0.15) << "rows far from the query, " << share;
  }
}

CASSATA_FOR_CASES(FilteredKind, all_cases());
CASSATA_FOR_CASES(FilteredKindAtSize, all_cases());

TEST_P(FilteredMultivector, FindsOnlyWhatPasses) {
  for (unsigned seed = 0; seed < seeds(3); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = clustered_vectors(random, 150 + below(random, 200), 8, 5);
    duplicate_rows(random, vectors, seed * 20);
    const Tokens tokens = random_tokens(random, vectors.size(), 2, 4, 20, 6);
    const Vectors queries = normal_vectors(random, 16, vectors.dim);
    const TokenQueries of_queries = random_token_queries(random, queries.size(), tokens.dim, 5);
    const Index index = join(build(vectors, first_params(GetParam())), tokens, GetParam().layout);
    const Filters filters = random_filters(random, queries.size(), vectors.size());
    const auto of_each = pointers(filters);
    for (const std::size_t ef : {1, 20}) {
      const SearchParams params{.k = 5, .ef_search = ef, .filters = of_each};
      const Answers found = search(index, queries, params, of_queries.batch());
      ASSERT_NO_FATAL_FAILURE(expect_within(found, filters, params.k)) << "ef_search " << ef;
      const Answers exact = search_exact(index, queries, params, of_queries.batch());
      const Answers all = search_exact(index, queries, {.k = vectors.size()}, of_queries.batch());
      EXPECT_EQ(exact.ids, passing(all, filters, params.k).ids);
    }
  }
}

CASSATA_FOR_CASES(FilteredMultivector, multivector_cases());

}  // namespace
}  // namespace cassata::filter_test
