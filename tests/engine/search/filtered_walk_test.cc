// Traversals under a filter, of nodes at the distance of their number from the query.
#include "engine/search/filtered_walk.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "cassata/bitmap.h"
#include "tests/engine/search/table_scorer.h"

namespace cassata::filtered_walk_test {
namespace {

using namespace test;

constexpr std::size_t kNodes = 4000, kDegree = 8, kWidth = 10;

struct Found {
  std::vector<Id> nodes;
  bool cut_short;
};

/// Walks from node 0, with edges to the 4 nodes before and after, or to nodes anywhere.
Found walk(const Bitmap& passing, bool anywhere) {
  std::vector<Id> rows(kNodes * kDegree, kNoId);
  for (std::size_t i = 0; i < kNodes; ++i)
    for (std::size_t j = 0; j < kDegree; ++j) {
      const std::size_t near = j < 4 ? i + j + 1 : i - (j - 3),
                        neighbor = anywhere ? (7 * i + 509 * j + 1) % kNodes : near;
      if (neighbor < kNodes) rows[i * kDegree + j] = static_cast<Id>(neighbor);
    }
  const RowAdjacency graph({.file = "file", .name = "edges", .bytes = std::as_bytes(std::span(rows))}, kNodes, kDegree);
  std::vector<float> distances(kNodes);
  std::iota(distances.begin(), distances.end(), 0.0F);
  TableScorer scorer(distances);
  RowFilter filter(passing, {});
  filter.ready(Duplicates(), kNodes);
  Workspace work;
  FilteredWalk traversal;
  const std::vector<Id> entries = {0};
  traversal.start(graph, filter, scorer, entries, kWidth, 0, work);
  while (traversal.step()) {
  }
  Found found{.nodes = {}, .cut_short = traversal.cut_short()};
  for (const Candidate& c : work.beam.entries()) found.nodes.push_back(c.id);
  return found;
}

TEST(FilteredWalk, IsNotCutShortWhereWhatPassesIsNear) {
  Bitmap passing(kNodes);
  std::vector<Id> nearest;
  for (Id id = 0; id < kNodes; id += 2) {
    passing.set(id);
    if (nearest.size() < kWidth) nearest.push_back(id);
  }
  const Found found = walk(passing, false);
  EXPECT_EQ(found.nodes, nearest);
  EXPECT_FALSE(found.cut_short);
}

TEST(FilteredWalk, IsCutShortWhereWhatPassesIsFar) {
  Bitmap passing(kNodes);
  for (Id id = kNodes / 2; id < kNodes; ++id) passing.set(id);
  EXPECT_TRUE(walk(passing, true).cut_short);
}

}  // namespace
}  // namespace cassata::filtered_walk_test
