#include "cassata/fuse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/random.h"

namespace cassata::fuse_test {
namespace {

using namespace test;

/// Results of several queries, with missing places.
struct Lists {
  std::vector<std::int64_t> limits = {0}, ids;
  std::vector<float> scores;

  void add(std::int64_t id, float score) {
    ids.push_back(id);
    scores.push_back(score);
  }
  void end() { limits.push_back(static_cast<std::int64_t>(ids.size())); }
  Ranking ranking(double weight = 1, std::string name = "a") const {
    return {.name = std::move(name), .limits = limits, .scores = scores, .ids = ids, .weight = weight};
  }
};

Lists one_query(std::vector<std::int64_t> ids, std::vector<float> scores) {
  return {.limits = {0, static_cast<std::int64_t>(ids.size())}, .ids = std::move(ids), .scores = std::move(scores)};
}

/// Up to `longest` results of each query, ids below 20.
Lists random_lists(Random& random, std::size_t queries, std::size_t longest, bool distances) {
  Lists out;
  for (std::size_t q = 0; q < queries; ++q) {
    std::set<std::int64_t> ids;
    for (std::size_t i = below(random, longest + 1); i != 0; --i)
      ids.insert(static_cast<std::int64_t>(below(random, 20)));
    float score = static_cast<float>(below(random, 9));
    for (const std::int64_t id : ids) {
      out.add(id, distances ? score : -score);
      score += static_cast<float>(below(random, 3));
    }
    out.add(-1, distances ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity());
    out.end();
  }
  return out;
}

/// By definition: what each ranking adds, summed from the least on.
std::map<std::int64_t, double> expected(const std::vector<Lists>& all, const std::vector<bool>& distances,
                                        const std::vector<double>& weights, std::size_t q, const FuseParams& params) {
  std::map<std::int64_t, std::vector<double>> parts;
  for (const Lists& one : all)
    for (auto i = one.limits[q]; i < one.limits[q + 1]; ++i)
      if (one.ids[static_cast<std::size_t>(i)] != -1) parts[one.ids[static_cast<std::size_t>(i)]];
  for (std::size_t r = 0; r < all.size(); ++r) {
    std::vector<std::pair<std::int64_t, double>> results;
    for (auto i = static_cast<std::size_t>(all[r].limits[q]); i < static_cast<std::size_t>(all[r].limits[q + 1]); ++i)
      if (all[r].ids[i] != -1)
        results.emplace_back(all[r].ids[i], static_cast<double>(distances[r] ? -all[r].scores[i] : all[r].scores[i]));
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const auto& [id, score] : results) low = std::min(low, score), high = std::max(high, score);
    for (auto& [id, added] : parts) {
      const auto found = std::ranges::find(results, id, &std::pair<std::int64_t, double>::first);
      if (found == results.end()) {
        if (params.method == FuseMethod::sum && params.normalize == Normalization::none && !results.empty())
          added.push_back(weights[r] * std::min(0.0, low));
      } else if (params.method == FuseMethod::rrf) {
        added.push_back(weights[r] / (params.k + 1 + static_cast<double>(found - results.begin())));
      } else if (params.normalize == Normalization::none) {
        added.push_back(weights[r] * found->second);
      } else {
        added.push_back(weights[r] * (high > low ? (found->second - low) / (high - low) : 1));
      }
    }
  }
  std::map<std::int64_t, double> fused;
  for (auto& [id, added] : parts) {
    std::ranges::sort(added);
    for (const double part : added) fused[id] += part;
    fused[id] += 0;  // with no parts, too
  }
  return fused;
}

TEST(Fuse, IsTheSumByDefinition) {
  for (unsigned seed = 0; seed < seeds(40); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t queries = 1 + below(random, 6);
    std::vector<Lists> all;
    std::vector<bool> distances;
    std::vector<double> weights;
    for (std::size_t r = 1 + below(random, 4); r != 0; --r) {
      distances.push_back(random() % 2 != 0);
      all.push_back(random_lists(random, queries, 8, distances.back()));
      weights.push_back(static_cast<double>(below(random, 5)) / 2);
    }
    std::vector<Ranking> rankings;
    for (std::size_t r = 0; r < all.size(); ++r) rankings.push_back(all[r].ranking(weights[r]));
    for (FuseParams params : {FuseParams{.k = 3}, FuseParams{.method = FuseMethod::sum},
                              FuseParams{.method = FuseMethod::sum, .normalize = Normalization::min_max}}) {
      const HitLists whole = fuse(rankings, params);
      ASSERT_EQ(whole.limits.size(), queries + 1);
      for (std::size_t q = 0; q < queries; ++q) {
        const auto wanted = expected(all, distances, weights, q, params);
        const auto begin = static_cast<std::size_t>(whole.limits[q]),
                   end = static_cast<std::size_t>(whole.limits[q + 1]);
        ASSERT_EQ(end - begin, wanted.size());
        for (std::size_t i = begin; i < end; ++i) {
          EXPECT_NEAR(whole.scores[i], wanted.at(whole.ids[i]), 1e-4);
          if (i == begin) continue;
          const double before = wanted.at(whole.ids[i - 1]), now = wanted.at(whole.ids[i]);
          EXPECT_TRUE(before > now || (before == now && whole.ids[i - 1] < whole.ids[i]));
        }
      }
      params.top = 2;
      const HitLists top = fuse(rankings, params);
      for (std::size_t q = 0; q < queries; ++q) {
        const std::size_t count = static_cast<std::size_t>(top.limits[q + 1] - top.limits[q]);
        ASSERT_EQ(count, std::min<std::size_t>(2, static_cast<std::size_t>(whole.limits[q + 1] - whole.limits[q])));
        for (std::size_t i = 0; i < count; ++i)
          EXPECT_EQ(top.ids[static_cast<std::size_t>(top.limits[q]) + i],
                    whole.ids[static_cast<std::size_t>(whole.limits[q]) + i]);
      }
    }
  }
}

TEST(Fuse, RefusesWhatCannotBeFused) {
  const Lists good = one_query({1, 2}, {3, 2}), two = {.limits = {0, 1, 1}, .ids = {1}, .scores = {1}};
  const auto refuses = [](std::vector<Ranking> rankings, const FuseParams& params, const char* message) {
    expect_error(Errc::invalid_argument, {message}, [&] { fuse(rankings, params); });
  };
  const FuseParams sum{.method = FuseMethod::sum};
  refuses({}, {}, "rankings: none given");
  refuses({good.ranking(), two.ranking(1, "b")}, {}, "b: 2 queries, expected 1, as in a");
  refuses({one_query({7, 7}, {2, 1}).ranking()}, {.shown = [](std::int64_t) { return "'x'"; }},
          "query 0, place 1: id 'x' twice");
  refuses({one_query({1}, {std::nanf("")}).ranking()}, {}, "place 0: score nan, expected a number");
  refuses({one_query({1}, {INFINITY}).ranking()}, sum, "score inf, expected a finite number");
  refuses({one_query({1, 2, 3}, {1, 2, 1}).ranking()}, sum, "place 2: score 1 after 2, but scores before rise");
  refuses({good.ranking(-1)}, {}, "weights: -1 given for a, expected a number from 0 to 1e+30");
  refuses({good.ranking(INFINITY)}, {}, "weights: inf given");
  refuses({good.ranking()}, {.k = std::nan("")}, "k: nan given");
  refuses({good.ranking()}, {.k = -1}, "k: -1 given, expected a number from 0 to 1e+15");
  refuses({good.ranking()}, {.normalize = Normalization::min_max}, "normalize: given with method 'rrf'");
  const Lists short_of_scores = {.limits = {0, 2}, .ids = {1, 2}, .scores = {1}},
              falling = {.limits = {0, 3, 2}, .ids = {1, 2}, .scores = {2, 1}};
  refuses({short_of_scores.ranking()}, {}, "a: 1 scores, expected 2");
  refuses({falling.ranking()}, {}, "a: limits that are not from 0 to 2");
  EXPECT_EQ(fuse(std::vector{one_query({1}, {INFINITY}).ranking()}, {}).ids, std::vector<std::int64_t>{1});
}

TEST(Fuse, TheBestScoreIsShownOrGiven) {
  const FuseParams sum{.method = FuseMethod::sum};
  const auto scores = [&](const Lists& lists, BestScore best = BestScore::shown) {
    Ranking ranking = lists.ranking();
    ranking.best = best;
    return fuse(std::vector{ranking}, sum).scores;
  };
  using Scores = std::vector<float>;
  const Lists alone = one_query({1}, {5}), rises = one_query({1, 2}, {1, 3});
  EXPECT_EQ(scores(rises), (Scores{-1, -3}));
  EXPECT_EQ(scores({.limits = {0, 1, 3}, .ids = {7, 1, 2}, .scores = {5, 1, 3}}), (Scores{-5, -1, -3}));
  EXPECT_EQ(scores(one_query({1, -1}, {5, INFINITY})), Scores{-5});
  EXPECT_EQ(scores(one_query({1, -1}, {5, -INFINITY})), Scores{5});
  EXPECT_EQ(scores(alone, BestScore::smallest), Scores{-5});
  EXPECT_EQ(scores(alone, BestScore::largest), Scores{5});
  EXPECT_EQ(scores(one_query({}, {})), Scores{});  // nothing to know
  EXPECT_EQ(fuse(std::vector{alone.ranking()}, {.method = FuseMethod::sum, .normalize = Normalization::min_max}).scores,
            Scores{1});
  const auto refuses = [&](const Lists& lists, BestScore best, const char* message) {
    expect_error(Errc::invalid_argument, {message}, [&] { scores(lists, best); });
  };
  refuses(alone, BestScore::shown, "best: none given for a, whose scores do not show which is the best");
  refuses(one_query({1, -1, -1}, {5, INFINITY, -INFINITY}), BestScore::shown, "best: none given for a");
  refuses(rises, BestScore::largest, "a: query 0, place 1: score 3 after 1, but the largest is the best");
  expect_error(Errc::invalid_argument, {"best: none given for b"}, [&] {  // a does not tell for b
    fuse(std::vector{rises.ranking(), alone.ranking(1, "b")}, sum);
  });
  Ranking given = rises.ranking();
  given.best = BestScore::smallest;
  expect_error(Errc::invalid_argument, {"best: given with method 'rrf'"}, [&] { fuse(std::vector{given}, {}); });
  EXPECT_EQ(parse_best_score("smallest"), BestScore::smallest);
  expect_error(Errc::invalid_argument, {"best: 'x' given, expected one of 'largest', 'smallest'"},
               [] { parse_best_score("x"); });
}

TEST(Fuse, TheOrderIsThatOfTheExactSums) {
  const Lists one = one_query({5, 4, 3, 2, 1}, {3e38F, 2e38F, 1e38F, 0, -3e38F});
  const std::vector<std::int64_t> order = {5, 4, 3, 2, 1};
  for (const double k : {1e9, kLargestRankConstant}) EXPECT_EQ(fuse(std::vector{one.ranking()}, {.k = k}).ids, order);
  const std::vector<Ranking> heavy(3, one.ranking(kLargestWeight));
  const HitLists fused = fuse(heavy, {.method = FuseMethod::sum});
  EXPECT_EQ(fused.ids, order);
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_EQ(fused.scores, (std::vector<float>{kMost, kMost, kMost, 0, -kMost}));
  // Ranks 1, 2, 3 in any order of the rankings are a tie.
  const Lists a = one_query({1, 2, 3}, {3, 2, 1}), b = one_query({2, 3, 1}, {3, 2, 1}),
              c = one_query({3, 1, 2}, {3, 2, 1});
  EXPECT_EQ(fuse(std::vector{c.ranking(), b.ranking(), a.ranking()}, {.k = 0.1}).ids,
            (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(Fuse, MessagesShowPlacesAsAsked) {
  const Lists lists = {.limits = {0, 1, 4}, .ids = {7, 7, 8, 7}, .scores = {1, 3, 2, 1}};
  Ranking twice = lists.ranking();
  twice.place = [](std::size_t query, std::size_t i) { return "line " + std::to_string(10 * query + i); };
  expect_error(Errc::invalid_argument, {"a: line 13: id 7 twice"}, [&] { fuse(std::vector{twice}, {}); });
}

}  // namespace
}  // namespace cassata::fuse_test
