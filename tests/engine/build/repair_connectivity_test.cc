// Edges to unreachable nodes.
#include "engine/build/repair_connectivity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "engine/codec/dense.h"
#include "engine/search/beam_walk.h"
#include "tests/engine/graph/random_lists.h"
#include "tests/engine/graph/reached.h"
#include "tests/support/brute_force.h"

namespace cassata::repair_connectivity_test {
namespace {

using namespace test;

/// Random lists with at least one free place; with short ones the graph falls to pieces.
NeighborLists random_level(Random& random, std::size_t n, std::size_t degree) {
  NeighborLists level(n, degree);
  const std::size_t longest = below(random, degree);
  for (Id node = 0; node < n; ++node) level.assign(node, random_list(random, node, n, longest));
  return level;
}

/// The lists of `after` are those of `before`, and behind them new neighbours, other nodes, each once.
void expect_extended(const NeighborLists& before, const NeighborLists& after) {
  for (Id node = 0; node < after.size(); ++node) {
    const auto old = before.list(node), now = after.list(node);
    ASSERT_LE(now.size(), after.max_degree()) << "node " << node;
    ASSERT_GE(now.size(), old.size()) << "node " << node;
    ASSERT_TRUE(std::ranges::equal(now.first(old.size()), old)) << "node " << node << " lost a neighbour";
    const std::set<Id> all(now.begin(), now.end());
    ASSERT_TRUE(all.size() == now.size() && !all.contains(node)) << "node " << node;
  }
}

TEST(ConnectAll, APathLeadsToEveryNodeAndNoEdgeIsLost) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = random() % 2 ? Metric::euclidean : Metric::dot_product;
    const std::size_t n = 1 + below(random, 200), degree = 1 + below(random, 8);
    Vectors vectors = seed % 2 ? whole_vectors(random, n, 2) : normal_vectors(random, n, 5);
    duplicate_rows(random, vectors, seed % 3 * 45);
    const StoredVectors stored(encoder_dense_f32(vectors.dim), vectors);
    NeighborLists level = random_level(random, n, degree);
    const NeighborLists before = level;
    Workspace work;
    repair_connectivity(level, *stored.codes().scorer(metric), 1 + below(random, 20), {}, work);
    EXPECT_EQ(unreached_in(level), 0u);
    expect_extended(before, level);
    NeighborLists again = level;
    repair_connectivity(again, *stored.codes().scorer(metric), 10, {}, work);
    for (Id node = 0; node < n; ++node)
      ASSERT_TRUE(std::ranges::equal(again.list(node), level.list(node))) << "what is connected stays as it is";
  }
}

TEST(ConnectAll, TheClosestNodeWithRoomGetsTheEdge) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = random() % 2 ? Metric::euclidean : Metric::dot_product;
    const std::size_t n = 2 + below(random, 80);
    const Vectors vectors = whole_vectors(random, n, 4);
    const StoredVectors stored(encoder_dense_f32(4), vectors);
    NeighborLists replay = random_level(random, n, 1 + below(random, 5)), level = replay;
    Workspace work;
    repair_connectivity(level, *stored.codes().scorer(metric), n, {},
                        work);  // so wide that walks see all they can reach
    for (Id node = 0; node < n; ++node) {
      const auto reached = reached_in(replay);
      if (reached[node]) continue;
      float least = std::numeric_limits<float>::infinity();
      std::vector<Id> attached;
      for (Id from = 0; from < n; ++from) {
        if (!reached[from] || replay.list(from).size() == replay.max_degree()) continue;
        least = std::min(least, static_cast<float>(exact_distance(metric, vectors.row(from), vectors.row(node), 4)));
        if (level.list(from).size() > replay.list(from).size() && level.list(from)[replay.list(from).size()] == node)
          attached.push_back(from);
      }
      ASSERT_EQ(attached.size(), 1u) << "edges to node " << node;
      ASSERT_EQ(static_cast<float>(exact_distance(metric, vectors.row(attached[0]), vectors.row(node), 4)), least)
          << "of node " << node;
      replay.append(attached[0], node);
    }
    for (Id node = 0; node < n; ++node)
      ASSERT_TRUE(std::ranges::equal(level.list(node), replay.list(node))) << "an edge too many at node " << node;
  }
}

TEST(ConnectAll, DistancesThatAreNoNumbersDoNotKeepItFromTheNodes) {
  for (const std::size_t degree : {1, 2, 5}) {
    SCOPED_TRACE(degree);
    Random random(degree);
    Vectors vectors{2, std::vector<float>(2 * 100, std::numeric_limits<float>::max())};
    for (std::size_t i = 0; i < vectors.values.size(); i += 2)
      if (random() % 2) vectors.values[i] = -vectors.values[i];  // products are infinite, and of both signs
    const StoredVectors stored(encoder_dense_f32(2), vectors);
    NeighborLists level(100, degree);
    Workspace work;
    repair_connectivity(level, *stored.codes().scorer(Metric::dot_product), 10, {}, work);
    EXPECT_EQ(unreached_in(level), 0u);
  }
}

TEST(ConnectAll, AWalkOverEqualRowsFindsAll) {
  constexpr std::size_t kRows = 1000, kDegree = 4;
  const Vectors vectors{4, std::vector<float>(4 * kRows, 1.0F)};
  const StoredVectors stored(encoder_dense_f32(4), vectors);
  NeighborLists level(kRows, kDegree);
  for (Id node = 0; node < kRows;
       ++node) {  // all know the first three alone: the first list is full but for one place, too
    std::vector<Id> list = {0, 1, 2, 3};
    std::erase(list, node);
    list.resize(kDegree - 1);
    level.assign(node, list);
  }
  const auto scorer = stored.codes().scorer(Metric::euclidean);
  Workspace work;
  std::uint64_t reports = 0, last = 0;
  repair_connectivity(level, *scorer, 10, {}, work,
                      [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
                        EXPECT_EQ(stage, "connect");
                        EXPECT_EQ(total, kRows);
                        EXPECT_TRUE(done > last && done <= total);
                        last = done;
                        ++reports;
                      });
  EXPECT_GT(reports, 50u);
  EXPECT_EQ(last, kRows);
  scorer->bind(Id{0});
  beam_search(level, *scorer, std::vector<Id>{0}, kRows, 0, work);
  std::set<Id> found;
  for (const Candidate& c : work.beam.entries()) found.insert(c.id);
  EXPECT_EQ(found.size(), kRows);
}

}  // namespace
}  // namespace cassata::repair_connectivity_test
