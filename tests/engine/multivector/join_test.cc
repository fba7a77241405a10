// Joins of token vectors with every class of graph that allows them: results equal MaxSim, by its definition, over the
// candidates of the first stage; parts and manifests that do not fit are rejected.
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

/// The k best of the candidates, given with their first-stage distances, best first, by the definition of SearchParams.
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

/// Vectors and tokens of documents and of queries.
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
  /// Distances to the tokens of all documents.
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
  ASSERT_TRUE(m.schema.second);
  EXPECT_EQ(m.schema.first.encoding, GetParam().first);
  EXPECT_EQ(m.schema.second->encoding,
            GetParam().layout == TokenLayout::plain ? Encoding::tokens_f16 : Encoding::tokens_two_level);
  EXPECT_EQ(m.schema.second->code.m_pq, GetParam().layout == TokenLayout::plain ? 0 : c.tokens.m_pq);
  EXPECT_EQ(m.find("rerank.rows")->tier, Tier::cold);
  EXPECT_EQ(m.find("rerank.rows.offsets")->length, 121u * 4);
  EXPECT_EQ(m.find("rerank.rows")->length,
            c.tokens.size() * (GetParam().layout == TokenLayout::plain ? 2 * c.tokens.dim : 2 + c.tokens.m_pq));
}

CASSATA_FOR_CASES(EveryMultivector, multivector_cases());

TEST(MultivectorIndex, BothLayoutsOfTheSameTokensAnswerAlike) {
  Random random(4);
  const Collection c(random, 300, 20);
  const Index first = build(c.vectors, first_params({}));
  const SearchParams params{.k = 15, .ef_search = 50, .k_candidates = 50};
  EXPECT_EQ(answers(join(first, c.tokens, TokenLayout::plain), c.queries, params, &Index::search, c.asked.batch()),
            answers(join(first, c.tokens, TokenLayout::two_level), c.queries, params, &Index::search, c.asked.batch()));
}

TEST(MultivectorIndex, ManyCentroidsHaveNumbersOf32Bits) {
  Random random(5);
  const Collection c(random, 200, 10, 2, 1, 65'537);
  const Index index = join(build(c.vectors, first_params({})), c.tokens, TokenLayout::two_level);
  index.verify();
  EXPECT_EQ(index.manifest().find("rerank.rows")->length, c.tokens.size() * (4 + 2));
  const Answers found = search_exact(index, c.queries, {.k = 200}, c.asked.batch());
  for (std::size_t q = 0; q < c.queries.size(); ++q) {
    const auto part = [&](const auto& all) { return std::vector(all.begin() + q * 200, all.begin() + (q + 1) * 200); };
    ASSERT_NO_FATAL_FAILURE(expect_ranked({part(found.ids), part(found.scores)}, c.exhaustive(q, 200)));
  }
}

/// Files with more than 4 GiB of tokens have 64-bit offsets; a reader accepts them in any file.
TEST(MultivectorIndex, WideOffsetsAreRead) {
  const TempDir folder;
  Random random(6);
  const Collection c(random, 200, 10);
  const SearchParams params{.k = 10, .ef_search = 40, .k_candidates = 40};
  for (const TokenLayout layout : {TokenLayout::plain, TokenLayout::two_level}) {
    const Index narrow = join(build(c.vectors, first_params({})), c.tokens, layout);
    const std::string name = "rerank.rows.offsets";
    const auto offsets = narrow.file().section(name).as<std::uint32_t>(201);
    const std::vector<std::uint64_t> wide(offsets.begin(), offsets.end());
    const auto bytes = std::as_bytes(std::span(wide));
    write_with_sections(folder / "wide", narrow.file(), {{name, {bytes.begin(), bytes.end()}}});
    const Index index = Index::open(folder / "wide", {.verify = Verify::all});
    EXPECT_EQ(answers(index, c.queries, params, &Index::search, c.asked.batch()),
              answers(narrow, c.queries, params, &Index::search, c.asked.batch()));
  }
}

TEST(MultivectorIndex, ACollectionWithoutTokensIsOne) {
  Random random(7);
  Collection c(random, 50, 4);
  c.tokens = random_tokens(random, 50, 3, 2, 20, 0);
  for (const TokenLayout layout : {TokenLayout::plain, TokenLayout::two_level}) {
    const Index index = join(build(c.vectors, first_params({})), c.tokens, layout);
    index.verify();
    const Answers found =
        answers(index, c.queries, {.k = 10, .ef_search = 20, .k_candidates = 20}, &Index::search, c.asked.batch());
    for (std::size_t i = 0; i < found.ids.size(); ++i) {
      ASSERT_GE(found.ids[i], 0);
      const bool asked = !c.asked.batch().row(i / 10).empty();
      ASSERT_EQ(found.scores[i], asked ? -std::numeric_limits<float>::infinity() : 0) << "place " << i;
    }
  }
}

TEST(MultivectorIndex, QueriesThatDoNotFitAreRefused) {
  Random random(8);
  const Collection c(random, 40, 3);
  const Index first = build(c.vectors, first_params({})), index = join(first, c.tokens, TokenLayout::plain);
  const auto refuse = [&](const std::vector<std::string>& parts, const Index& searched, const TokenBatch& tokens) {
    for (const auto search : {&Index::search, &Index::search_exact})
      expect_error(Errc::invalid_argument, parts, [&] { answers(searched, c.queries, {.k = 3}, search, tokens); });
  };
  refuse({"multivec_queries", "none given"}, index, {});
  refuse({"multivec_queries", "no token vectors"}, first, c.asked.batch());
  TokenQueries other = c.asked;
  ++other.dim;
  refuse({"multivec_queries: dim is 7", "6"}, index, other.batch());
  other = random_token_queries(random, 3, 6, 7);
  other.offsets = {0, 2, 1, 3};
  other.values.assign(18, 0);
  refuse({"query 1", "from token 2 to 1"}, index, other.batch());
  other.offsets = {0, 1, 3, 3};
  other.values[13] = std::numeric_limits<float>::quiet_NaN();
  refuse({"query 1, token 1, column 1", "nan"}, index, other.batch());
}

TEST(MultivectorIndex, PartsThatDoNotFitAreRefused) {
  const TempDir folder, tokens;
  Random random(9);
  const Collection c(random, 40, 1);
  const Index sparse = build(c.vectors, first_params({}), folder / "sparse");
  c.tokens.write(tokens.path(), TokenLayout::plain);
  write_file(folder / "out", kFormerIndex);
  const auto refuse = [&](const std::vector<std::string>& parts, const Index& first, const TokenChoices& choices = {}) {
    SCOPED_TRACE(parts.front());
    expect_error(Errc::invalid_argument, parts, [&] { Index::join(first, tokens.path(), choices, folder / "out"); });
    EXPECT_EQ(read_file(folder / "out").size(), kFormerIndex.size());
    EXPECT_FALSE(folder.names().contains("out.partial"));
  };
  const auto with = [&](BuildParams params) { return build(c.vectors, params, folder / "other"); };
  const std::string other = (folder / "other").string();
  refuse({other, "SparseFlatIndex", "SparsePlainHNSW"},
         with({.schema = {.kind = Kind::flat, .first = {.encoding = Encoding::sparse_f32}}}));
  refuse({other, "SparsePostingsIndex"},
         with({.schema = {.kind = Kind::postings, .first = {.encoding = Encoding::sparse_f16}}}));
  refuse({other, "SparseRerankHNSW"},
         with({.schema = {.first = {.encoding = Encoding::sparse_f16},
                          .second = Stage{.encoding = Encoding::sparse_f32, .role = Role::rerank}}}));
  refuse({other, "euclidean", "one stage and metric 'dotproduct' or 'cosine'"},
         with({.schema = {.metric = Metric::euclidean, .first = {.encoding = Encoding::sparse_f16}}}));
  refuse({other, "DensePlainHNSW with two stages", "DensePQHNSW"},
         with({.schema = {.first = {.encoding = Encoding::dense_int8, .role = Role::traversal},
                          .second = Stage{.encoding = Encoding::f32, .role = Role::rerank}}}));
  refuse({"SparseMultivecRerankIndex"}, join(sparse, c.tokens, TokenLayout::plain));
  refuse({"doclens.npy: 40 documents, expected 39", other},
         build(c.vectors.part(0, 39), first_params({}), folder / "other"));
  for (const std::uint64_t count : {39, 41}) {
    const std::vector<std::uint64_t> ids(count);
    write_file(tokens / "ids.npy", npy_of("<i8", {count}, ids));
    write_file(folder / "ids.npy", npy_of("<i8", {count}, ids));
    refuse({(folder / "ids.npy").string(), std::to_string(count) + " ids, expected 40"}, sparse,
           {.ids = folder / "ids.npy"});
  }
  write_file(tokens / "documents.npy", npy_of("<f4", {c.tokens.size(), 0}, std::vector<float>()));
  refuse({"documents.npy", "dim 0, expected 1"}, sparse);
  const std::uint64_t wide = (1 << 20) + 1;
  write_file(tokens / "documents.npy", npy_of("<f2", {1, wide}, std::vector<std::uint16_t>(wide)));
  std::vector<int> doclens(40);
  doclens[7] = 1;
  write_file(tokens / "doclens.npy", npy_of("<i4", {40}, doclens));
  refuse({"documents.npy", "dim 1048577, expected 1"}, sparse);
}

TEST(MultivectorIndex, NoInputIsReplaced) {
  const TempDir folder, tokens;
  Random random(10);
  const Collection c(random, 40, 1);
  const Index first = build(c.vectors, first_params({}), folder / "first");
  for (const TokenLayout layout : {TokenLayout::plain, TokenLayout::two_level}) c.tokens.write(tokens.path(), layout);
  const std::vector<std::uint64_t> ids(40);
  for (const auto& path : {tokens / "ids.npy", tokens / "queries.npy", folder / "ids.npy"})
    write_file(path, npy_of("<i8", {40}, ids));
  std::filesystem::create_hard_link(tokens / "doclens.npy", folder / "another_name");
  std::vector<std::filesystem::path> inputs = {folder / "first", folder / "ids.npy", folder / "another_name"};
  for (const auto& entry : std::filesystem::directory_iterator(tokens.path())) inputs.push_back(entry.path());
  for (const auto& input : inputs) {
    SCOPED_TRACE(input);
    const Bytes before = read_file(input);
    expect_error(Errc::invalid_argument, {"path: " + input.string()}, [&] {
      Index::join(first, tokens.path(), {.layout = TokenLayout::plain, .ids = folder / "ids.npy"}, input);
    });
    EXPECT_TRUE(read_file(input) == before);
  }
}

TEST(MultivectorIndex, AManifestThatDoesNotFitIsRefused) {
  const TempDir folder;
  Random random(11);
  const Collection c(random, 40, 1);
  const Index sparse = build(c.vectors, first_params({})),
              dense = build(c.vectors, first_params({.first = Encoding::f32}));
  join(sparse, c.tokens, TokenLayout::plain, folder / "plain");
  join(sparse, c.tokens, TokenLayout::two_level, folder / "two_level");
  join(dense, c.tokens, TokenLayout::two_level, folder / "dense");
  const auto refuse = [&](const std::string& from, Errc code, const std::string& part, const auto& edit) {
    SCOPED_TRACE(from + ": " + part);
    write_file(folder / "crafted", with_manifest(read_file(folder / from), edit));
    expect_error(code, {"crafted: ", part}, [&] { Index::open(folder / "crafted"); });
  };
  for (const char* any : {"plain", "two_level", "dense"}) {
    for (const std::uint32_t dim : {0U, (1U << 20) + 1, 4294967295U})
      refuse(any, Errc::corrupt, "manifest at byte", [&](Manifest& m) { m.schema.second->code.token_dim = dim; });
    refuse(any, Errc::corrupt, "token vectors with navigation",
           [](Manifest& m) { m.schema.first.role = Role::traversal; });
    refuse(any, Errc::corrupt, "residual with token vectors",
           [](Manifest& m) { m.schema.second->role = Role::residual; });
    refuse(any, Errc::corrupt, "of token vectors", [](Manifest& m) { m.schema.first = *m.schema.second; });
    refuse(any, Errc::corrupt, "of token vectors", [](Manifest& m) {
      m.schema.first = *m.schema.second;
      m.schema.second.reset();
    });
    refuse(any, Errc::corrupt, "of token vectors", [](Manifest& m) { m.schema.first.encoding = Encoding::tokens_f16; });
    refuse(any, Errc::corrupt, "metric", [](Manifest& m) { m.schema.metric = Metric::euclidean; });
    refuse(any, Errc::corrupt, "token vectors with kind 'flat'", [](Manifest& m) { m.schema.kind = Kind::flat; });
    refuse(any, Errc::corrupt, "no section 'ids.offsets'", [](Manifest& m) { m.second_section = "ids"; });
    refuse(any, Errc::corrupt, "no section", [](Manifest& m) { m.second_section = "elsewhere"; });
  }
  refuse("plain", Errc::corrupt, "no section 'rerank.rows.model'",
         [](Manifest& m) { m.schema.second->encoding = Encoding::tokens_two_level; });
  for (const std::uint32_t m_pq : {0U, 4U, 7U, 4294967295U})
    refuse("two_level", Errc::corrupt, "m_pq is " + std::to_string(m_pq),
           [&](Manifest& m) { m.schema.second->code.m_pq = m_pq; });
  refuse("two_level", Errc::corrupt, "'rerank.rows.model'", [](Manifest& m) { m.schema.second->code.token_dim = 9; });
  refuse("two_level", Errc::corrupt, "'rerank.rows.offsets'", [](Manifest& m) {
    for (SectionEntry& section : m.sections)
      if (section.name == "rerank.rows.offsets") section.length -= 4;
  });
}

}  // namespace
}  // namespace cassata::join_test
