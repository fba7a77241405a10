// Neighbour lists in files and in builds.
#include "engine/graph/adjacency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/engine/graph/random_lists.h"
#include "tests/support/expect_error.h"

namespace cassata::adjacency_test {
namespace {

using namespace test;
using List = std::vector<Id>;

/// The lists as the rows of a file.
List rows_of(const std::vector<List>& lists, std::size_t degree) {
  List rows;
  for (const List& list : lists) {
    rows.insert(rows.end(), list.begin(), list.end());
    rows.insert(rows.end(), degree - list.size(), kNoId);
  }
  return rows;
}

Section section_of(const List& rows) {
  return {.file = "file", .name = "edges", .offset = 4096, .bytes = std::as_bytes(std::span(rows))};
}

TEST(RowAdjacency, GivesEachNodeItsRow) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 60), degree = 1 + below(random, 20);
    const auto lists = random_lists(random, n, degree);
    const List rows = rows_of(lists, degree);
    const RowAdjacency graph(section_of(rows), n, degree);
    graph.verify();
    for (Id id = 0; id < n; ++id) {
      const auto row = graph.neighbors(id, nullptr);
      ASSERT_EQ(row.size(), degree);
      ASSERT_TRUE(std::ranges::equal(row.first(lists[id].size()), lists[id]));
      for (const Id unused : row.subspan(lists[id].size())) ASSERT_EQ(unused, kNoId);
    }
  }
}

/// Damages rows[place] in one of four ways. Returns the message of verify(), or nothing if that way does not apply.
std::string spoil(List& rows, std::size_t place, std::size_t n, std::size_t degree, Random& random) {
  const Id node = static_cast<Id>(place / degree), past_the_end[] = {static_cast<Id>(n), kNoId - 1, Id{1} << 31};
  const std::size_t first = place - place % degree;
  const bool follows_unused = place != first && rows[place - 1] == kNoId;
  const std::string expected =
      follows_unused ? " after an unused place" : ", expected other nodes below " + std::to_string(n) + ", each once";
  switch (random() % 4) {
    case 0: rows[place] = past_the_end[random() % 3]; return expected;
    case 1: rows[place] = node; return expected;
    case 2:
      if (place == first || rows[first] == kNoId) return {};
      rows[place] = rows[first + below(random, place - first)];
      return rows[place] == kNoId ? std::string() : expected;
    default:
      if (place == first || n == 1) return {};
      rows[place - 1] = kNoId;
      rows[place] = (node + 1) % static_cast<Id>(n);
      return " after an unused place";
  }
}

TEST(RowAdjacency, NarrowRowsAreTheSameLists) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 60), degree = 1 + below(random, 20);
    const auto lists = random_lists(random, n, degree);
    List rows = rows_of(lists, degree);
    std::vector<std::uint16_t> narrow(rows.begin(), rows.end());
    const RowAdjacency graph(
        {.file = "file", .name = "edges", .offset = 4096, .bytes = std::as_bytes(std::span(narrow))}, n, degree);
    graph.verify();
    List scratch(graph.list_capacity());
    for (Id id = 0; id < n; ++id) {
      const auto row = graph.neighbors(id, scratch.data());
      ASSERT_EQ(row.size(), degree);
      ASSERT_TRUE(std::ranges::equal(row.first(lists[id].size()), lists[id]));
      for (const Id unused : row.subspan(lists[id].size())) ASSERT_GE(unused, n);
    }
    const std::size_t place = below(random, rows.size());
    const std::string expected = spoil(rows, place, n, degree, random);
    if (expected.empty()) continue;
    for (std::size_t i = 0; i < rows.size(); ++i)
      narrow[i] = static_cast<std::uint16_t>(rows[i] == kNoId ? 0xFFFF : std::min(rows[i], Id{0xFFFE}));
    expect_error(Errc::corrupt,
                 {"section 'edges' at byte " + std::to_string(4096 + place * 2),
                  "neighbour " + std::to_string(narrow[place]) + " of node " + std::to_string(place / degree)},
                 [&] { graph.verify(); });
  }
}

TEST(RowAdjacency, NarrowRowsAreOfFewNodes) {
  for (const std::size_t n : {kMaxNarrowSize, kMaxNarrowSize + 1}) {
    const std::vector<std::uint16_t> narrow(n, 0xFFFF);
    const Section section{.file = "file", .name = "edges", .offset = 4096, .bytes = std::as_bytes(std::span(narrow))};
    if (n == kMaxNarrowSize)
      RowAdjacency(section, n, 1).verify();
    else
      expect_error(Errc::corrupt, {"file: section 'edges'"}, [&] { RowAdjacency(section, n, 1); });
  }
}

TEST(RowAdjacency, AWrongLengthIsCorrupt) {
  const List rows(12);
  for (const auto& [size, degree] :
       std::vector<std::pair<std::size_t, std::size_t>>{{4, 4}, {3, 3}, {0, 3}, {5, 3}, {kMaxSize, 1024}})
    expect_error(Errc::corrupt, {"file: section 'edges' at byte 4096", "holds 48 bytes", std::to_string(size * degree)},
                 [&, s = size, d = degree] { RowAdjacency(section_of(rows), s, d); });
}

TEST(RowAdjacency, VerifyFindsWhatIsNoList) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 30), degree = 1 + below(random, 10);
    List rows = rows_of(random_lists(random, n, degree), degree);
    const std::size_t place = below(random, rows.size());
    const std::string expected = spoil(rows, place, n, degree, random);
    if (expected.empty()) continue;
    const RowAdjacency graph(section_of(rows), n, degree);
    expect_error(Errc::corrupt,
                 {"section 'edges' at byte " + std::to_string(4096 + place * sizeof(Id)),
                  "neighbour " + std::to_string(rows[place]) + " of node " + std::to_string(place / degree) + expected},
                 [&] { graph.verify(); });
  }
}

TEST(NeighborLists, HoldWhatWasAssignedLast) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 60), degree = 1 + below(random, 20);
    NeighborLists graph(n, degree);
    ASSERT_EQ(graph.size(), n);
    ASSERT_EQ(graph.max_degree(), degree);
    for (Id id = 0; id < n; ++id) ASSERT_TRUE(graph.list(id).empty());
    std::vector<List> lists(n);
    for (const List& list : random_lists(random, 3 * n, degree)) {
      const Id id = static_cast<Id>(below(random, n));
      lists[id] = list;
      graph.assign(id, list);
    }
    for (Id id = 0; id < n; ++id) {
      ASSERT_TRUE(std::ranges::equal(graph.list(id), lists[id])) << "node " << id;
      ASSERT_TRUE(std::ranges::equal(graph.neighbors(id, nullptr), lists[id])) << "node " << id;
    }
  }
}

}  // namespace
}  // namespace cassata::adjacency_test
