// Indexes with second codes: what they answer, what they store, what they refuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cassata/index.h"
#include "engine/codec/pruned.h"
#include "engine/index/registry.h"
#include "format/input/sparse_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/random_case.h"
#include "tests/support/sparse_index.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::rerank_index_test {
namespace {

using namespace test;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kDim = 300;

BuildParams params_of(double prune_percentage, bool residual = false, Encoding second = Encoding::sparse_f32) {
  return {.schema = {.vector_kind = VectorKind::sparse,
                     .first = {.encoding = Encoding::sparse_f32, .prune_percentage = prune_percentage},
                     .second = Stage{.encoding = second, .role = residual ? Role::residual : Role::rerank}},
          .graph = {.m = 8, .ef_construction = 40}};
}

SparseVectors pruned(const SparseVectors& vectors, double percentage) {
  SparseVectors out;
  for (std::size_t row = 0; row < vectors.size(); ++row, out.end_row())
    for (const std::size_t i : kept_entries(vectors.view(row).values, percentage))
      out.add(vectors.view(row).components[i], vectors.view(row).values[i]);
  return out;
}

/// With every component, so that the scores of different rows differ.
SparseVectors one_query(Random& random) {
  SparseVectors out;
  std::normal_distribution<float> normal;
  for (std::uint32_t component = 0; component < kDim; ++component) out.add(component, normal(random));
  out.end_row();
  return out;
}

TEST(RerankIndexAtSize, AnswersAreThoseOfAPlainOneOverPrunedVectorsScoredAgain) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const SparseVectors vectors = random_sparse(random, 300 + below(random, 300), kDim, 30), query = one_query(random);
    const double percentage = 40 + static_cast<double>(below(random, 50));
    const Index index = build(vectors, params_of(percentage));
    const Index plain = build(pruned(vectors, percentage), {.schema = {.first = {.encoding = Encoding::sparse_f32}},
                                                            .graph = {.m = 8, .ef_construction = 40}});
    const std::size_t n = vectors.size();
    const Answers exact = ask(index, query, {.k = n}, &Index::search_exact);
    std::vector<float> exact_score(n);
    for (std::size_t i = 0; i < n; ++i) exact_score[static_cast<std::size_t>(exact.ids[i])] = exact.scores[i];

    SearchParams params{
        .k = 1 + below(random, 20), .ef_search = 10 + below(random, 50), .k_candidates = 1 + below(random, 60)};
    if (random() % 2) params.alpha = static_cast<float>(below(random, 5)) / 8;
    if (random() % 2) params.beta = below(random, 8);
    const Answers first = ask(plain, query, {.k = params.k_candidates, .ef_search = params.ef_search});
    std::vector<std::pair<float, std::int64_t>> best;  // negated score, id
    for (std::size_t i = 0, idle = 0; i < first.ids.size(); ++i) {
      const float kth = first.scores[std::min(params.k, first.scores.size()) - 1];
      if (params.alpha && first.scores[i] < kth - std::abs(kth) * *params.alpha) break;
      if (params.beta && i >= params.k && idle >= *params.beta) break;
      const std::pair again{-exact_score[static_cast<std::size_t>(first.ids[i])], first.ids[i]};
      best.insert(std::ranges::upper_bound(best, again), again);
      const bool enters = best.size() <= params.k || best.back() != again;
      if (best.size() > params.k) best.pop_back();
      idle = enters ? 0 : idle + 1;
    }
    const Answers found = ask(index, query, params);
    for (std::size_t i = 0; i < params.k; ++i) {
      ASSERT_EQ(found.ids[i], i < best.size() ? best[i].second : -1) << "place " << i;
      ASSERT_EQ(found.scores[i], i < best.size() ? -best[i].first : -kInfinity) << "place " << i;
    }
  }
}

/// Up to the rounding of a sum in f32.
void expect_near(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) {
      ASSERT_NEAR(a[i], b[i], 2e-5) << "place " << i;
    }
}

TEST(RerankIndexAtSize, TheResidualSumIsTheWholeScore) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const SparseVectors vectors = random_sparse(random, 400, kDim, 40), queries = random_sparse(random, 10, kDim, 60);
    const double percentage = 30 + static_cast<double>(below(random, 65));
    const Index whole = build(vectors, params_of(percentage)), residual = build(vectors, params_of(percentage, true));
    residual.verify();
    const auto rows = [](const Index& index, std::size_t i) {
      return index.file().section(index.manifest().codes()[i].section).bytes.size();
    };
    EXPECT_EQ(rows(residual, 0), rows(whole, 0));
    EXPECT_EQ(rows(residual, 0) + rows(residual, 1), rows(whole, 1)) << "each entry stands in one part";
    const Answers a = ask(whole, queries, {.k = 400}, &Index::search_exact),
                  b = ask(residual, queries, {.k = 400}, &Index::search_exact);
    expect_near(a.scores, b.scores);
    const SearchParams walk{.k = 10, .ef_search = 60, .k_candidates = 60};
    const Answers c = ask(whole, queries, walk), d = ask(residual, queries, walk);
    expect_near(c.scores, d.scores);
  }
}

TEST(RerankIndex, ResultsAreAtMostTheCandidates) {
  Random random(1);
  const SparseVectors vectors = random_sparse(random, 200, kDim, 30), query = one_query(random);
  const Index index = build(vectors, params_of(60));
  const auto count = [&](const SearchParams& params) {
    const Answers found = ask(index, query, params);
    return static_cast<std::size_t>(std::ranges::find(found.ids, -1) - found.ids.begin());
  };
  EXPECT_EQ(count({.k = 10, .k_candidates = 4}), 4u);
  EXPECT_EQ(count({.k = 10, .k_candidates = 4, .alpha = 0.0F, .beta = 0}), 4u) << "with fewer than k all are scored";
  EXPECT_EQ(count({.k = 10, .k_candidates = 0}), 0u);
  EXPECT_EQ(count({.k = 10, .ef_search = 0, .k_candidates = 0}), 0u);
  EXPECT_EQ(count({.k = 10, .ef_search = 0, .k_candidates = 10}), 10u);
  EXPECT_EQ(count({.k = 0}), 0u);
  EXPECT_EQ(count({.k = 300, .k_candidates = 1000}), 200u);
  EXPECT_EQ(count({.k = 300, .k_candidates = std::numeric_limits<std::size_t>::max()}), 200u);
}

TEST(RerankIndex, EmptyVectorsAndQueries) {
  const TempDir folder;
  for (const bool residual : {false, true}) {
    const std::vector<std::uint64_t> none(6, 0);
    Index::build(*sparse_memory_stream("vectors.bin", {}, {}, none), params_of(50, residual), folder / "index");
    SparseVectors queries;
    queries.end_row();
    queries.add(0, 2);
    queries.end_row();
    const Answers found =
        ask(Index::open(folder / "index", {.verify = Verify::all}), queries, {.k = 2, .k_candidates = 5});
    EXPECT_EQ(found.ids, (std::vector<std::int64_t>{0, 1, 0, 1})) << "a query without entries is a vector of zeros";
    EXPECT_EQ(found.scores, (std::vector<float>{0, 0, 0, 0}));
    SparseVectors some;
    some.end_row();
    some.add(0, 3);
    some.add(1, 1);
    some.end_row();
    EXPECT_EQ(ask(build(some, params_of(50, residual)), queries, {.k = 2}).ids,
              (std::vector<std::int64_t>{0, 1, 1, 0}));
  }
}

TEST(RerankIndex, SaysWhatItHolds) {
  Random random(2);
  const Index index = build(random_sparse(random, 100, kDim, 30), params_of(62.5, true, Encoding::sparse_f16));
  const Manifest& m = index.manifest();
  EXPECT_EQ(index.class_name(), "SparseRerankHNSW");
  ASSERT_TRUE(m.schema.second);
  EXPECT_EQ(m.schema.second->encoding, Encoding::sparse_f16);
  EXPECT_EQ(m.schema.first.prune_percentage, 62.5);
  EXPECT_TRUE(m.schema.has(Role::residual));
  EXPECT_EQ(m.find("codes.rows")->tier, Tier::hot);
  EXPECT_EQ(m.find("rerank.rows")->tier, Tier::cold);
  const auto& parameters = m.provenance.parameters;
  EXPECT_TRUE(std::ranges::count(parameters, std::pair<std::string, std::string>{"prune_percentage", "62.5"}));
  EXPECT_TRUE(std::ranges::count(parameters, std::pair<std::string, std::string>{"residual", "true"}));
}

TEST(RerankIndex, ParametersAreChecked) {
  for (const float wrong : {-0.5F, -1.0F, 100.5F, kNaN, kInfinity})
    expect_error(Errc::invalid_argument, {"prune_percentage: ", "0 to 100"}, [&] { params_of(wrong).check(); });
  for (const float wrong : {-0.5F, kNaN, kInfinity, -kInfinity})
    expect_error(Errc::invalid_argument, {"alpha: ", "0 or more"}, [&] { SearchParams{.alpha = wrong}.check(); });
  SearchParams{.k_candidates = 0, .alpha = 3.0F, .beta = 0}.check();
}

TEST(RerankIndex, IsNotBuiltOverEverything) {
  Random random(3);
  const SparseVectors vectors = random_sparse(random, 20, kDim, 5);
  const auto refuse = [&](const std::vector<std::string>& parts, const auto& change) {
    BuildParams params = params_of(50);
    change(params);
    expect_error(Errc::invalid_argument, parts, [&] { build(vectors, params); });
  };
  refuse({"metric 'euclidean' with", "SparseRerankHNSW", "'dotproduct'"},
         [](BuildParams& p) { p.schema.metric = Metric::euclidean; });
  refuse({"residual", "100"},
         [](BuildParams& p) { p.schema.first.prune_percentage = 100, p.schema.second->role = Role::residual; });
  refuse({"rerank 'f16' of dense vectors with sparse vectors", "'dotvbyte'"},
         [](BuildParams& p) { p.schema.second->encoding = Encoding::f16; });
  refuse({"rerank with kind 'flat'", "'hnsw'"}, [](BuildParams& p) { p.schema.kind = Kind::flat; });
  const Vectors dense = whole_vectors(random, 20, 4);
  expect_error(Errc::invalid_argument, {"rerank with kind 'flat'", "'hnsw'"}, [&] {
    Index::build(*memory_stream("vectors.npy", dense.values.data(), 20, 4, ElementType::f32),
                 {.schema = {.kind = Kind::flat, .second = Stage{.encoding = Encoding::f32, .role = Role::rerank}}});
  });
}

TEST(RerankIndex, AManifestThatDoesNotFitIsRefused) {
  const TempDir folder;
  Random random(4);
  build(random_sparse(random, 30, kDim, 9), params_of(50), folder / "index");
  const auto refuse = [&](Errc code, const std::string& part, const auto& edit) {
    write_file(folder / "crafted", with_manifest(read_file(folder / "index"), edit));
    expect_error(code, {"crafted: manifest at byte", part}, [&] { Index::open(folder / "crafted"); });
  };
  refuse(Errc::corrupt, "metric", [](Manifest& m) { m.schema.metric = Metric::euclidean; });
  refuse(Errc::corrupt, "of dense vectors", [](Manifest& m) { m.schema.second->encoding = Encoding::f32; });
  refuse(Errc::corrupt, "no section 'elsewhere'", [](Manifest& m) { m.second_section = "elsewhere"; });
  for (const float wrong : {-0.5F, -5.0F, 101.0F, kNaN})
    refuse(Errc::corrupt, "prune_percentage", [&](Manifest& m) { m.schema.first.prune_percentage = wrong; });
}

}  // namespace
}  // namespace cassata::rerank_index_test
