// Delta-coded neighbour lists: they decode to the given lists, and damaged ones are read within the sections alone.
#include "engine/graph/delta_adjacency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/engine/graph/random_lists.h"
#include "tests/support/expect_error.h"

namespace cassata::delta_adjacency_test {
namespace {

using namespace test;

/// The bytes of the sections.
struct CompressedLists {
  std::vector<std::byte> edges, places;
};

CompressedLists compressed(std::size_t size, const std::function<void(Id row, std::vector<Id>& list)>& list_of) {
  CompressedLists out;
  out.places = compress(size, list_of, [&](std::span<const std::byte> bytes) {
    out.edges.insert(out.edges.end(), bytes.begin(), bytes.end());
  });
  return out;
}

/// Lists in which many neighbours are close to their row, and the bytes of their sections.
struct Case {
  std::size_t size, degree;
  std::vector<std::vector<Id>> lists;
  CompressedLists bytes;

  Section edges() const { return {.file = "file", .name = "edges", .offset = 4096, .bytes = bytes.edges}; }
  Section places() const { return {.file = "file", .name = "places", .offset = 8192, .bytes = bytes.places}; }
  DeltaAdjacency open() const { return {edges(), places(), size, degree}; }
};

Case random_case(Random& random, std::size_t most_rows, std::size_t most_degree) {
  Case c{.size = 1 + below(random, most_rows), .degree = 1 + below(random, most_degree), .lists = {}, .bytes = {}};
  for (Id row = 0; row < c.size; ++row) {
    std::vector<Id> list = random_list(random, row, c.size, c.degree);
    for (Id& id : list)
      if (random() % 2) id = static_cast<Id>((row + 1 + below(random, 20)) % c.size);
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
    std::erase(list, row);
    c.lists.push_back(list);
  }
  c.bytes = compressed(c.size, [&](Id row, std::vector<Id>& list) { list = c.lists[row]; });
  return c;
}

/// The list without kNoId, which stands in the place of the row itself.
std::vector<Id> neighbors(const DeltaAdjacency& graph, Id row) {
  std::vector<Id> scratch(graph.list_capacity());
  const auto list = graph.neighbors(row, scratch.data());
  EXPECT_LE(list.size(), graph.list_capacity());
  std::vector<Id> out(list.begin(), list.end());
  std::erase(out, kNoId);
  return out;
}

TEST(DeltaAdjacency, GivesTheListsThatWereCompressed) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Case c = random_case(random, seed % 10 ? 200 : 3000, seed % 3 ? 40 : 5);
    const DeltaAdjacency graph = c.open();
    graph.verify();
    ASSERT_EQ(graph.size(), c.size);
    ASSERT_EQ(graph.max_degree(), c.degree);
    for (Id row = 0; row < c.size; ++row) ASSERT_EQ(neighbors(graph, row), c.lists[row]) << "row " << row;
  }
}

TEST(DeltaAdjacency, LongListsHaveLengthsOfTwoBytes) {
  constexpr std::size_t kRows = 3000, kDegree = 1024;
  Random random(1);
  std::vector<std::vector<Id>> lists(kRows);
  for (Id row = 0; row < kRows; ++row) {
    for (Id other = 0; other < kRows && lists[row].size() < kDegree; ++other)
      if (other != row && random() % (row % 7 ? 100 : 2) == 0) lists[row].push_back(other);
  }
  const Case c{kRows, kDegree, lists, compressed(kRows, [&](Id row, std::vector<Id>& list) { list = lists[row]; })};
  ASSERT_EQ(c.bytes.places.size(), (kRows + 27) / 28 * 64);
  const DeltaAdjacency graph = c.open();
  graph.verify();
  for (Id row = 0; row < kRows; ++row) ASSERT_EQ(neighbors(graph, row), lists[row]) << "row " << row;
}

TEST(DeltaAdjacency, DifferencesOfAnySizeHaveAClass) {
  constexpr std::size_t kRows = 100'000;
  const std::vector<Id> ends = {0, 1, 2, 3, kRows / 2, kRows - 2, kRows - 1};
  for (const std::size_t stride : {1, 7, 20'000}) {
    SCOPED_TRACE(stride);
    const auto list_of = [&](Id row, std::vector<Id>& list) {
      if (row % stride != 0) return;
      list = ends;
      std::erase(list, row);
    };
    const Case c{kRows, ends.size(), {}, compressed(kRows, list_of)};
    const DeltaAdjacency graph = c.open();
    graph.verify();
    for (Id row = 0; row < kRows; row += 997) {
      std::vector<Id> expected;
      list_of(row, expected);
      ASSERT_EQ(neighbors(graph, row), expected) << "row " << row;
    }
  }
}

TEST(DeltaAdjacency, WrongLengthsAreCorrupt) {
  Random random(1);
  Case right = random_case(random, 500, 10);
  while (right.size < 200) right = random_case(random, 500, 10);  // then no other number of records fits
  for (const std::size_t size : {std::size_t{0}, std::size_t{63}, std::size_t{127}}) {
    Case c = right;
    c.bytes.edges.resize(size);
    expect_error(
        Errc::corrupt,
        {"file: section 'edges' at byte 4096", "holds " + std::to_string(size) + " bytes, expected at least 128"},
        [&] { c.open(); });
  }
  for (const int more : {-64, -1, 1, 64}) {
    Case c = right;
    c.bytes.places.resize(c.bytes.places.size() + static_cast<std::size_t>(more));
    expect_error(Errc::corrupt,
                 {"file: section 'places' at byte 8192", "holds " + std::to_string(c.bytes.places.size()) + " bytes"},
                 [&] { c.open(); });
  }
}

TEST(DeltaAdjacency, VerifyFindsWrongWidths) {
  Random random(1);
  const Case right = random_case(random, 500, 10);
  for (std::size_t place = 0; place < 7; ++place) {
    Case c = right;
    c.bytes.edges[place] = std::byte{32};
    expect_error(Errc::corrupt,
                 {"section 'edges' at byte " + std::to_string(4096 + place), "32 bits, expected at most 31"},
                 [&] { c.open().verify(); });
  }
}

/// True for ascending rows below the size, without the row itself, and at most `degree` of them.
bool good_list(const std::vector<Id>& list, Id row, const Case& c) {
  return list.size() <= c.degree && std::ranges::is_sorted(list, std::less_equal<>()) &&
         std::ranges::find(list, row) == list.end() && (list.empty() || list.back() < c.size);
}

TEST(DeltaAdjacency, DamageIsSurvivedAndWhatVerifyPassesAreLists) {
  unsigned found = 0, passed = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Case c = random_case(random, 150, 12);
    std::vector<std::byte>& section = random() % 2 ? c.bytes.edges : c.bytes.places;
    const bool fill = random() % 8 == 0;  // overwrites all bytes from a place on
    for (std::size_t at = below(random, section.size()), n = fill ? section.size() : 1 + below(random, 3);
         n > 0 && at < section.size(); --n, ++at)
      section[at] = static_cast<std::byte>(random() % 4 ? random() : 0xFF);
    try {
      const DeltaAdjacency graph = c.open();
      std::vector<std::vector<Id>> lists;
      for (Id row = 0; row < c.size; ++row) lists.push_back(neighbors(graph, row));
      graph.verify();
      for (Id row = 0; row < c.size; ++row) ASSERT_TRUE(good_list(lists[row], row, c)) << "row " << row;
      ++passed;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
      ++found;
    }
  }
  EXPECT_GT(found, 2000u);
  EXPECT_GT(passed, 20u);  // many changed bits give another valid list
}

TEST(DeltaAdjacency, VerifyFindsWrongPlaces) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Case c = random_case(random, 300, 12);
    c.bytes.places[below(random, c.bytes.places.size())] ^= static_cast<std::byte>(1 + below(random, 255));
    expect_error(Errc::corrupt, {"file: section '"}, [&] { c.open().verify(); });
  }
}

}  // namespace
}  // namespace cassata::delta_adjacency_test
