// Range searches, of every kind of index that the registry has: nothing beyond the radius, and little is missed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "cassata/bitmap.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/multivector_cases.h"
#include "tests/support/expect_error.h"

namespace cassata::range_test {
namespace {

using namespace test;

class RangedKind : public EveryKind {};
class RangedKindAtSize : public EveryKind {};
class RangedMultivector : public EveryMultivector {};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Asks one of the range searches, with sparse queries if the index holds such vectors.
template <class Search = decltype(&Index::range_search)>
HitLists within(const Index& index, const Vectors& queries, float radius, const SearchParams& params = {},
                std::size_t max_results = kMaxSize, const TokenBatch& tokens = {},
                Search search = &Index::range_search) {
  const SparseVectors sparse = sparse_of(queries);
  Batch batch =
      index.manifest().schema.vector_kind == VectorKind::sparse ? sparse.batch(queries.dim) : queries.matrix();
  batch.tokens = tokens;
  return (index.*search)(batch, radius, params, max_results);
}

/// The radius that every score is within.
float everything(const Index& index) { return score_of(index.manifest().schema.metric, kInfinity); }

bool reaches(const Index& index, float score, float radius) {
  return largest_first(index.manifest().schema.metric) ? score >= radius : score <= radius;
}

/// The results of query q.
struct OfQuery {
  std::span<const std::int64_t> ids;
  std::span<const float> scores;
};

OfQuery of_query(const HitLists& lists, std::size_t q) {
  const auto begin = static_cast<std::size_t>(lists.limits[q]), end = static_cast<std::size_t>(lists.limits[q + 1]);
  return {std::span(lists.ids).subspan(begin, end - begin), std::span(lists.scores).subspan(begin, end - begin)};
}

/// Those of the exact results `all` of each query, best first, that reach the radius and pass; at most `most`.
HitLists expected(const Index& index, const Answers& all, std::size_t queries, float radius, std::size_t most,
                  std::span<const Bitmap* const> filters = {}) {
  HitLists out;
  const std::size_t width = all.ids.size() / queries;
  for (std::size_t q = 0; q < queries; ++q) {
    std::size_t count = 0;
    for (std::size_t i = q * width; i < (q + 1) * width && count < most; ++i) {
      if (!reaches(index, all.scores[i], radius)) continue;
      if (!filters.empty() && !filters[q]->test(static_cast<std::size_t>(all.ids[i]))) continue;
      out.ids.push_back(all.ids[i]);
      out.scores.push_back(all.scores[i]);
      ++count;
    }
    out.limits.push_back(static_cast<std::int64_t>(out.ids.size()));
  }
  return out;
}

void expect_same(const HitLists& found, const HitLists& wanted) {
  EXPECT_EQ(found.limits, wanted.limits);
  EXPECT_EQ(found.ids, wanted.ids);
  EXPECT_EQ(found.scores, wanted.scores);
}

/// That `found` are some of `wanted`, in their order, with the same scores; of each query as many if `all`.
void expect_among(const HitLists& found, const HitLists& wanted, std::size_t most) {
  ASSERT_EQ(found.limits.size(), wanted.limits.size());
  ASSERT_EQ(found.limits.front(), 0);
  ASSERT_EQ(found.limits.back(), static_cast<std::int64_t>(found.ids.size()));
  ASSERT_EQ(found.scores.size(), found.ids.size());
  for (std::size_t q = 0; q + 1 < found.limits.size(); ++q) {
    const OfQuery mine = of_query(found, q), all = of_query(wanted, q);
    ASSERT_LE(mine.ids.size(), std::min(most, all.ids.size())) << "query " << q;
    std::size_t at = 0;
    for (std::size_t i = 0; i < mine.ids.size(); ++i, ++at) {
      while (at < all.ids.size() && all.ids[at] != mine.ids[i]) ++at;
      ASSERT_LT(at, all.ids.size()) << "query " << q << ", id " << mine.ids[i];
      ASSERT_EQ(mine.scores[i], all.scores[at]) << "query " << q << ", id " << mine.ids[i];
    }
  }
}

TEST_P(RangedKind, FindsOnlyWhatIsWithinTheRadius) {
  for (unsigned seed = 0; seed < seeds(6); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = seed % 2 == 0 ? whole_vectors(random, 100 + below(random, 500), 1 + below(random, 6))
                                    : clustered_vectors(random, 100 + below(random, 500), 1 + below(random, 20), 5);
    duplicate_rows(random, vectors, seed * 20);
    const Vectors queries =
        seed % 2 == 0 ? whole_vectors(random, 12, vectors.dim) : normal_vectors(random, 12, vectors.dim);
    const Index index = build(vectors, GetParam());
    const std::size_t n = vectors.size();
    const Answers all = search_exact(index, queries, {.k = n});
    const bool flat = GetParam().schema.kind == Kind::flat;
    std::vector<float> radii = {everything(index), -everything(index), 0};
    for (const std::size_t place : {0, 3, 40}) radii.push_back(all.scores[place]);  // with ties
    for (const float radius : radii) {
      SCOPED_TRACE(radius);
      const HitLists wanted = expected(index, all, queries.size(), radius, n);
      expect_same(within(index, queries, radius, {}, n, {}, &Index::range_search_exact), wanted);
      for (const std::size_t ef : {1, 5}) {
        const SearchParams params{.ef_search = ef, .k_candidates = 4 * ef};
        const HitLists found = within(index, queries, radius, params);
        ASSERT_NO_FATAL_FAILURE(expect_among(found, wanted, n)) << "ef_search " << ef;
        if (flat || radius == everything(index)) expect_same(found, wanted);
        for (const std::size_t q : {0, 7}) {  // a query alone has the results that it has among others
          const HitLists alone = within(index, queries.part(q, 1), radius, params);
          ASSERT_TRUE(std::ranges::equal(alone.ids, of_query(found, q).ids)) << q;
        }
      }
      for (const std::size_t most : {0, 5}) {
        const HitLists best = expected(index, all, queries.size(), radius, most);
        expect_same(within(index, queries, radius, {}, most, {}, &Index::range_search_exact), best);
        const HitLists found = within(index, queries, radius, {.ef_search = 3, .k_candidates = 12}, most);
        ASSERT_NO_FATAL_FAILURE(expect_among(found, wanted, most));
        if (flat) expect_same(found, best);
      }
    }
  }
}

TEST_P(RangedKind, KeepsToFilters) {
  Random random(5);
  const Vectors vectors = clustered_vectors(random, 500, 8, 5), queries = normal_vectors(random, 8, 8);
  const Index index = build(vectors, GetParam());
  const Answers all = search_exact(index, queries, {.k = vectors.size()});
  std::vector<Bitmap> filters(queries.size(), Bitmap(vectors.size()));
  std::vector<const Bitmap*> pointers;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    for (std::size_t i = 0; i < vectors.size(); ++i)
      if (random() % 8 < q) filters[q].set(i);
    pointers.push_back(&filters[q]);
  }
  for (const std::size_t place : {2, 30, 300}) {
    const float radius = all.scores[place];
    const HitLists wanted = expected(index, all, queries.size(), radius, vectors.size(), pointers);
    expect_same(within(index, queries, radius, {.filters = pointers}, kMaxSize, {}, &Index::range_search_exact),
                wanted);
    const HitLists found = within(index, queries, radius, {.ef_search = 2, .k_candidates = 8, .filters = pointers});
    ASSERT_NO_FATAL_FAILURE(expect_among(found, wanted, vectors.size()));
    if (GetParam().schema.kind == Kind::flat) expect_same(found, wanted);
    SearchParams one{.ef_search = 2, .k_candidates = 8};
    one.filters = std::span(pointers).subspan(6, 1);
    const HitLists alone = within(index, queries.part(6, 1), radius, one);
    EXPECT_TRUE(std::ranges::equal(alone.ids, of_query(found, 6).ids));
  }
}

TEST_P(RangedKind, RefusesNaNAsRadius) {
  Random random(6);
  const Vectors vectors = whole_vectors(random, 30, 3);
  const Index index = build(vectors, GetParam());
  expect_error(Errc::invalid_argument, {"radius: nan given, expected a number"},
               [&] { within(index, vectors.part(0, 1), std::nanf("")); });
  EXPECT_EQ(within(index, vectors.part(0, 0), 1).limits, std::vector<std::int64_t>{0});
}

TEST_P(RangedKindAtSize, FindsAsMuchAsASearch) {
  Random random(9);
  Vectors vectors = clustered_vectors(random, 2500, 12, 20);
  duplicate_rows(random, vectors, 10);
  const Vectors queries = clustered_vectors(random, 20, 12, 20);
  const Index index = build(vectors, GetParam());
  const SearchParams params{.k = 10, .ef_search = 10, .k_candidates = 40};
  const Answers all = search_exact(index, queries, {.k = vectors.size()});
  const Answers best = answers(index, queries, params, &Index::search);
  std::size_t hits = 0;
  for (std::size_t i = 0; i < best.ids.size(); ++i)
    hits += best.ids[i] >= 0 && reaches(index, best.scores[i], all.scores[i / 10 * vectors.size() + 9]);
  const double usual = static_cast<double>(hits) / static_cast<double>(best.ids.size());
  for (const std::size_t count : {3, 20, 100, 1500}) {
    std::vector<float> scores;  // the score that so many results of a query reach, as a median
    for (std::size_t q = 0; q < queries.size(); ++q) scores.push_back(all.scores[q * vectors.size() + count]);
    std::ranges::sort(scores);
    const float radius = scores[scores.size() / 2];
    const HitLists wanted = expected(index, all, queries.size(), radius, vectors.size());
    const HitLists found = within(index, queries, radius, params);
    ASSERT_NO_FATAL_FAILURE(expect_among(found, wanted, vectors.size()));
    EXPECT_GE(static_cast<double>(found.ids.size()), (usual - 0.03) * static_cast<double>(wanted.ids.size()))
        << count << " results, recall of a search " << usual;
  }
}

CASSATA_FOR_CASES(RangedKind, all_cases());
CASSATA_FOR_CASES(RangedKindAtSize, all_cases());

TEST_P(RangedMultivector, FindsOnlyWhatIsWithinTheRadius) {
  Random random(3);
  const Vectors vectors = clustered_vectors(random, 300, 8, 5);
  const Tokens tokens = random_tokens(random, vectors.size(), 2, 4, 20, 6);
  const Vectors queries = normal_vectors(random, 8, vectors.dim);
  const TokenQueries asked = random_token_queries(random, queries.size(), tokens.dim, 5);
  const Index index = join(build(vectors, first_params(GetParam())), tokens, GetParam().layout);
  const Answers all = search_exact(index, queries, {.k = vectors.size()}, asked.batch());
  for (const float radius : {-kInfinity, all.scores[vectors.size() * 2 + 5], all.scores[vectors.size() * 3 + 100]}) {
    const HitLists wanted = expected(index, all, queries.size(), radius, vectors.size());
    expect_same(within(index, queries, radius, {}, kMaxSize, asked.batch(), &Index::range_search_exact), wanted);
    const HitLists found = within(index, queries, radius, {.ef_search = 5, .k_candidates = 8}, kMaxSize, asked.batch());
    ASSERT_NO_FATAL_FAILURE(expect_among(found, wanted, vectors.size()));
  }
  // All documents, by the scores of a search of both stages.
  const SearchParams both{.k = vectors.size(), .ef_search = 5, .k_candidates = vectors.size(), .sum_stages = true};
  const Answers sums = answers(index, queries, both, &Index::search, asked.batch());
  const HitLists found =
      within(index, queries, -kInfinity, {.k_candidates = 8, .sum_stages = true}, kMaxSize, asked.batch());
  EXPECT_EQ(found.ids, sums.ids);
  EXPECT_EQ(found.scores, sums.scores);
}

CASSATA_FOR_CASES(RangedMultivector, multivector_cases());

}  // namespace
}  // namespace cassata::range_test
