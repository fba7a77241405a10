// Rerank, compared with its definition, over given distances.
#include "engine/search/rerank.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/codec/sparse.h"
#include "tests/engine/search/table_scorer.h"
#include "tests/support/brute_force.h"
#include "tests/support/random.h"

namespace cassata::rerank_test {
namespace {

using namespace test;

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

/// Counts scored and fetched rows.
class CountingScorer final : public Scorer {
 public:
  explicit CountingScorer(std::vector<float> distances) : table_(std::move(distances)) {}
  void bind(VectorView) override {}
  void bind(Id) override {}
  void score(std::span<const Id> ids, float* out) noexcept override {
    scored_.insert(scored_.end(), ids.begin(), ids.end());
    EXPECT_GE(fetched_.size(), scored_.size());
    table_.score(ids, out);
  }
  bool fetch(std::span<const Id> ids) noexcept override {
    fetched_.insert(fetched_.end(), ids.begin(), ids.end());
    return true;
  }
  void score_range(Id, std::size_t, float*) noexcept override { ADD_FAILURE() << "candidates are no range"; }
  const std::vector<Id>& scored() const { return scored_; }
  const std::vector<Id>& fetched() const { return fetched_; }

 private:
  TableScorer table_;
  std::vector<Id> scored_;
  std::vector<Id> fetched_;
};

/// Rerank by its definition: sorts anew at every candidate.
struct Model {
  std::vector<Candidate> best;
  std::vector<Id> scored;

  Model(const std::vector<Candidate>& candidates, const std::vector<float>& second, std::span<const Id> ids,
        const RerankParams& p) {
    std::size_t idle = 0;
    for (const Candidate& c : candidates) {
      if (p.k == 0 || (p.beta && scored.size() >= p.k && idle >= *p.beta)) break;
      if (p.alpha && candidates.size() > p.k) {
        const double score = -double{c.distance}, kth = -double{candidates[p.k - 1].distance};
        if (!(score >= kth - std::abs(kth) * double{*p.alpha})) continue;
      }
      scored.push_back(c.id);
      const Candidate again{p.sum ? c.distance + second[c.id] : second[c.id], ids.empty() ? c.id : ids[c.id]};
      best.push_back(again);
      std::sort(best.begin(), best.end());
      if (best.size() > p.k) best.resize(p.k);
      const bool enters = std::ranges::any_of(best, [&](const Candidate& b) { return b.id == again.id; });
      idle = enters ? 0 : idle + 1;
    }
  }
};

TEST(Rerank, DoesWhatItsDefinitionSays) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, seed % 7 ? 60 : 400), spread = 2 + below(random, 40);
    std::vector<float> first(n), second(n);
    for (float& d : first) d = static_cast<float>(below(random, spread)) - static_cast<float>(spread / 2);  // many ties
    for (std::size_t i = 0; i < n; ++i)
      second[i] = (seed % 2 ? first[i] : 0) + static_cast<float>(below(random, spread));
    std::vector<Candidate> candidates;
    for (Id id = 0; id < n; ++id)
      if (below(random, 4) != 0) candidates.push_back({first[id], id});
    std::sort(candidates.begin(), candidates.end());
    std::vector<Id> ids(seed % 3 ? n : 0);
    std::iota(ids.begin(), ids.end(), Id{0});
    std::ranges::shuffle(ids, random);
    RerankParams params{.k = below(random, 15), .sum = seed % 5 == 0};
    if (random() % 2) params.alpha = static_cast<float>(below(random, 9)) / 8;
    if (random() % 2) params.beta = below(random, random() % 2 ? 8 : 100);
    const Model expected(candidates, second, ids, params);
    CountingScorer scorer(second);
    rerank(candidates, scorer, ids, params);
    ASSERT_EQ(pairs_of(candidates), pairs_of(expected.best));
    ASSERT_EQ(scorer.scored(), expected.scored) << "no more is read than has to be";
  }
}

TEST(Rerank, FetchesEachRowOnceBeforeItIsScoredAndFewThatAreNot) {
  Random random(5);
  for (const std::size_t beta : {std::size_t{1}, std::size_t{20}, std::size_t{100000}}) {
    std::vector<Candidate> candidates(1000);
    std::vector<Id> order;
    std::vector<float> distances(1000);
    for (Id i = 0; i < 1000; ++i) {
      candidates[i] = {static_cast<float>(i), 999 - i};
      order.push_back(999 - i);
      distances[i] = static_cast<float>(below(random, 1000));
    }
    CountingScorer second(distances);
    rerank(candidates, second, {}, {.k = 10, .beta = beta});
    const std::size_t fetched = second.fetched().size();
    EXPECT_TRUE(std::equal(second.fetched().begin(), second.fetched().end(), order.begin()));
    EXPECT_TRUE(std::equal(second.scored().begin(), second.scored().end(), order.begin()));
    EXPECT_LE(fetched, std::min<std::size_t>(second.scored().size() + 64, 1000));
  }
}

TEST(Rerank, AMarginScoresAsManyAsTheErrorsOfTheFirstScoresAskFor) {
  Random random(7);
  std::normal_distribution<float> noise;
  std::size_t before = 0;
  for (const float error : {0.5F, 8.0F, 60.0F}) {
    SCOPED_TRACE(error);
    std::vector<Candidate> candidates;
    std::vector<float> second(500);
    for (Id id = 0; id < 500; ++id) {
      second[id] = static_cast<float>(id);
      candidates.push_back({second[id] + 7 + error * noise(random), id});
    }
    std::sort(candidates.begin(), candidates.end());
    std::vector<Candidate> cut = candidates;
    CountingScorer with(second), without(second);
    rerank(candidates, with, {}, {.k = 10, .beta = 6, .margin = 4.0F});
    rerank(cut, without, {}, {.k = 10, .beta = 6});
    std::vector<Id> found;
    for (const Candidate& c : candidates) found.push_back(c.id);
    EXPECT_EQ(found, (std::vector<Id>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_TRUE(std::equal(without.scored().begin(), without.scored().end(), with.scored().begin()))
        << "none of those that beta keeps is left out";
    EXPECT_GT(with.scored().size(), before);
    before = with.scored().size();
  }
  EXPECT_LT(before, 500u);
}

TEST(Rerank, WithoutLimitsItIsTheOrderOfTheSecondScores) {
  Random random(1);
  const std::size_t n = 500;
  std::vector<float> second(n);
  for (float& d : second) d = static_cast<float>(below(random, 100));
  std::vector<Candidate> candidates, expected;
  for (Id id = 0; id < n; ++id)
    candidates.push_back({static_cast<float>(id), id}), expected.push_back({second[id], id});
  std::sort(expected.begin(), expected.end());
  for (const std::size_t k :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, n, n + 9}) {
    std::vector<Candidate> found = candidates;
    TableScorer scorer(second);
    rerank(found, scorer, {}, {.k = k});
    ASSERT_EQ(pairs_of(found), pairs_of(std::span(expected).first(std::min(k, n)))) << "k " << k;
  }
}

TEST(Rerank, WhatIsNoNumberComesLastAndInfinitiesAreBounds) {
  TableScorer scorer({kNaN, 2, -kInfinity, 1, kNaN});
  std::vector<Candidate> candidates = {{-kInfinity, 0}, {0, 1}, {kInfinity, 2}, {kInfinity, 3}, {kInfinity, 4}};
  const std::vector<Candidate> all = candidates;
  rerank(candidates, scorer, {}, {.k = 5});
  EXPECT_EQ(pairs_of(candidates),
            (std::vector<std::pair<float, Id>>{{-kInfinity, 2}, {1.0F, 3}, {2.0F, 1}, {kInfinity, 0}, {kInfinity, 4}}));
  candidates = all;
  rerank(candidates, scorer, {}, {.k = 5, .sum = true});  // infinity minus infinity
  EXPECT_EQ(pairs_of(candidates), (std::vector<std::pair<float, Id>>{
                                      {2.0F, 1}, {kInfinity, 0}, {kInfinity, 2}, {kInfinity, 3}, {kInfinity, 4}}));
  for (const float alpha : {0.0F, 0.5F}) {
    candidates = all;
    rerank(candidates, scorer, {}, {.k = 3, .alpha = alpha});  // the third and all after it are at infinity
    EXPECT_EQ(candidates.size(), 3u);
    EXPECT_EQ(candidates.front().id, 2u);
    candidates = all;
    rerank(candidates, scorer, {}, {.k = 1, .alpha = alpha});  // the first is at minus infinity
    EXPECT_EQ(pairs_of(candidates), (std::vector<std::pair<float, Id>>{{kInfinity, 0}}));
  }
}

TEST(SummedCodes, AddWhatTheirPartsAnswer) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 300);  // more than a block
    const SparseVectors a = random_sparse(random, n, 50, 20), b = random_sparse(random, n, 50, 20),
                        query = random_sparse(random, 1, 50, 40);
    const StoredVectors first(encoder_sparse_f32(50), a.batch(50)), second(encoder_sparse_f16(50), b.batch(50));
    const SummedCodes both(first.codes(), second.codes());
    both.verify({});
    EXPECT_EQ(both.size(), n);
    EXPECT_EQ(both.dim(), 50u);
    const auto one = first.codes().scorer(Metric::dot_product), other = second.codes().scorer(Metric::dot_product),
               sum = both.scorer(Metric::dot_product);
    std::vector<Id> ids(n);
    std::iota(ids.begin(), ids.end(), Id{0});
    std::ranges::shuffle(ids, random);
    std::vector<float> x(n), y(n), gathered(n), range(n);
    for (const bool stored : {false, true}) {
      for (Scorer* scorer : {one.get(), other.get(), sum.get()})
        stored ? scorer->bind(ids[0]) : scorer->bind(query.view(0));
      one->score(ids, x.data());
      other->score(ids, y.data());
      sum->score(ids, gathered.data());
      sum->score_range(0, n, range.data());
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(gathered[i], x[i] + y[i]);
        ASSERT_EQ(range[ids[i]], gathered[i]);
      }
    }
  }
}

}  // namespace
}  // namespace cassata::rerank_test
