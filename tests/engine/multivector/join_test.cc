// Token vectors beside every class of graph that they can be put beside: what is found is what MaxSim by definition
// says of what the first codes find; parts and manifests that do not fit are refused.
#include "engine/multivector/join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/multivector_cases.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::join_test {
namespace {

using namespace test;

using Ranked = std::vector<std::pair<float, std::int64_t>>;  // distance, id

/// Candidates and their first scores, best first, become the k best by definition (SearchParams).
template <class MaxSim>
Ranked reranked(const Answers& first, const SearchParams& params, MaxSim max_sim) {
  const auto count = static_cast<std::size_t>(std::ranges::find(first.ids, -1) - first.ids.begin());
  Ranked best;
  for (std::size_t i = 0, idle = 0; i < count; ++i) {
    const float worst = params.k <= count ? -first.scores[params.k - 1] : std::numeric_limits<float>::infinity();
    if (params.alpha && i >= params.k && -first.scores[i] > worst + std::abs(worst) * *params.alpha) break;
    if (params.beta && i >= params.k && idle >= *params.beta) break;
    const float again = -static_cast<float>(max_sim(first.ids[i]));
    const std::pair candidate{params.sum_stages ? again - first.scores[i] : again, first.ids[i]};
    best.insert(std::ranges::upper_bound(best, candidate), candidate);
    const bool enters = best.size() <= params.k || best.back() != candidate;
    if (best.size() > params.k) best.pop_back();
    idle = enters ? 0 : idle + 1;
  }
  return best;
}

void expect_ranked(const Answers& found, const Ranked& best) {
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    ASSERT_EQ(found.ids[i], i < best.size() ? best[i].second : -1) << "place " << i;
    ASSERT_EQ(found.scores[i], i < best.size() ? -best[i].first : -std::numeric_limits<float>::infinity())
        << "place " << i;
  }
}

/// Documents' vectors and tokens, and queries of both.
struct Collection {
  Vectors vectors, queries;
  Tokens tokens;
  TokenQueries asked;

  Collection(Random& random, std::size_t n, std::size_t n_queries, std::size_t m_pq = 3, std::size_t width = 2,
             std::size_t n_centroids = 20)
      : vectors(clustered_vectors(random, n, 16, 8)),
        queries(normal_vectors(random, n_queries, 16)),
        tokens(random_tokens(random, n, m_pq, width, n_centroids, 9)),
        asked(random_token_queries(random, n_queries, tokens.dim, 7)) {}

  auto max_sim(std::size_t query) const {
    return [this, query](std::int64_t id) {
      return tokens.max_sim(asked.batch().row(query), static_cast<std::size_t>(id));
    };
  }
  /// By all documents' tokens.
  Ranked exhaustive(std::size_t query, std::size_t k) const {
    Ranked best;
    for (std::size_t i = 0; i < vectors.size(); ++i)
      best.emplace_back(-static_cast<float>(max_sim(query)(static_cast<std::int64_t>(i))), i);
    std::ranges::sort(best);
    best.resize(std::min(k, best.size()));
    return best;
  }
};

TEST_P(EveryMultivector, AnswersAreThoseOfTheFirstCodesByMaxSim) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Collection c(random, 200 + below(random, 200), 12);
    const Index first = build(c.vectors, first_params(GetParam())), index = join(first, c.tokens, GetParam().layout);
    index.verify();
    for (std::size_t q = 0; q < c.queries.size(); ++q) {
      SCOPED_TRACE(q);
      SearchParams params{.k = 1 + below(random, 20),
                          .ef_search = 10 + below(random, 50),
                          .k_candidates = 1 + below(random, q % 4 ? 60 : 500)};
      if (random() % 2) params.alpha = static_cast<float>(below(random, 5)) / 8;
      if (random() % 2) params.beta = below(random, 8);
      params.sum_stages = random() % 3 == 0;
      const Vectors query = c.queries.part(q, 1);
      SearchParams of_first = params;
      of_first.k = params.k_candidates;
      const Answers candidates = answers(first, query, of_first, &Index::search);
      const Answers found = answers(index, query, params, &Index::search, c.asked.batch().from(q));
      ASSERT_NO_FATAL_FAILURE(expect_ranked(found, reranked(candidates, params, c.max_sim(q))));
    }
  }
}

TEST_P(EveryMultivector, ExactSearchLooksAtEveryDocument) {
  Random random(1);
  const Collection c(random, 300, 10);
  const Index index = join(build(c.vectors, first_params(GetParam())), c.tokens, GetParam().layout);
  for (const std::size_t k : {1, 10, 350}) {
    const Answers found = search_exact(index, c.queries, {.k = k, .sum_stages = k == 10}, c.asked.batch());
    const Answers all =
        answers(index, c.queries, {.k = k, .ef_search = 300, .k_candidates = 300}, &Index::search, c.asked.batch());
    EXPECT_EQ(found, all) << "all are candidates";
    for (std::size_t q = 0; q < c.queries.size(); ++q) {
      SCOPED_TRACE(q);
      const auto part = [&](const auto& all_places) {
        return std::vector(all_places.begin() + q * k, all_places.begin() + (q + 1) * k);
      };
      ASSERT_NO_FATAL_FAILURE(expect_ranked({part(found.ids), part(found.scores)}, c.exhaustive(q, k)));
    }
  }
}

TEST_P(EveryMultivector, ABatchIsItsQueriesOneByOne) {
  Random random(2);
  const Collection c(random, 400, 50);
  const Index index = join(build(c.vectors, first_params(GetParam())), c.tokens, GetParam().layout);
  for (const auto search : {&Index::search, &Index::search_exact})
    for (const unsigned threads : {1u, 2u, 3u, 0u}) {
      const SearchParams params{
          .k = 7, .ef_search = 30, .early_exit_threshold = 0.125F, .k_candidates = 40, .num_threads = threads};
      const Answers batch = answers(index, c.queries, params, search, c.asked.batch());
      for (std::size_t q = 0; q < c.queries.size(); ++q) {
        const Answers one = answers(index, c.queries.part(q, 1), params, search, c.asked.batch().from(q));
        const auto at = static_cast<std::ptrdiff_t>(q * 7);
        ASSERT_TRUE(std::equal(one.ids.begin(), one.ids.end(), batch.ids.begin() + at))
            << "query " << q << ", " << threads << " threads";
        ASSERT_TRUE(std::equal(one.scores.begin(), one.scores.end(), batch.scores.begin() + at)) << "query " << q;
      }
    }
}

TEST_P(EveryMultivector, OneFileIsEnough) {
  const TempDir folder;
  Random random(3);
  const Collection c(random, 120, 5);
  build(c.vectors, first_params(GetParam()), folder / "first");
  const Index joined = join(Index::open(folder / "first"), c.tokens, GetParam().layout, folder / "index");
  std::filesystem::remove(folder / "first");
  const Index opened = Index::open(folder / "index", {.verify = Verify::all});
  const SearchParams params{.k = 9, .ef_search = 20, .k_candidates = 20};
  EXPECT_EQ(answers(opened, c.queries, params, &Index::search, c.asked.batch()),
            answers(joined, c.queries, params, &Index::search, c.asked.batch()));
  EXPECT_EQ(opened.token_dim(), c.tokens.dim);
  EXPECT_EQ(opened.size(), c.vectors.size());
  EXPECT_EQ(opened.dim(), c.vectors.dim);
  const Manifest& m = opened.manifest();
  ASSERT_EQ(m.codes.size(), 2u);
  EXPECT_EQ(m.codes[0].encoding, GetParam().first);
  EXPECT_EQ(m.codes[1].encoding,
            GetParam().layout == TokenLayout::plain ? Encoding::tokens_f16 : Encoding::tokens_two_level);
  EXPECT_EQ(m.codes[1].code.m_pq, GetParam().layout == TokenLayout::plain ? 0 : c.tokens.m_pq);
  EXPECT_EQ(m.find("rerank.rows")->tier, Tier::cold);
  EXPECT_EQ(m.find("rerank.rows.offsets")->length, 121u * 4);
  EXPECT_EQ(m.find("rerank.rows")->length,
            c.tokens.size() * (GetParam().layout == TokenLayout::plain ? 2 * c.tokens.dim : 2 + c.tokens.m_pq));
}

CASSATA_FOR_CASES(EveryMultivector, multivector_cases());

}  // namespace
}  // namespace cassata::join_test
