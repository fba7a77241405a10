// What holds for every kind of index, encoding, metric and graph type of the registry.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/conformance/cases.h"
#include "tests/support/temp_dir.h"

namespace cassata {
namespace {

using namespace test;

TEST_P(EveryKind, ReopenedItAnswersTheSame) {
  const TempDir folder;
  for (unsigned seed = 0; seed < seeds(6); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = clustered_vectors(random, 100 + below(random, 500), 1 + below(random, 20), 5),
                  queries = normal_vectors(random, 20, vectors.dim);
    const SearchParams params{.k = 1 + below(random, 10), .ef_search = 20};
    const Index built = build(vectors, GetParam(), folder / "index");
    const Index opened = Index::open(folder / "index", {.verify = Verify::all});
    ASSERT_EQ(search(opened, queries, params), search(built, queries, params));
    ASSERT_EQ(search_exact(opened, queries, params), search_exact(built, queries, params));
    EXPECT_EQ(opened.size(), vectors.size());
    EXPECT_EQ(opened.dim(), vectors.dim);
    EXPECT_FALSE(opened.class_name().empty());
    EXPECT_EQ(opened.manifest().schema.metric, GetParam().schema.metric);
    EXPECT_EQ(search(build(vectors, GetParam()), queries, params), search(built, queries, params)) << "without a path";
  }
}

TEST_P(EveryKind, ABatchIsItsQueriesOneByOne) {
  Random random(1);
  const Vectors vectors = clustered_vectors(random, 700, 12, 5), queries = normal_vectors(random, 50, 12);
  const Index index = build(vectors, GetParam());
  for (const bool exact : {false, true})
    for (const unsigned threads : {1u, 2u, 3u, 0u}) {
      const SearchParams params{.k = 7, .ef_search = 30, .early_exit_threshold = 0.125F, .num_threads = threads};
      const Answers batch = exact ? search_exact(index, queries, params) : search(index, queries, params);
      for (std::size_t q = 0; q < queries.size(); ++q) {
        const Answers one =
            exact ? search_exact(index, queries.part(q, 1), params) : search(index, queries.part(q, 1), params);
        const auto at = static_cast<std::ptrdiff_t>(q * 7);
        ASSERT_TRUE(std::equal(one.ids.begin(), one.ids.end(), batch.ids.begin() + at))
            << "query " << q << ", " << threads << " threads, exact " << exact;
        ASSERT_TRUE(std::equal(one.scores.begin(), one.scores.end(), batch.scores.begin() + at)) << "query " << q;
      }
    }
}

TEST_P(EveryKindAtSize, CompressedItAnswersAsPermuted) {
  if (GetParam().schema.graph != GraphType::compressed) GTEST_SKIP() << "no compressed graph";
  for (unsigned seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = seed % 2 ? whole_vectors(random, 600, 3)
                               : clustered_vectors(random, 400 + below(random, 800), 1 + below(random, 12), 5);
    duplicate_rows(random, vectors, seed * 15);
    const Vectors queries = seed % 2 ? whole_vectors(random, 30, vectors.dim) : normal_vectors(random, 30, vectors.dim);
    BuildParams permuted = GetParam();
    permuted.schema.graph = GraphType::permuted;
    const Index index = build(vectors, GetParam()), other = build(vectors, permuted);
    EXPECT_LT(index.file().section("graph.edges").bytes.size(), other.file().section("graph.edges").bytes.size());
    for (const std::size_t ef : {1, 10, 100})
      for (const float threshold : {0.0F, 0.25F}) {
        const SearchParams params{.k = 10, .ef_search = ef, .early_exit_threshold = threshold};
        ASSERT_EQ(search(index, queries, params), search(other, queries, params)) << "ef_search " << ef;
      }
  }
}

TEST_P(EveryKindAtSize, BuiltAgainItHasTheSameBytes) {
  const TempDir folder;
  for (unsigned seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = clustered_vectors(random, 200 + below(random, 600), 1 + below(random, 12), 5);
    duplicate_rows(random, vectors, seed * 15);
    BuildParams params = GetParam();
    build(vectors, params, folder / "first").save(folder / "saved");
    const auto first = read_file(folder / "first");
    EXPECT_EQ(read_file(folder / "saved"), first);
    for (const unsigned threads : {1u, 2u, 3u}) {
      params.num_threads = threads;
      build(vectors, params, folder / "again");
      ASSERT_EQ(read_file(folder / "again"), first) << threads << " threads";
    }
  }
}

TEST_P(EveryKindAtSize, ExactSearchIsBruteForce) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = whole_vectors(random, 1 + below(random, 400), 1 + below(random, 6)),
                  queries = whole_vectors(random, 20, vectors.dim);
    const Index index = build(vectors, GetParam());
    index.verify();
    if (!exact_scores(GetParam())) continue;
    const std::size_t ks[] = {1, 10, vectors.size(), vectors.size() + 3};
    const std::size_t k = ks[seed % 4];
    const Answers expected = brute_force(vectors, GetParam().schema.metric, queries, k);
    ASSERT_EQ(search_exact(index, queries, {.k = k}), expected);
    ASSERT_EQ(search(index, queries, {.k = k, .ef_search = vectors.size()}), expected)
        << "a walk that keeps all finds all";
  }
}

TEST_P(EveryKind, NoResultsAndMoreThanThereAre) {
  for (const std::size_t n : {1, 2, 3, 40}) {
    SCOPED_TRACE(n);
    Random random(n);
    const Vectors vectors = whole_vectors(random, n, 3), queries = whole_vectors(random, 5, 3);
    const Index index = build(vectors, GetParam());
    index.verify();
    for (const std::size_t ef : {std::size_t{0}, std::size_t{1}, std::size_t{200}}) {
      EXPECT_TRUE(search(index, queries, {.k = 0, .ef_search = ef}).ids.empty());
      const Answers all = search(index, queries, {.k = n + 7, .ef_search = ef});
      EXPECT_EQ(all, search_exact(index, queries, {.k = n + 7}));
      if (exact_scores(GetParam())) {
        EXPECT_EQ(all, brute_force(vectors, GetParam().schema.metric, queries, n + 7));
      }
      EXPECT_TRUE(search(index, {3, {}}, {.k = 5, .ef_search = ef}).ids.empty()) << "no queries";
      const Answers one = search(index, queries, {.k = 1, .ef_search = ef});
      for (const std::int64_t id : one.ids) ASSERT_TRUE(id >= 0 && id < static_cast<std::int64_t>(n)) << id;
    }
  }
}

TEST_P(EveryKindAtSize, AnswersAreSortedAndTheirScoresTrue) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = whole_vectors(random, 500, 4), queries = whole_vectors(random, 20, 4);
    const Index index = build(vectors, GetParam());
    const Metric metric = GetParam().schema.metric;
    const Answers found =
        search(index, queries, {.k = 10, .ef_search = 20, .early_exit_threshold = static_cast<float>(seed % 3) / 4});
    for (std::size_t i = 0; i < found.ids.size(); ++i) {
      ASSERT_GE(found.ids[i], 0) << "place " << i;
      const auto id = static_cast<std::size_t>(found.ids[i]);
      if (exact_scores(GetParam())) {
        ASSERT_EQ(score_of(metric, found.scores[i]), exact_distance(metric, queries.row(i / 10), vectors.row(id), 4))
            << "place " << i;
      }
      if (i % 10 == 0) continue;
      const Candidate before{score_of(metric, found.scores[i - 1]), static_cast<Id>(found.ids[i - 1])},
          here{score_of(metric, found.scores[i]), static_cast<Id>(id)};
      ASSERT_LT(before, here) << "place " << i;
    }
  }
}

TEST_P(EveryKindAtSize, RecallIsHighOnClusters) {
  for (const std::size_t duplicates : {0, 30}) {
    SCOPED_TRACE(duplicates);
    Random random(3);
    Vectors all = clustered_vectors(random, 3100, 16, 30);
    duplicate_rows(random, all, duplicates);
    const Vectors vectors = all.part(0, 3000), queries = all.part(3000, 100);
    BuildParams params = GetParam();
    params.graph.m = 16;
    params.graph.ef_construction = 100;
    const Index index = build(vectors, params);
    const Answers found = search(index, queries, {.k = 10, .ef_search = 100}),
                  expected = search_exact(index, queries, {.k = 10});
    std::size_t hits = 0;
    for (std::size_t i = 0; i < found.scores.size(); ++i)  // by score: equals may stand for each other
      hits += score_of(params.schema.metric, found.scores[i]) <=
              score_of(params.schema.metric, expected.scores[i / 10 * 10 + 9]);
    EXPECT_GE(static_cast<double>(hits) / 1000, GetParam().schema.kind == Kind::flat ? 1.0 : 0.95);
  }
}

TEST_P(EveryKind, TheLargestScoresLoseNoRow) {
  constexpr float kLarge = 6e4F;  // finite in f16, too
  Random random(6);
  Vectors vectors{2, std::vector<float>(2 * 40)};
  for (float& v : vectors.values) v = random() % 2 ? kLarge : -kLarge;
  const Index index = build(vectors, GetParam());
  const Vectors query{2, {1.4e18F, 1.4e18F}};  // a longer one is refused
  for (const Answers& found :
       {search_exact(index, query, {.k = 45}), search(index, query, {.k = 45, .ef_search = 45})}) {
    const std::set<std::int64_t> ids(found.ids.begin(), found.ids.end());
    EXPECT_EQ(ids.size(), 41u) << "40 rows, and -1 in the places beyond them";
    for (const float score : found.scores) EXPECT_FALSE(std::isnan(score));
    EXPECT_TRUE(std::ranges::is_sorted(found.scores, [&](float a, float b) {
      return score_of(GetParam().schema.metric, a) < score_of(GetParam().schema.metric, b);
    }));
  }
}

/// Share of the results whose score reaches the tenth best, of walks that keep 150.
double recall_by_score(const Index& index, const Vectors& queries) {
  const Metric metric = index.manifest().schema.metric;
  const Answers found = search(index, queries, {.k = 10, .ef_search = 150}),
                expected = search_exact(index, queries, {.k = 10});
  std::size_t hits = 0;
  for (std::size_t i = 0; i < found.scores.size(); ++i)
    hits += score_of(metric, found.scores[i]) <= score_of(metric, expected.scores[i / 10 * 10 + 9]);
  return static_cast<double>(hits) / static_cast<double>(found.scores.size());
}

BuildParams usual_graph(BuildParams params) {
  params.graph.m = 16;
  params.graph.ef_construction = 100;
  return params;
}

/// 1,500 rows around a centre, and between them 500 that are the centre, give or take some noise.
TEST_P(EveryKindAtSize, CopiesHideNoOtherRow) {
  constexpr std::size_t kDim = 16;
  for (const float noise : {0.0F, 1e-4F}) {
    SCOPED_TRACE(noise);
    Random random(8);
    Vectors vectors = normal_vectors(random, 2000, kDim), queries = normal_vectors(random, 60, kDim);
    for (std::size_t i = 0; i < vectors.values.size(); ++i)
      vectors.values[i] = 0.5F + (i / kDim % 4 == 3 ? noise : 1.0F) * vectors.values[i];
    for (float& value : queries.values) value += 0.5F;
    EXPECT_GE(recall_by_score(build(vectors, usual_graph(GetParam())), queries), 0.95);
  }
}

/// Clusters so tight that many neighbours are near copies of each other: all representatives within reach of the tenth
/// best must be looked at.
TEST_P(EveryKindAtSize, NeighboursThatAreNearCopiesAreTold) {
  if (GetParam().schema.first.encoding != Encoding::f32) GTEST_SKIP() << "compact codes cannot tell such rows";
  constexpr std::size_t kDim = 16, kClusters = 10;
  Random random(10);
  const Vectors centres = normal_vectors(random, kClusters, kDim);
  for (const float width : {0.003F, 0.01F}) {
    SCOPED_TRACE(width);
    Vectors vectors = normal_vectors(random, 3000, kDim), queries = normal_vectors(random, 60, kDim);
    for (Vectors* some : {&vectors, &queries})
      for (std::size_t i = 0; i < some->values.size(); ++i)
        some->values[i] = centres.values[i / kDim % kClusters * kDim + i % kDim] + width * some->values[i];
    EXPECT_GE(recall_by_score(build(vectors, usual_graph(GetParam())), queries), 0.99);
  }
}

/// 100 documents of 20 chunks, one document after another: those of one are close together.
TEST_P(EveryKindAtSize, TheOrderOfRowsDoesNotMatter) {
  constexpr std::size_t kDim = 16, kDocuments = 100, kChunks = 20;
  Random random(9);
  const Vectors documents = normal_vectors(random, kDocuments, kDim);
  Vectors vectors = normal_vectors(random, kDocuments * kChunks, kDim), queries = normal_vectors(random, 60, kDim);
  for (std::size_t i = 0; i < vectors.values.size(); ++i)
    vectors.values[i] = documents.values[i / (kChunks * kDim) * kDim + i % kDim] + 0.1F * vectors.values[i];
  for (std::size_t i = 0; i < queries.values.size(); ++i)
    queries.values[i] = vectors.values[i / kDim * 33 * kDim + i % kDim] + 0.05F * queries.values[i];
  EXPECT_GE(recall_by_score(build(vectors, usual_graph(GetParam())), queries), 0.95);
}

TEST_P(EveryKindAtSize, OfManyEqualRowsAsManyAreFoundAsAreAskedFor) {
  constexpr std::size_t kRows = 1000, kMost = kRows / 2;  // up to here graphs are walked
  const Vectors vectors{4, std::vector<float>(4 * kRows, 1.0F)};
  const Index index = build(vectors, GetParam());
  for (const std::size_t k : {std::size_t{1}, std::size_t{100}, kMost}) {
    SCOPED_TRACE(k);
    const Answers found = search(index, vectors.part(0, 1), {.k = k, .ef_search = k});
    const std::set<std::int64_t> ids(found.ids.begin(), found.ids.end());
    EXPECT_EQ(ids.size(), k);
    EXPECT_FALSE(ids.contains(-1));
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryKind, ::testing::ValuesIn(all_cases()),
                         [](const auto& one) { return name_of_case(one.param); });
INSTANTIATE_TEST_SUITE_P(Registry, EveryKindAtSize, ::testing::ValuesIn(all_cases()),
                         [](const auto& one) { return name_of_case(one.param); });

}  // namespace
}  // namespace cassata
