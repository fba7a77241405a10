// Traversals of valid and damaged graphs, compared with a simple implementation.
#include "engine/search/beam_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "engine/search/subset.h"
#include "tests/engine/search/reference_beam.h"
#include "tests/engine/search/table_scorer.h"
#include "tests/support/brute_force.h"
#include "tests/support/random.h"

namespace cassata::beam_walk_test {
namespace {

using namespace test;

/// Rows of `degree` ids as a file may hold them; `hostile` ones hold any numbers.
std::vector<Id> random_rows(Random& random, std::size_t n, std::size_t degree, bool hostile) {
  std::vector<Id> rows(n * degree, kNoId);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t used = hostile ? degree : below(random, degree + 1);
    for (std::size_t j = 0; j < used; ++j) {
      const Id wrong[] = {kNoId, static_cast<Id>(n), static_cast<Id>(i), Id{1} << 31, static_cast<Id>(random())};
      rows[i * degree + j] = hostile && random() % 3 == 0 ? wrong[random() % 5] : static_cast<Id>(below(random, n));
    }
  }
  return rows;
}

Section section_of(const std::vector<Id>& ids, const char* name) {
  return {.file = "file", .name = name, .offset = 4096, .bytes = std::as_bytes(std::span(ids))};
}

/// Multiples of 1/4 with many ties, and a few NaNs.
TableScorer random_scorer(Random& random, std::size_t n) {
  std::vector<float> distances(n);
  for (float& d : distances)
    d = random() % 32 ? static_cast<float>(static_cast<int>(below(random, 4 * n)) - 40) / 4
                      : std::numeric_limits<float>::quiet_NaN();
  return TableScorer(distances);
}

std::vector<Candidate> reference_walk(const Adjacency& graph, const std::vector<float>& distances,
                                      std::span<const Id> entries, std::size_t width, float relax) {
  ReferenceBeam beam(width, relax);
  std::set<Id> met;
  const auto meet = [&](std::span<const Id> nodes) {
    for (const Id id : nodes)
      if (id < graph.size() && met.insert(id).second && beam.admits(distances[id])) beam.insert(distances[id], id);
  };
  meet(entries);
  for (Id id; (id = beam.expand_next()) != kNoId;) meet(graph.neighbors(id, nullptr));
  return beam.best();
}

TEST(BeamSearch, FindsWhatTheObviousWalkFinds) {
  Workspace work;  // reused for all graphs
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const bool wide = seed % 4 == 0;
    const std::size_t n = 1 + below(random, wide ? 600 : 150), degree = 1 + below(random, wide ? 40 : 12),
                      width = 1 + below(random, wide ? 200 : 20);
    const auto rows = random_rows(random, n, degree, seed % 2);
    const RowAdjacency graph(section_of(rows, "edges"), n, degree);
    TableScorer scorer = random_scorer(random, n);
    std::vector<Id> entries(below(random, 20));
    for (Id& id : entries) id = static_cast<Id>(random() % 8 ? below(random, n) : random());
    const float relax = static_cast<float>(below(random, 5)) / 8;
    beam_search(graph, scorer, entries, width, relax, work);
    ASSERT_EQ(pairs_of(work.beam.entries()),
              pairs_of(reference_walk(graph, scorer.distances(), entries, width, relax)));
  }
}

TEST(BeamWalk, WalksThatTakeTurnsFindWhatEachFindsAlone) {
  constexpr std::size_t kWalks = 3;
  std::array<Workspace, kWalks> work;
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 300), degree = 1 + below(random, 12);
    const auto rows = random_rows(random, n, degree, seed % 2);
    const RowAdjacency graph(section_of(rows, "edges"), n, degree);
    std::vector<TableScorer> scorers;
    for (std::size_t i = 0; i < kWalks; ++i) scorers.push_back(random_scorer(random, n));
    std::array<BeamWalk, kWalks> walks;
    std::set<std::size_t> walking;
    for (std::size_t i = 0; i < kWalks; ++i) {
      walks[i].start(graph, scorers[i], std::vector<Id>{0}, 1 + i * 10, 0, work[i]);
      walking.insert(i);
    }
    while (!walking.empty()) {
      const std::size_t i = *std::next(walking.begin(), static_cast<std::ptrdiff_t>(below(random, walking.size())));
      if (!walks[i].step()) walking.erase(i);
    }
    for (std::size_t i = 0; i < kWalks; ++i)
      ASSERT_EQ(pairs_of(work[i].beam.entries()),
                pairs_of(reference_walk(graph, scorers[i].distances(), std::vector<Id>{0}, 1 + i * 10, 0)));
  }
}

/// Rows that may be on disk: counts what is fetched, of which some has to be read.
class FetchedScorer final : public Scorer {
 public:
  FetchedScorer(TableScorer table, bool cold) : table_(std::move(table)), cold_(cold) {}
  void bind(VectorView) override {}
  void bind(Id) override {}
  void score(std::span<const Id> ids, float* out) noexcept override {
    EXPECT_EQ(fetched_, cold_ ? std::vector<Id>(ids.begin(), ids.end()) : std::vector<Id>());
    fetched_.clear();
    ++scored;
    table_.score(ids, out);
  }
  bool cold() const noexcept override { return cold_; }
  bool fetch(std::span<const Id> ids) noexcept override {
    fetched_.insert(fetched_.end(), ids.begin(), ids.end());
    return !ids.empty() && reads();
  }
  void score_range(Id, std::size_t, float*) noexcept override { ADD_FAILURE() << "lists are no range"; }
  /// Whether the present fetch reads.
  bool reads() const { return scored % 2 == 0; }
  std::size_t scored = 0;

 private:
  TableScorer table_;
  bool cold_;
  std::vector<Id> fetched_;
};

TEST(BeamWalk, FetchesEachListOnceWhileTheScorerIsCold) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 2 + below(random, 300), degree = 1 + below(random, 12);
    const auto rows = random_rows(random, n, degree, false);
    const RowAdjacency graph(section_of(rows, "edges"), n, degree);
    const TableScorer table = random_scorer(random, n);
    for (const bool cold : {false, true}) {
      FetchedScorer scorer(table, cold);
      std::vector<Id> same(n);
      std::iota(same.begin(), same.end(), 0);
      SubsetScorer all(scorer, same, n);  // passes it on
      Workspace work;
      BeamWalk walk;
      walk.start(graph, all, std::vector<Id>{0}, 10, 0, work);
      EXPECT_EQ(walk.pending(), cold);
      while (walk.step())
        if (!cold || walk.pending()) {
          ASSERT_EQ(walk.pending(), cold && scorer.reads());
        }
      ASSERT_EQ(pairs_of(work.beam.entries()),
                pairs_of(reference_walk(graph, table.distances(), std::vector<Id>{0}, 10, 0)));
    }
  }
}

/// Lists of the largest degree.
class LongLists final : public Adjacency {
 public:
  explicit LongLists(std::size_t size) : Adjacency(size, 3) {}
  std::span<const std::byte> locate(Id) const noexcept override { return {}; }
  std::span<const Id> read(Id, std::span<const std::byte>, Id* scratch) const noexcept override {
    std::iota(scratch, scratch + list_capacity(), 1u);
    return {scratch, list_capacity()};
  }
};

TEST(BeamSearch, HasPlacesForTheLongestLists) {
  const LongLists graph(100);
  TableScorer scorer(std::vector<float>(100, 1.0F));
  Workspace work;
  beam_search(graph, scorer, std::vector<Id>{0}, 100, 0, work);
  EXPECT_EQ(work.beam.entries().size(), 1 + graph.list_capacity());
  EXPECT_GE(work.distances.size(), graph.list_capacity());
  EXPECT_GE(work.scratch.size(), graph.list_capacity());
}

TEST(BeamSearch, WalksListsUnderConstruction) {
  Workspace work;
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 150);
    NeighborLists graph(n, 8);
    for (Id id = 0; id < n; ++id) {
      std::vector<Id> list(below(random, 9));
      for (Id& other : list) other = static_cast<Id>(below(random, n));
      graph.assign(id, list);
    }
    TableScorer scorer = random_scorer(random, n);
    beam_search(graph, scorer, std::vector<Id>{0}, 10, 0, work);
    ASSERT_EQ(pairs_of(work.beam.entries()),
              pairs_of(reference_walk(graph, scorer.distances(), std::vector<Id>{0}, 10, 0)));
  }
}

TEST(BeamSearch, AWiderRelaxationFindsNoWorse) {
  Workspace work;
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 50 + below(random, 200), degree = 3;
    const auto rows = random_rows(random, n, degree, false);
    const RowAdjacency graph(section_of(rows, "edges"), n, degree);
    std::vector<float> distances(n);
    for (float& d : distances) d = static_cast<float>(1 + below(random, 1000));
    TableScorer scorer(distances);
    beam_search(graph, scorer, std::vector<Id>{0}, 5, 0, work);
    const auto narrow = work.beam.entries();
    beam_search(graph, scorer, std::vector<Id>{0}, 5, 0.5F, work);
    const auto wide = work.beam.entries();
    ASSERT_GE(wide.size(), narrow.size());
    for (std::size_t i = 0; i < narrow.size(); ++i) ASSERT_LE(wide[i].distance, narrow[i].distance);
  }
}

TEST(SubsetScorer, ScoresByPosition) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 500);
    std::vector<float> distances(n);
    for (float& d : distances) d = static_cast<float>(random() % 100000);
    TableScorer scorer(distances);
    std::vector<Id> ids(1 + below(random, 300));
    for (Id& id : ids) id = static_cast<Id>(random() % 8 ? below(random, n) : random());  // a damaged file may hold any
    SubsetScorer subset(scorer, ids, n);
    std::vector<Id> positions(below(random, 300));
    for (Id& position : positions) position = static_cast<Id>(below(random, ids.size()));
    std::vector<float> scored(positions.size()), range(ids.size());
    subset.score(positions, scored.data());
    subset.score_range(0, ids.size(), range.data());
    for (std::size_t i = 0; i < positions.size(); ++i) {
      if (ids[positions[i]] < n) {
        ASSERT_EQ(scored[i], distances[ids[positions[i]]]) << "place " << i;
      }
      ASSERT_EQ(range[positions[i]], scored[i]) << "place " << i;
    }
    subset.bind(static_cast<Id>(0));
    ASSERT_EQ(scorer.bound(), std::min(ids[0], static_cast<Id>(n - 1)));
  }
}

/// The entry points of a descent in a base layer of `n` nodes without edges, closest first.
std::vector<Id> ends_of_descent(const UpperLayers& levels, Scorer& scorer, std::size_t n, std::size_t width,
                                Workspace& work) {
  const std::vector<Id> none(n, kNoId);
  const RowAdjacency base(section_of(none, "edges"), n, 1);
  Descent descent(levels, base, scorer, work);
  descent.start(width, 0);
  while (descent.step()) {
  }
  std::vector<Id> ends;
  for (const Candidate& c : work.beam.entries()) ends.push_back(c.id);
  return ends;
}

TEST(Descend, EndsAtNodesOfTheGroundWhateverTheBytes) {
  Workspace work;
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + below(random, 300), width = 1 + below(random, 200);
    const auto m = static_cast<std::uint32_t>(1 + below(random, 8));
    std::vector<std::uint64_t> sizes;
    for (std::size_t size = n; sizes.size() < 5 && random() % 6; sizes.push_back(size)) size = 1 + below(random, size);
    std::vector<Id> nodes(sizes.empty() ? 0 : sizes.front()), edges;
    for (Id& id : nodes) id = static_cast<Id>(random() % 4 ? below(random, n) : random());
    for (const std::uint64_t size : sizes) {
      const auto rows = random_rows(random, size, m, true);
      edges.insert(edges.end(), rows.begin(), rows.end());
    }
    const UpperLayers levels(section_of(nodes, "nodes"), section_of(edges, "edges"), sizes, m, n);
    std::vector<float> distances(n);
    for (float& d : distances) d = static_cast<float>(random() % 1000);
    TableScorer scorer(distances);
    const std::vector<Id> entries = ends_of_descent(levels, scorer, n, width, work);
    ASSERT_GE(entries.size(), 1u);
    ASSERT_LE(entries.size(), entry_count(width));
    for (const Id id : entries) ASSERT_LT(id, n);
    if (sizes.empty()) {
      ASSERT_EQ(entries, std::vector<Id>{0});
    }
  }
}

TEST(Descend, ComesToTheClosestOfLevelOne) {
  Workspace work;
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::uint64_t n = 400;
    const std::uint32_t m = 16;  // every layer is complete, so that the descent scores all its nodes
    const LevelAssignment assignment{{3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 97, 93}, {12, 5, 1}};
    std::vector<Id> edges;
    for (const std::uint64_t size : assignment.sizes)
      for (Id node = 0; node < size; ++node)
        for (Id other = 0; other < m; ++other) edges.push_back(other < size ? other : kNoId);
    const UpperLayers levels(section_of(assignment.nodes, "nodes"), section_of(edges, "edges"), assignment.sizes, m, n);
    std::vector<float> distances(n);
    for (float& d : distances) d = static_cast<float>(random() % 100000);
    TableScorer scorer(distances);
    std::vector<Id> expected = assignment.nodes;
    const std::size_t width = 1 + below(random, 100);
    const std::vector<Id> entries = ends_of_descent(levels, scorer, n, width, work);
    std::ranges::sort(expected, {}, [&](Id id) { return distances[id]; });
    expected.resize(std::min(expected.size(), entry_count(width)));
    ASSERT_EQ(entries, expected);
  }
}

}  // namespace
}  // namespace cassata::beam_walk_test
