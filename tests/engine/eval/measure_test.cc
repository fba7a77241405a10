// Recall by its definition, interpolation of curves, and the points of a measurement; no speeds.
#include "cassata/measure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <vector>

#include "cassata/stream.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"

namespace cassata::measure_test {
namespace {

using namespace test;

TEST(Recall, CountsIdsInWhateverOrder) {
  const std::vector<std::int64_t> expected = {1, 2, 3, 4};
  EXPECT_EQ(recall(std::vector<std::int64_t>{2, 1, 4, 3}, expected, 2), 1);
  EXPECT_EQ(recall(std::vector<std::int64_t>{3, 4, 1, 2}, expected, 2), 0) << "those of another query";
  EXPECT_EQ(recall(std::vector<std::int64_t>{1, 9, -1, -1}, expected, 2), 0.25);
  EXPECT_EQ(recall(std::vector<std::int64_t>{1, 9, 8, 7}, std::vector<std::int64_t>{1, 2, -1, -1}, 2), 0.5)
      << "what is not expected does not count";
  EXPECT_EQ(recall(std::vector<std::int64_t>{-1, -1}, std::vector<std::int64_t>{-1, -1}, 2), 1);
}

TEST(Recall, IsTheShareOfTheExpected) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t k = 1 + below(random, 8), queries = 1 + below(random, 5);
    std::vector<std::int64_t> found, expected;
    std::size_t right = 0;
    for (std::size_t q = 0; q < queries; ++q) {
      std::set<std::int64_t> mine, wanted;
      while (mine.size() < k) mine.insert(static_cast<std::int64_t>(below(random, 12)));
      while (wanted.size() < k) wanted.insert(static_cast<std::int64_t>(below(random, 12)));
      for (const std::int64_t id : wanted) right += mine.count(id);
      found.insert(found.end(), mine.rbegin(), mine.rend());
      expected.insert(expected.end(), wanted.begin(), wanted.end());
    }
    EXPECT_DOUBLE_EQ(recall(found, expected, k), static_cast<double>(right) / static_cast<double>(k * queries));
  }
}

Point point(std::size_t ef_search, double recall, double rate) {
  return {.ef_search = ef_search, .recall = recall, .queries_per_second = rate};
}

TEST(AtRecall, LiesBetweenNeighbours) {
  const std::vector<Point> points = {point(10, 0.5, 1000), point(20, 0.75, 100), point(40, 1, 10)};
  const auto at = [&](double target) { return at_recall(points, target).value(); };
  EXPECT_EQ(at(0.1).queries_per_second, 1000) << "nothing is known of what is before the first";
  EXPECT_EQ(at(0.1).recall, 0.5);
  EXPECT_EQ(at(0.5).ef_search, 10);
  EXPECT_EQ(at(0.625).recall, 0.625);
  EXPECT_DOUBLE_EQ(at(0.625).ef_search, 15);
  EXPECT_DOUBLE_EQ(at(0.625).queries_per_second, std::sqrt(100.0 * 1000));
  EXPECT_DOUBLE_EQ(at(0.875).ef_search, 30);
  EXPECT_DOUBLE_EQ(at(1).queries_per_second, 10);
  EXPECT_FALSE(at_recall(std::span(points).first(2), 0.76));
  EXPECT_FALSE(at_recall({}, 0.5));
}

TEST(AtRecall, TakesTheFastestWay) {
  const std::vector<Point> points = {point(10, 0.9, 100), point(20, 0.95, 300), point(30, 0.94, 500)};
  EXPECT_EQ(at_recall(points, 0.9)->ef_search, 30) << "a wider search that was faster and is good enough";
  EXPECT_EQ(at_recall(points, 0.95)->ef_search, 20);
}

TEST(UsualEfSearch, RisesFromK) {
  for (const std::size_t k : {0u, 1u, 10u, 33u, 1000u}) {
    const auto widths = usual_ef_search(k);
    EXPECT_EQ(widths.front(), std::max<std::size_t>(k, 10));
    EXPECT_TRUE(std::ranges::is_sorted(widths, std::less_equal<>()));
  }
}

class Measure : public ::testing::Test {
 protected:
  Index build(Kind kind) const {
    const auto stream =
        memory_stream("vectors", vectors_.values.data(), vectors_.size(), vectors_.dim, ElementType::f32);
    return Index::build(
        *stream, {.schema = {.kind = kind, .metric = Metric::euclidean}, .graph = {.m = 4, .ef_construction = 20}});
  }
  std::vector<std::int64_t> exact(const Index& index) const {
    std::vector<std::int64_t> ids(queries_.size() * 10);
    std::vector<float> scores(ids.size());
    index.search_exact(queries_.matrix(), {}, {.ids = ids, .scores = scores});
    return ids;
  }

  Random random_{7};
  const Vectors vectors_ = normal_vectors(random_, 3000, 16), queries_ = normal_vectors(random_, 50, 16);
};

TEST_F(Measure, CandidatesOfTwoStagesFollowTheWidthWhereAskedTo) {
  const auto stream = memory_stream("vectors", vectors_.values.data(), vectors_.size(), vectors_.dim, ElementType::f32);
  BuildParams params{.schema = {.metric = Metric::euclidean, .first = {.encoding = Encoding::dense_int4}},
                     .graph = {.m = 4, .ef_construction = 20}};
  params.schema.second = Stage{.encoding = Encoding::f32, .role = Role::rerank};
  std::vector<Index> indexes = {Index::build(*stream, params)};
  indexes.push_back(build(Kind::graph));
  const auto expected = exact(indexes[1]);
  for (const bool sweep : {false, true}) {
    MeasureParams how{.search = {.k_candidates = 30}, .ef_search = {5, 40}, .repeat = 0};
    how.sweep_k_candidates = sweep;
    const auto points = measure(indexes, queries_.matrix(), expected, how);
    for (std::size_t i = 0; i < 2; ++i) {
      const Point& point = points[0][i];
      EXPECT_EQ(point.k_candidates, sweep ? (i == 0 ? 10u : 40u) : 30u);
      EXPECT_EQ(points[1][i].k_candidates, 0u);
      std::vector<std::int64_t> ids(expected.size());
      std::vector<float> scores(ids.size());
      indexes[0].search(queries_.matrix(), {.ef_search = point.ef_search, .k_candidates = point.k_candidates},
                        {.ids = ids, .scores = scores});
      EXPECT_EQ(point.recall, recall(ids, expected, 10));
    }
  }
}

TEST_F(Measure, EachIndexAtEachWidth) {
  const std::vector<Index> indexes = {build(Kind::graph), build(Kind::flat), build(Kind::graph)};
  const auto expected = exact(indexes[1]);
  std::vector<std::uint64_t> reported;
  const auto progress = [&](std::string_view, std::uint64_t done, std::uint64_t total) {
    reported.push_back(done);
    EXPECT_EQ(total, 3 * (2 * 3 + 1));
  };
  const auto points =
      measure(indexes, queries_.matrix(), expected, {.ef_search = {80, 10, 20}, .repeat = 2, .progress = progress});
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(reported.back(), 3u * (2 * 3 + 1));
  ASSERT_EQ(points[1].size(), 1u) << "an exact index has no width";
  EXPECT_EQ(points[1][0].ef_search, 0u);
  EXPECT_EQ(points[1][0].recall, 1);
  for (const std::size_t graph : {0, 2}) {
    ASSERT_EQ(points[graph].size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(points[graph][i].ef_search, (std::vector<std::size_t>{10, 20, 80})[i]);
      std::vector<std::int64_t> ids(expected.size());
      std::vector<float> scores(ids.size());
      indexes[graph].search(queries_.matrix(), {.ef_search = points[graph][i].ef_search},
                            {.ids = ids, .scores = scores});
      EXPECT_EQ(points[graph][i].recall, recall(ids, expected, 10));
    }
    EXPECT_LT(points[graph][0].recall, points[graph][2].recall);
  }
  for (const auto& curve : points)
    for (const Point& at : curve) {
      EXPECT_GT(at.queries_per_second, 0);
      EXPECT_GT(at.p50_seconds, 0);
      EXPECT_GE(at.p99_seconds, at.p50_seconds);
    }
}

TEST_F(Measure, WithoutRepeatsByQueriesAlone) {
  const std::vector<Index> indexes = {build(Kind::graph)};
  const auto points = measure(indexes, queries_.matrix(), exact(indexes[0]), {.ef_search = {10, 20}, .repeat = 0});
  for (const Point& at : points[0]) EXPECT_EQ(at.queries_per_second, 1 / at.p50_seconds);
}

TEST_F(Measure, RefusesToMeasureNothing) {
  const std::vector<Index> indexes = {build(Kind::flat)};
  const auto expected = exact(indexes[0]);
  const auto refuse = [&](const std::string& part, const Batch& queries, std::span<const std::int64_t> ids,
                          const MeasureParams& params) {
    expect_error(Errc::invalid_argument, {part}, [&] { measure(indexes, queries, ids, params); });
  };
  refuse("queries: 0", queries_.part(0, 0).matrix(), {}, {.ef_search = {10}});
  refuse("ef_search: no value", queries_.matrix(), expected, {});
  refuse("ef_search: 0 given", queries_.matrix(), expected, {.ef_search = {10, 0}});
  refuse("expected: 500 ids given, expected queries x k = 550", queries_.matrix(), expected,
         {.search = {.k = 11}, .ef_search = {10}});
}

}  // namespace
}  // namespace cassata::measure_test
