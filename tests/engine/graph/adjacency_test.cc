// Neighbour lists, in a file and under construction.
#include "engine/graph/adjacency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/support/expect_error.h"
#include "tests/support/random.h"

namespace cassata {
namespace {

using namespace test;
using List = std::vector<Id>;

/// Random lists of ids below n, at most `degree` long.
std::vector<List> random_lists(Random& random, std::size_t n, std::size_t degree) {
  std::vector<List> lists(n);
  for (List& list : lists) {
    list.resize(below(random, degree + 1));
    for (Id& id : list) id = static_cast<Id>(below(random, n));
  }
  return lists;
}

/// The rows that hold them in a file.
List rows_of(const std::vector<List>& lists, std::size_t degree) {
  List rows;
  for (const List& list : lists) {
    rows.insert(rows.end(), list.begin(), list.end());
    rows.insert(rows.end(), degree - list.size(), kNoId);
  }
  return rows;
}

Section section_of(const List& rows) { return {.file = "file", .name = "edges", .offset = 4096, .bytes = std::as_bytes(std::span(rows))}; }

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
      graph.prefetch(id);
      const auto row = graph.neighbors(id, nullptr);
      ASSERT_EQ(row.size(), degree);
      ASSERT_TRUE(std::ranges::equal(row.first(lists[id].size()), lists[id]));
      for (const Id unused : row.subspan(lists[id].size())) ASSERT_EQ(unused, kNoId);
    }
  }
}

TEST(RowAdjacency, AWrongLengthIsCorrupt) {
  const List rows(12);
  for (const auto& [size, degree] : std::vector<std::pair<std::size_t, std::size_t>>{{4, 4}, {3, 3}, {0, 3}, {5, 3}, {kMaxSize, 1024}})
    expect_error(Errc::corrupt, {"file: section 'edges' at byte 4096", "holds 48 bytes", std::to_string(size * degree)},
                 [&, s = size, d = degree] { RowAdjacency(section_of(rows), s, d); });
}

TEST(RowAdjacency, VerifyFindsWhatIsNoList) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 30), degree = 2 + below(random, 10);
    List rows = rows_of(random_lists(random, n, degree), degree);
    std::size_t place = below(random, rows.size());
    if (seed % 2) {  // an id after an unused place
      place += place % degree == 0;
      std::fill_n(rows.begin() + static_cast<std::ptrdiff_t>(place - place % degree), place % degree, Id{0});
      rows[place - 1] = kNoId;
      rows[place] = 0;
    } else {
      const Id wrong[] = {static_cast<Id>(n), kNoId - 1, Id{1} << 31};
      rows[place] = wrong[seed / 2 % 3];
    }
    const RowAdjacency graph(section_of(rows), n, degree);
    expect_error(Errc::corrupt,
                 {"section 'edges' at byte " + std::to_string(4096 + place * sizeof(Id)), " of node " + std::to_string(place / degree)},
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
      graph.prefetch(id);
      ASSERT_TRUE(std::ranges::equal(graph.list(id), lists[id])) << "node " << id;
      ASSERT_TRUE(std::ranges::equal(graph.neighbors(id, nullptr), lists[id])) << "node " << id;
    }
  }
}

}  // namespace
}  // namespace cassata
