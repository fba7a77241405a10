// The upper layers: their nodes, and which sections are accepted.
#include "engine/graph/hierarchy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/engine/graph/random_lists.h"
#include "tests/support/expect_error.h"

namespace cassata::hierarchy_test {
namespace {

using namespace test;

TEST(AssignLevels, NodesAreOrderedByLevelThenById) {
  for (const std::uint32_t m : {2u, 3u, 16u, 32u, 512u})
    for (const std::uint64_t n : {1, 2, 3, 10, 1000, 20000}) {
      SCOPED_TRACE("n " + std::to_string(n) + ", m " + std::to_string(m));
      const LevelAssignment a = assign_levels(n, m);
      ASSERT_EQ(a.nodes.size(), a.sizes.empty() ? 0 : a.sizes.front());
      std::vector<bool> seen(n);
      for (const Id id : a.nodes) {
        ASSERT_LT(id, n);
        ASSERT_FALSE(seen[id]);
        seen[id] = true;
      }
      for (std::size_t l = 0; l < a.sizes.size(); ++l) {
        ASSERT_GE(a.sizes[l], 1u);
        ASSERT_LE(a.sizes[l], l == 0 ? n : a.sizes[l - 1]);
        const auto band = std::span(a.nodes).first(a.sizes[l]).subspan(l + 1 < a.sizes.size() ? a.sizes[l + 1] : 0);
        ASSERT_TRUE(std::ranges::is_sorted(band)) << "level " << l + 1;
      }
    }
}

TEST(AssignLevels, AreInheritedByLargerCollections) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::uint32_t m = static_cast<std::uint32_t>(2 + below(random, 20));
    const std::uint64_t small = 1 + below(random, 3000), large = small + below(random, 3000);
    std::vector<Id> nodes = assign_levels(large, m).nodes;
    std::erase_if(nodes, [&](Id id) { return id >= small; });
    ASSERT_EQ(nodes, assign_levels(small, m).nodes);
  }
}

TEST(AssignLevels, ThinOutByMFromLevelToLevel) {
  constexpr std::uint64_t kSize = 300'000;
  for (const std::uint32_t m : {2u, 5u, 16u, 64u}) {
    const LevelAssignment a = assign_levels(kSize, m);
    double expected = kSize;
    for (std::size_t l = 0; l < a.sizes.size(); ++l) {
      expected /= m;
      EXPECT_NEAR(static_cast<double>(a.sizes[l]), expected, 6 * std::sqrt(expected) + 6)
          << "m " << m << ", level " << l + 1;
    }
    EXPECT_LT(expected, 50) << "m " << m << ": levels are missing";
  }
}

/// Sections of valid upper layers with random neighbours.
struct Case {
  std::uint64_t base_size;
  std::uint32_t m;
  std::vector<std::uint64_t> sizes;
  std::vector<Id> nodes;
  std::vector<Id> edges;

  Section nodes_section() const {
    return {.file = "file", .name = "nodes", .offset = 4096, .bytes = std::as_bytes(std::span(nodes))};
  }
  Section edges_section() const {
    return {.file = "file", .name = "edges", .offset = 8192, .bytes = std::as_bytes(std::span(edges))};
  }
  UpperLayers open() const { return open(sizes); }
  UpperLayers open(const std::vector<std::uint64_t>& other) const {
    return {nodes_section(), edges_section(), other, m, base_size};
  }
};

Case random_case(Random& random) {
  Case c{.base_size = 2 + below(random, 500),
         .m = static_cast<std::uint32_t>(2 + below(random, 10)),
         .sizes = {},
         .nodes = {},
         .edges = {}};
  LevelAssignment a = assign_levels(c.base_size, c.m);
  if (a.nodes.empty()) a = {{1}, {1}};
  c.sizes = a.sizes;
  c.nodes = a.nodes;
  for (const std::uint64_t size : c.sizes)
    for (Id node = 0; node < size; ++node) {
      std::vector<Id> row = random_list(random, node, size, c.m);
      row.resize(c.m, kNoId);
      c.edges.insert(c.edges.end(), row.begin(), row.end());
    }
  return c;
}

TEST(UpperLayers, GiveWhatWasWritten) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Case c = random_case(random);
    const UpperLayers levels = c.open();
    levels.verify();
    ASSERT_TRUE(std::ranges::equal(levels.nodes(), c.nodes));
    ASSERT_EQ(levels.levels().size(), c.sizes.size());
    std::size_t at = 0;
    for (std::size_t l = 0; l < c.sizes.size(); ++l) {
      ASSERT_EQ(levels.levels()[l].size(), c.sizes[l]);
      for (Id node = 0; node < c.sizes[l]; ++node, at += c.m)
        ASSERT_TRUE(
            std::ranges::equal(levels.levels()[l].neighbors(node, nullptr), std::span(c.edges).subspan(at, c.m)))
            << "level " << l + 1 << ", node " << node;
    }
  }
}

TEST(UpperLayers, NoneIsFine) {
  const Case c{.base_size = 5, .m = 2, .sizes = {}, .nodes = {}, .edges = {}};
  const UpperLayers levels = c.open();
  levels.verify();
  EXPECT_TRUE(levels.nodes().empty());
  EXPECT_TRUE(levels.levels().empty());
}

TEST(UpperLayers, WrongSizesAreCorrupt) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const Case c{.base_size = 8, .m = 2, .sizes = {4, 2}, .nodes = {5, 3, 0, 1}, .edges = std::vector<Id>(12, kNoId)};
  c.open().verify();
  const std::vector<std::vector<std::uint64_t>> wrong = {{4, 0},
                                                         {0},
                                                         {4, 5},
                                                         {2, 4},
                                                         {9},
                                                         {9, 2},
                                                         {kMost},
                                                         {4, kMost},
                                                         {kMost, 2},
                                                         {4},
                                                         {4, 1},
                                                         {3, 2},
                                                         {},
                                                         {4, 2, 1},
                                                         {4, 1ull << 62},
                                                         {1ull << 61, 1ull << 61},
                                                         std::vector<std::uint64_t>(40, 1)};
  for (const auto& sizes : wrong) {
    SCOPED_TRACE(::testing::PrintToString(sizes));
    expect_error(Errc::corrupt, {"file: section '"}, [&] { c.open(sizes); });
  }
}

TEST(UpperLayers, EmptyAndGrowingLevelsAreCorruptThoughTheirBytesAreThere) {
  for (const std::vector<std::uint64_t>& sizes : std::vector<std::vector<std::uint64_t>>{{4, 0}, {2, 4}, {0}, {9}}) {
    SCOPED_TRACE(::testing::PrintToString(sizes));
    const std::uint64_t rows = sizes.front() + (sizes.size() > 1 ? sizes.back() : 0);
    const Case c{.base_size = 8,
                 .m = 2,
                 .sizes = sizes,
                 .nodes = std::vector<Id>(sizes.front()),
                 .edges = std::vector<Id>(2 * rows, kNoId)};
    expect_error(Errc::corrupt,
                 {"section 'nodes'",
                  "level " + std::to_string(sizes.size()) + " has " + std::to_string(sizes.back()) + " nodes"},
                 [&] { c.open(); });
  }
}

TEST(UpperLayers, MoreLevelsThanABuildMakesAreCorrupt) {
  const Case c{.base_size = 8,
               .m = 2,
               .sizes = std::vector<std::uint64_t>(40, 1),
               .nodes = {0},
               .edges = std::vector<Id>(80, kNoId)};
  expect_error(Errc::corrupt, {"section 'nodes'", "level 32"}, [&] { c.open(); });
}

TEST(UpperLayers, VerifyFindsWrongNodes) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Case c = random_case(random);
    const std::size_t place = below(random, c.nodes.size());
    const Id again = c.nodes[below(random, place + 1)];
    const Id wrong[] = {static_cast<Id>(c.base_size), kNoId, again};
    if (seed % 3 == 2 && again == c.nodes[place]) continue;
    c.nodes[place] = wrong[seed % 3];
    expect_error(Errc::corrupt, {"section 'nodes' at byte " + std::to_string(4096 + place * sizeof(Id))},
                 [&] { c.open().verify(); });
  }
}

TEST(UpperLayers, VerifyFindsPositionsThatTheirLevelLacks) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Case c = random_case(random);
    const std::size_t place = below(random, c.edges.size());
    std::size_t level = 0;
    for (std::size_t rest = place / c.m; rest >= c.sizes[level]; ++level) rest -= c.sizes[level];
    c.edges[place] = static_cast<Id>(c.sizes[level]);  // at most a node of the level below
    expect_error(Errc::corrupt, {"section 'edges' at byte " + std::to_string(8192 + place * sizeof(Id))},
                 [&] { c.open().verify(); });
  }
}

}  // namespace
}  // namespace cassata::hierarchy_test
