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
    if (distances || random() % 2)
      out.add(-1, distances ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity());
    out.end();
  }
  return out;
}

/// By definition, with scores of which the largest is the best.
std::map<std::int64_t, double> expected(const std::vector<Lists>& all, const std::vector<bool>& distances,
                                        const std::vector<double>& weights, std::size_t q, const FuseParams& params) {
  std::map<std::int64_t, double> fused;
  for (const Lists& one : all)
    for (auto i = one.limits[q]; i < one.limits[q + 1]; ++i)
      if (one.ids[static_cast<std::size_t>(i)] != -1) fused[one.ids[static_cast<std::size_t>(i)]] = 0;
  for (std::size_t r = 0; r < all.size(); ++r) {
    std::vector<std::pair<std::int64_t, double>> results;
    for (auto i = static_cast<std::size_t>(all[r].limits[q]); i < static_cast<std::size_t>(all[r].limits[q + 1]); ++i)
      if (all[r].ids[i] != -1)
        results.emplace_back(all[r].ids[i], static_cast<double>(distances[r] ? -all[r].scores[i] : all[r].scores[i]));
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const auto& [id, score] : results) low = std::min(low, score), high = std::max(high, score);
    for (auto& [id, score] : fused) {
      const auto found = std::ranges::find(results, id, &std::pair<std::int64_t, double>::first);
      if (found == results.end()) {
        if (params.method == FuseMethod::sum && params.normalize == Normalization::none && !results.empty())
          score += weights[r] * std::min(0.0, low);
      } else if (params.method == FuseMethod::rrf) {
        score += weights[r] / (params.k + 1 + static_cast<double>(found - results.begin()));
      } else if (params.normalize == Normalization::none) {
        score += weights[r] * found->second;
      } else {
        score += weights[r] * (high > low ? (found->second - low) / (high - low) : 1);
      }
    }
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
      distances.push_back(seed % 2 != 0);
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
          EXPECT_TRUE(whole.scores[i - 1] > whole.scores[i] ||
                      (whole.scores[i - 1] == whole.scores[i] && whole.ids[i - 1] < whole.ids[i]));
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
          "query 0: id 'x' twice");
  refuses({one_query({1}, {std::nanf("")}).ranking()}, {}, "place 0: score nan, expected a number");
  refuses({one_query({1}, {INFINITY}).ranking()}, sum, "score inf, expected a finite number");
  refuses({one_query({1, 2, 3}, {1, 2, 1}).ranking()}, sum, "place 2: score 1 after 2, but scores before rise");
  refuses({good.ranking(-1)}, {}, "weights: -1 given for a, expected 0 or more");
  refuses({good.ranking()}, {.k = -1}, "k: -1 given, expected 0 or more");
  refuses({good.ranking()}, {.normalize = Normalization::min_max}, "normalize: given with method 'rrf'");
  const Lists short_of_scores = {.limits = {0, 2}, .ids = {1, 2}, .scores = {1}},
              falling = {.limits = {0, 3, 2}, .ids = {1, 2}, .scores = {2, 1}};
  refuses({short_of_scores.ranking()}, {}, "a: 1 scores, expected 2");
  refuses({falling.ranking()}, {}, "a: limits that are not from 0 to 2");
  EXPECT_EQ(fuse(std::vector{one_query({1}, {INFINITY}).ranking()}, {}).ids, std::vector<std::int64_t>{1});
}

}  // namespace
}  // namespace cassata::fuse_test
