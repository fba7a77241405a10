// Indexes over dense vectors whose walks go by compact codes: exact answers, or second codes' ones, and what is
// refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/cases.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::traversal_index_test {
namespace {

using namespace test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A second stage, and the role of the first beside it.
struct Second {
  Stage stage;
  Role first = Role::search;
};

BuildParams params_of(Encoding first, std::uint32_t bits, const Second& second, Metric metric = Metric::dot_product) {
  return {.schema = {.metric = metric,
                     .first = {.encoding = first,
                               .code = {.m_pq = first == Encoding::pq ? 4U : 0U, .bits = bits},
                               .role = second.first},
                     .second = second.stage},
          .graph = {.m = 12, .ef_construction = 80},
          .num_threads = 0};
}

Second second_of(Encoding encoding, bool navigation = false) {
  return {{.encoding = encoding, .role = Role::rerank}, navigation ? Role::traversal : Role::search};
}
Second rabitq_second(std::uint32_t bits, bool residual) {
  return {{.encoding = Encoding::rabitq, .code = {.bits = bits}, .role = residual ? Role::residual : Role::rerank}};
}

/// Scores of all rows for each query, by id.
std::vector<std::vector<float>> exact_scores_of(const Index& index, const Vectors& queries) {
  const std::size_t n = index.size();
  const Answers all = search_exact(index, queries, {.k = n});
  std::vector<std::vector<float>> scores(queries.size(), std::vector<float>(n));
  for (std::size_t i = 0; i < all.ids.size(); ++i) scores[i / n][static_cast<std::size_t>(all.ids[i])] = all.scores[i];
  return scores;
}

double recall_of(const Answers& found, const Answers& expected, std::size_t k) {
  std::size_t hits = 0;
  for (std::size_t q = 0; q < found.ids.size(); q += k)
    for (std::size_t i = q; i < q + k; ++i)
      hits += std::find(expected.ids.begin() + q, expected.ids.begin() + q + k, found.ids[i]) !=
              expected.ids.begin() + q + k;
  return static_cast<double>(hits) / static_cast<double>(found.ids.size());
}

TEST(NavigationIndexAtSize, FindsTheBestWithTheirExactScores) {
  struct Case {
    Encoding first;
    std::uint32_t bits;
    std::size_t ef_search;
  };
  Random random(1);
  const Vectors all = clustered_vectors(random, 2060, 64, 30), vectors = all.part(0, 2000),
                queries = all.part(2000, 60);
  for (const Metric metric : {Metric::dot_product, Metric::euclidean})
    for (const Encoding exact : {Encoding::f32, Encoding::f16})
      for (const Case& c :
           {Case{Encoding::dense_int8, 0, 60}, Case{Encoding::dense_int4, 0, 60}, Case{Encoding::rabitq, 4, 60},
            Case{Encoding::rabitq, 2, 100}, Case{Encoding::rabitq, 1, 200}}) {
        const BuildParams params = params_of(c.first, c.bits, second_of(exact, true), metric);
        SCOPED_TRACE(name_of_case(params) + " of " + std::to_string(c.bits) + " bits");
        const Index index = build(vectors, params),
                    plain = build(vectors,
                                  {.schema = {.kind = Kind::flat, .metric = metric, .first = {.encoding = exact}}});
        index.verify();
        EXPECT_EQ(index.class_name(), "DensePlainHNSW");
        const Answers expected = search_exact(plain, queries, {.k = 10});
        EXPECT_EQ(search_exact(index, queries, {.k = 10}), expected);
        const Answers found = answers(index, queries, {.k = 10, .ef_search = c.ef_search}, &Index::search);
        EXPECT_GE(recall_of(found, expected, 10), 0.95);
        const auto scores = exact_scores_of(plain, queries);
        for (std::size_t i = 0; i < found.ids.size(); ++i)
          ASSERT_EQ(found.scores[i], scores[i / 10][static_cast<std::size_t>(found.ids[i])]);
      }
}

TEST(NavigationIndex, TakesNoNoticeOfWhatIsForReranking) {
  Random random(2);
  const Vectors vectors = clustered_vectors(random, 500, 20, 5), queries = normal_vectors(random, 9, 20);
  const Index index = build(vectors, params_of(Encoding::rabitq, 1, second_of(Encoding::f32, true)));
  const Answers plain = answers(index, queries, {.k = 10, .ef_search = 50}, &Index::search);
  for (const SearchParams& params : {SearchParams{.k = 10, .ef_search = 50, .k_candidates = 1},
                                     {.k = 10, .ef_search = 50, .alpha = 0.0F, .beta = 0}})
    EXPECT_EQ(answers(index, queries, params, &Index::search), plain);
  const Answers all = answers(index, queries, {.k = 600}, &Index::search);
  for (std::size_t i = 0; i < all.ids.size(); ++i) ASSERT_EQ(all.ids[i] == -1, i % 600 >= 500) << "place " << i;
}

Vectors scaled(Vectors vectors, float scale) {
  for (float& value : vectors.values) value *= scale;
  return vectors;
}

/// The mean of the vectors is as long as they are, and queries are far shorter or longer.
TEST(DenseCompactIndexesAtSize, ScalingQueriesChangesNoAnswersByDotProduct) {
  Random random(8);
  Vectors all = clustered_vectors(random, 2040, 64, 30);
  for (float& value : all.values) value = 100 * std::abs(value);
  const Vectors vectors = all.part(0, 2000), queries = all.part(2000, 40);
  const SearchParams search{.k = 10, .ef_search = 100, .k_candidates = 100};
  const Answers exact = search_exact(build(vectors, {.schema = {.kind = Kind::flat}}), queries, {.k = 10});
  std::vector<BuildParams> cases;
  for (const auto& [first, bits] :
       {std::pair(Encoding::dense_int8, 0U), {Encoding::dense_int4, 0U}, {Encoding::rabitq, 2U}, {Encoding::pq, 0U}}) {
    std::vector<Second> seconds = {second_of(Encoding::f16), rabitq_second(8, false)};
    if (first != Encoding::pq) seconds.push_back(second_of(Encoding::f32, true));
    if (first != Encoding::pq) seconds.push_back(rabitq_second(6, true));
    for (const Second& second : seconds) cases.push_back(params_of(first, bits, second));
  }
  for (BuildParams& params : cases) {
    if (params.schema.first.code.m_pq != 0) params.schema.first.code.m_pq = 32;
    SCOPED_TRACE(name_of_case(params) + (params.schema.has(Role::residual) ? ", residual" : ""));
    const Index index = build(vectors, params);
    const Answers whole = answers(index, queries, search, &Index::search);
    for (const float scale : {0x1p-10F, 0x1p10F}) {  // powers of two are exact
      const Answers found = answers(index, scaled(queries, scale), search, &Index::search);
      EXPECT_EQ(found.ids, whole.ids) << "queries times " << scale;
      for (std::size_t i = 0; i < found.scores.size(); ++i)
        ASSERT_EQ(found.scores[i], scale * whole.scores[i]) << "queries times " << scale;
    }
    for (const float scale : {1e-3F, 1.0F, 1e3F}) {
      const Answers found = answers(index, scaled(queries, scale), search, &Index::search);
      EXPECT_GE(recall_of(found, exact, 10), params.schema.second->encoding == Encoding::rabitq ? 0.85 : 0.95)
          << "queries times " << scale;
    }
  }
}

TEST(DenseCompactIndexes, TheLongestVectorsHaveFiniteScores) {
  Random random(9);
  const Vectors vectors = scaled(normal_vectors(random, 300, 48), 2e17F),
                queries = scaled(normal_vectors(random, 10, 48), 2e17F);
  std::vector<BuildParams> cases = {params_of(Encoding::f32, 0, {})};
  cases[0].schema.second.reset();
  for (const auto& [first, bits] :
       {std::pair(Encoding::dense_int8, 0U), {Encoding::dense_int4, 0U}, {Encoding::rabitq, 2U}})
    for (const Second& second : {second_of(Encoding::f32, true), second_of(Encoding::f32), rabitq_second(4, true)})
      cases.push_back(params_of(first, bits, second));
  for (const BuildParams& params : cases) {
    SCOPED_TRACE(name_of_case(params));
    const Index index = build(vectors, params);
    index.verify();
    const Answers found = answers(index, queries, {.k = 10, .ef_search = 20, .k_candidates = 20}, &Index::search);
    for (std::size_t i = 0; i < found.ids.size(); ++i) {
      ASSERT_GE(found.ids[i], 0) << "place " << i;
      ASSERT_TRUE(std::isfinite(found.scores[i])) << "place " << i;
    }
  }
}

TEST(NavigationIndex, SaysWhatItHolds) {
  Random random(3);
  const Index index =
      build(normal_vectors(random, 100, 20), params_of(Encoding::rabitq, 3, second_of(Encoding::f16, true)));
  const Manifest& m = index.manifest();
  ASSERT_TRUE(m.schema.second);
  EXPECT_EQ(m.schema.first.encoding, Encoding::rabitq);
  EXPECT_EQ(m.schema.first.code.bits, 3u);
  EXPECT_EQ(m.schema.second->encoding, Encoding::f16);
  ASSERT_TRUE(m.schema.second);
  EXPECT_TRUE(m.schema.traversal_only());
  EXPECT_EQ(m.find("codes.rows.model")->length, 20u * (4 + 4));
  EXPECT_EQ(m.find("codes.rows")->tier, Tier::hot);
  EXPECT_EQ(m.find("rerank.rows")->tier, Tier::cold);
  for (const auto& [name, value] :
       {std::pair<std::string, std::string>{"dtype", "f16"}, {"bits", "3"}, {"navigation", "rabitq"}})
    EXPECT_TRUE(std::ranges::count(m.provenance.parameters, std::pair(name, value))) << name;
}

/// By product codes, since there are indexes of these alone to compare with.
TEST(DenseRerankIndex, AnswersAreThoseOfTheFirstCodesScoredAgain) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = seed % 2 ? Metric::euclidean : Metric::dot_product;
    const Vectors vectors = clustered_vectors(random, 300 + below(random, 300), 16, 8),
                  query = normal_vectors(random, 1, 16);
    const Index index = build(vectors, params_of(Encoding::pq, 0, second_of(Encoding::f32), metric));
    BuildParams first_only = params_of(Encoding::pq, 0, {}, metric);
    first_only.schema.second.reset();
    const Index plain = build(vectors, first_only);
    SearchParams params{
        .k = 1 + below(random, 20), .ef_search = 10 + below(random, 50), .k_candidates = 1 + below(random, 60)};
    if (random() % 2) params.alpha = static_cast<float>(below(random, 5)) / 8;
    if (random() % 2) params.beta = below(random, 8);
    const Answers first =
        answers(plain, query, {.k = params.k_candidates, .ef_search = params.ef_search}, &Index::search);
    const std::vector<float> exact = exact_scores_of(index, query)[0];
    std::vector<std::pair<float, std::int64_t>> best;  // distance, id
    for (std::size_t i = 0, idle = 0; i < first.ids.size() && first.ids[i] >= 0; ++i) {
      const float kth = score_of(metric, first.scores[std::min(params.k, first.scores.size()) - 1]);
      if (params.alpha && score_of(metric, first.scores[i]) > kth + std::abs(kth) * *params.alpha) break;
      if (params.beta && i >= params.k && idle >= *params.beta) break;
      const std::pair again{score_of(metric, exact[static_cast<std::size_t>(first.ids[i])]), first.ids[i]};
      best.insert(std::ranges::upper_bound(best, again), again);
      const bool enters = best.size() <= params.k || best.back() != again;
      if (best.size() > params.k) best.pop_back();
      idle = enters ? 0 : idle + 1;
    }
    const Answers found = answers(index, query, params, &Index::search);
    for (std::size_t i = 0; i < params.k; ++i) {
      ASSERT_EQ(found.ids[i], i < best.size() ? best[i].second : -1) << "place " << i;
      ASSERT_EQ(found.scores[i], score_of(metric, i < best.size() ? best[i].first : kInfinity)) << "place " << i;
    }
  }
}

TEST(DenseRerankIndex, ResultsAreAtMostTheCandidates) {
  Random random(4);
  const Vectors vectors = clustered_vectors(random, 200, 20, 5), query = normal_vectors(random, 1, 20);
  for (const Encoding first : {Encoding::dense_int8, Encoding::dense_int4, Encoding::rabitq, Encoding::pq}) {
    const Index index = build(vectors, params_of(first, first == Encoding::rabitq ? 1 : 0, second_of(Encoding::f16)));
    EXPECT_EQ(index.class_name(), "DenseRerankHNSW");
    const auto count = [&](const SearchParams& params) {
      const Answers found = answers(index, query, params, &Index::search);
      return static_cast<std::size_t>(std::ranges::find(found.ids, -1) - found.ids.begin());
    };
    EXPECT_EQ(count({.k = 10, .k_candidates = 4}), 4u);
    EXPECT_EQ(count({.k = 10, .k_candidates = 0}), 0u);
    EXPECT_EQ(count({.k = 10, .ef_search = 0, .k_candidates = 10}), 10u);
    EXPECT_EQ(count({.k = 0}), 0u);
    EXPECT_EQ(count({.k = 300, .k_candidates = 1000}), 200u);
  }
}

TEST(DenseRerankIndex, TheResidualSumIsNearTheWholeScore) {
  Random random(5);
  const Vectors vectors = clustered_vectors(random, 600, 48, 8), queries = normal_vectors(random, 20, 48);
  const Index exact = build(vectors, {.schema = {.kind = Kind::flat, .first = {.encoding = Encoding::f32}}});
  const auto whole = exact_scores_of(exact, queries);
  for (const auto& [first, first_bits] :
       {std::pair(Encoding::rabitq, 1U), std::pair(Encoding::rabitq, 2U), std::pair(Encoding::dense_int4, 0U)}) {
    double before = kInfinity;
    for (const std::uint32_t bits : {1U, 2U, 4U, 6U}) {
      SCOPED_TRACE(std::string(name_of(first)) + " of " + std::to_string(first_bits) + " bits, then " +
                   std::to_string(bits));
      const Index index = build(vectors, params_of(first, first_bits, rabitq_second(bits, true)));
      index.verify();
      const auto summed = exact_scores_of(index, queries);
      double squares = 0;
      for (std::size_t q = 0; q < queries.size(); ++q)
        for (std::size_t i = 0; i < vectors.size(); ++i) squares += std::pow(summed[q][i] - whole[q][i], 2);
      const double error = std::sqrt(squares / static_cast<double>(queries.size() * vectors.size()));
      if (first != Encoding::dense_int4) {
        EXPECT_LE(error, before * 0.75) << "the rounding of the query is far below";
      }
      EXPECT_LE(error, first_bits == 1 ? 3.3 : 1.6);
      before = error;
      const Answers found = answers(index, queries, {.k = 10, .ef_search = 100, .k_candidates = 100}, &Index::search);
      for (std::size_t i = 0; i < found.ids.size(); ++i)
        ASSERT_EQ(found.scores[i], summed[i / 10][static_cast<std::size_t>(found.ids[i])])
            << "a walk sums as a scan does";
    }
  }
}

TEST(DenseRerankIndex, IsNotBuiltOfEverything) {
  Random random(6);
  const Vectors vectors = normal_vectors(random, 20, 8);
  const auto refuse = [&](const std::vector<std::string>& parts, const BuildParams& params) {
    SCOPED_TRACE(parts.front());
    expect_error(Errc::invalid_argument, parts, [&] { build(vectors, params); });
  };
  const auto with = [&](
                        Encoding first, const Second& second,
                        const std::function<void(BuildParams&)>& change = [](BuildParams&) {}) {
    BuildParams params = params_of(first, first == Encoding::rabitq ? 1 : 0, second);
    change(params);
    return params;
  };
  refuse({"residual", "'euclidean'", "'dotproduct'"},
         with(Encoding::rabitq, rabitq_second(4, true), [](auto& p) { p.schema.metric = Metric::euclidean; }));
  refuse({"residual", "'pq'", "'rabitq'"}, with(Encoding::pq, rabitq_second(4, true)));
  for (const Encoding exact : {Encoding::f32, Encoding::f16})
    refuse({"residual"}, with(Encoding::rabitq, {{.encoding = exact, .role = Role::residual}}));
  refuse({"residual", "navigation"},
         with(Encoding::rabitq,
              {{.encoding = Encoding::rabitq, .code = {.bits = 4}, .role = Role::residual}, Role::traversal}));
  refuse({"prune_percentage", "dense"},
         with(Encoding::rabitq, second_of(Encoding::f16), [](auto& p) { p.schema.first.prune_percentage = 50; }));
  for (const Encoding second : {Encoding::dense_int8, Encoding::dense_int4, Encoding::pq})
    refuse({"rerank '", "'f16', 'f32' or 'rabitq'"}, with(Encoding::rabitq, second_of(second)));
  refuse({"dtype 'rabitq' with navigation 'int8'", "'f32' or 'f16'"},
         with(Encoding::dense_int8,
              {{.encoding = Encoding::rabitq, .code = {.bits = 4}, .role = Role::rerank}, Role::traversal}));
  refuse({"navigation 'pq' with kind 'hnsw'", "'int8', 'int4' or 'rabitq'"},
         with(Encoding::pq, second_of(Encoding::f32, true)));
  refuse({"rerank 'f16' of sparse vectors with dense vectors"},
         with(Encoding::rabitq, second_of(Encoding::sparse_f16)));
  for (const std::uint32_t bits : {0U, 9U}) {
    const std::string given = "bits: " + std::to_string(bits) + " given";
    refuse({given},
           with(Encoding::rabitq, second_of(Encoding::f16), [&](auto& p) { p.schema.first.code.bits = bits; }));
    refuse({given}, with(Encoding::rabitq, rabitq_second(bits, false)));
  }
  refuse({"bits", "'int8'", "'rabitq'"},
         with(Encoding::dense_int8, second_of(Encoding::f16), [](auto& p) { p.schema.first.code.bits = 8; }));
  refuse({"bits with rerank 'f16'", "'rabitq'"},
         with(Encoding::rabitq, {{.encoding = Encoding::f16, .code = {.bits = 8}, .role = Role::rerank}}));
  for (const Encoding alone : {Encoding::dense_int8, Encoding::dense_int4, Encoding::rabitq})
    refuse({"dtype", name_of(alone).data(), "rerank"}, with(alone, {}, [](auto& p) { p.schema.second.reset(); }));
}

TEST(DenseRerankIndex, AManifestThatDoesNotFitIsRefused) {
  const TempDir folder;
  Random random(7);
  const Vectors vectors = normal_vectors(random, 30, 8);
  build(vectors, params_of(Encoding::rabitq, 2, second_of(Encoding::f32, true)), folder / "navigation");
  build(vectors, params_of(Encoding::rabitq, 2, rabitq_second(4, true)), folder / "residual");
  build(vectors, params_of(Encoding::rabitq, 2, rabitq_second(4, false), Metric::euclidean), folder / "euclidean");
  const auto refuse = [&](const char* from, Errc code, const std::string& part, const auto& edit) {
    SCOPED_TRACE(std::string(from) + ": " + part);
    write_file(folder / "crafted", with_manifest(read_file(folder / from), edit));
    expect_error(code, {"crafted: ", part}, [&] { Index::open(folder / "crafted"); });
  };
  refuse("navigation", Errc::corrupt, "dtype 'rabitq' with navigation 'rabitq'",
         [](Manifest& m) { m.schema.second->encoding = m.schema.first.encoding; });
  refuse("navigation", Errc::corrupt, "residual", [](Manifest& m) { m.schema.second->role = Role::residual; });
  refuse("residual", Errc::corrupt, "residual with navigation",
         [](Manifest& m) { m.schema.first.role = Role::traversal; });
  refuse("residual", Errc::corrupt, "rerank 'int8' with dtype 'rabitq'",
         [](Manifest& m) { m.schema.second = Stage{.encoding = Encoding::dense_int8, .role = Role::residual}; });
  refuse("residual", Errc::corrupt, "residual", [](Manifest& m) { m.schema.metric = Metric::euclidean; });
  refuse("euclidean", Errc::corrupt, "residual", [](Manifest& m) { m.schema.second->role = Role::residual; });
  refuse("residual", Errc::corrupt, "no section 'ids.model'", [](Manifest& m) { m.second_section = "ids"; });
  for (const std::size_t which : {0, 1})
    for (const std::uint32_t bits : {0U, 9U, 4294967295U})
      refuse("residual", Errc::corrupt, "bits: " + std::to_string(bits),
             [&](Manifest& m) { (which == 0 ? m.schema.first : *m.schema.second).code.bits = bits; });
  refuse("residual", Errc::corrupt, "'codes.rows'", [](Manifest& m) { m.schema.first.code.bits = 3; });
  refuse("residual", Errc::corrupt, "'codes.rows.model'", [](Manifest& m) { m.dim = 7; });
}

}  // namespace
}  // namespace cassata::traversal_index_test
