// The graph that a build makes: well formed, the same for any number of threads, connected, and good to search.
#include "engine/build/graph_builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "engine/codec/dense.h"
#include "engine/search/beam_walk.h"
#include "tests/engine/graph/reached.h"
#include "tests/support/brute_force.h"

namespace cassata::graph_builder_test {
namespace {

using namespace test;

BuiltGraph build(const Codes& codes, Metric metric, std::uint32_t m, std::uint32_t ef_construction,
                 unsigned threads = 1) {
  return build_graph(
      codes, codes,
      {.metric = metric, .m = m, .ef_construction = ef_construction, .num_threads = threads, .progress = {}});
}

std::unique_ptr<Encoder> encoder(std::size_t dim, bool half) {
  return half ? encoder_dense_f16(dim) : encoder_dense_f32(dim);
}

/// Every list of a level, one after another, each behind its length.
std::vector<Id> flat(const NeighborLists& level) {
  std::vector<Id> out;
  for (Id node = 0; node < level.size(); ++node) {
    out.push_back(static_cast<Id>(level.list(node).size()));
    out.insert(out.end(), level.list(node).begin(), level.list(node).end());
  }
  return out;
}

void expect_equal(const BuiltGraph& a, const BuiltGraph& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.level_sizes, b.level_sizes);
  ASSERT_EQ(a.levels.size(), b.levels.size());
  for (std::size_t l = 0; l < a.levels.size(); ++l) ASSERT_EQ(flat(a.levels[l]), flat(b.levels[l])) << "level " << l;
}

void expect_well_formed(const BuiltGraph& graph, std::uint64_t n, std::uint32_t m) {
  const LevelAssignment assignment = assign_levels(n, m);
  ASSERT_EQ(graph.level_sizes, assignment.sizes);
  ASSERT_EQ(graph.levels.size(), 1 + assignment.sizes.size());
  ASSERT_TRUE(std::ranges::equal(std::span(graph.ids).first(assignment.nodes.size()), assignment.nodes));
  ASSERT_EQ(std::set<Id>(graph.ids.begin(), graph.ids.end()).size(), n);
  for (std::size_t l = 0; l < graph.levels.size(); ++l) {
    const NeighborLists& level = graph.levels[l];
    ASSERT_EQ(level.size(), l == 0 ? n : assignment.sizes[l - 1]);
    for (Id node = 0; node < level.size(); ++node) {
      SCOPED_TRACE("level " + std::to_string(l) + ", node " + std::to_string(node));
      const auto list = level.list(node);
      ASSERT_LE(list.size(), l == 0 ? 2 * m : m);
      ASSERT_EQ(std::set<Id>(list.begin(), list.end()).size(), list.size()) << "a neighbour twice";
      for (const Id id : list) {
        ASSERT_LT(id, level.size());
        ASSERT_NE(id, node);
      }
    }
  }
}

void expect_connected(const BuiltGraph& graph) {
  for (std::size_t l = 0; l < graph.levels.size(); ++l) {
    const auto apart =
        std::ranges::count_if(graph.duplicates, [&](const auto& pair) { return pair.first < graph.levels[l].size(); });
    EXPECT_EQ(unreached_in(graph.levels[l]), static_cast<std::size_t>(apart))
        << "nodes of level " << l << " without a path to them";
  }
  std::set<Id> apart;
  for (const auto& [node, representative] : graph.duplicates) {
    EXPECT_TRUE(apart.insert(node).second) << "node " << node << " is a duplicate twice";
    EXPECT_TRUE(graph.levels.front().list(node).empty());
  }
  for (const auto& [node, representative] : graph.duplicates) EXPECT_FALSE(apart.contains(representative));
}

/// Mean recall@10 of walks over the base layer, from its first node.
double mean_recall(const BuiltGraph& graph, const Codes& codes, Metric metric, const Vectors& vectors,
                   const Vectors& queries, std::size_t width) {
  const auto scorer = codes.scorer(metric);
  SubsetScorer of_nodes(*scorer, graph.ids, codes.size());
  Workspace work;
  double sum = 0;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    scorer->bind(queries.view(q));
    beam_search(graph.levels.front(), of_nodes, std::vector<Id>{0}, width, 0, work);
    const auto expected = brute_force(vectors, metric, queries.row(q), 10);
    std::size_t hits = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(10, work.beam.entries().size()); ++i)
      hits += std::ranges::any_of(expected,
                                  [&](const Candidate& c) { return c.id == graph.ids[work.beam.entries()[i].id]; });
    sum += static_cast<double>(hits) / 10;
  }
  return sum / static_cast<double>(queries.size());
}

TEST(BuildGraph, ListsAreWellFormedAndLeadToEveryNode) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = seed < 8 ? 1 + seed % 4 : 1 + below(random, 500);
    Vectors vectors = seed % 2 ? whole_vectors(random, n, 1 + below(random, 8))
                               : clustered_vectors(random, n, 1 + below(random, 20), 6);
    if (seed % 3 == 0) duplicate_rows(random, vectors, 30);
    const StoredVectors stored(encoder(vectors.dim, random() % 2), vectors);
    const auto m = static_cast<std::uint32_t>(2 + below(random, 12)),
               ef = static_cast<std::uint32_t>(1 + below(random, 60));
    const BuiltGraph graph = build(stored.codes(), random() % 2 ? Metric::euclidean : Metric::dot_product, m, ef);
    expect_well_formed(graph, n, m);
    expect_connected(graph);
  }
}

TEST(BuildGraph, IsTheSameForAnyNumberOfThreads) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = clustered_vectors(random, 300 + below(random, 900), 8, 6);
    duplicate_rows(random, vectors, seed % 2 ? 30 : 0);
    const StoredVectors stored(encoder(vectors.dim, seed % 2), vectors);
    const Metric metric = seed % 4 < 2 ? Metric::euclidean : Metric::dot_product;
    const BuiltGraph one = build(stored.codes(), metric, 6, 40, 1);
    for (const unsigned threads : {2u, 3u}) {
      SCOPED_TRACE(std::to_string(threads) + " threads");
      expect_equal(build(stored.codes(), metric, 6, 40, threads), one);
    }
  }
}

TEST(BuildGraph, APathLeadsToEveryNode) {
  for (const Metric metric : {Metric::euclidean, Metric::dot_product})
    for (const std::size_t duplicates : {0, 30}) {
      SCOPED_TRACE("metric " + std::to_string(static_cast<int>(metric)) + ", duplicates " + std::to_string(duplicates) +
                   " %");
      Random random(1);
      Vectors vectors = clustered_vectors(random, 2000, 16, 20);
      duplicate_rows(random, vectors, duplicates);
      const StoredVectors stored(encoder_dense_f32(16), vectors);
      expect_connected(build(stored.codes(), metric, 12, 80));
    }
}

TEST(BuildGraph, ANodeKeepsItsNearestNeighbour) {
  Random random(4);
  const Vectors vectors = normal_vectors(random, 1500, 6);
  const StoredVectors stored(encoder_dense_f32(6), vectors);
  const BuiltGraph graph =
      build(stored.codes(), Metric::euclidean, 3, 60);  // so few places that lists are pruned all the time
  std::size_t kept = 0;
  for (Id node = 0; node < vectors.size(); ++node) {
    const Id nearest = brute_force(vectors, Metric::euclidean, vectors.row(graph.ids[node]), 2)[1].id;
    kept += std::ranges::any_of(graph.levels.front().list(node),
                                [&](Id neighbor) { return graph.ids[neighbor] == nearest; });
  }
  EXPECT_GE(static_cast<double>(kept) / static_cast<double>(vectors.size()), 0.9);
}

TEST(BuildGraph, ManyEqualRowsAreFound) {
  for (const Metric metric : {Metric::euclidean, Metric::dot_product}) {
    SCOPED_TRACE("metric " + std::to_string(static_cast<int>(metric)));
    const Vectors vectors{4, std::vector<float>(4 * 1000, 1.0F)};
    const StoredVectors stored(encoder_dense_f32(4), vectors);
    const BuiltGraph graph = build(stored.codes(), metric, 8, 40);
    expect_well_formed(graph, vectors.size(), 8);
    expect_connected(graph);
    EXPECT_EQ(graph.duplicates.size(), vectors.size() - 1) << "one stands for all";
  }
}

TEST(BuildGraph, WalksFindWhatScansFind) {
  for (const bool half : {false, true})
    for (const Metric metric : {Metric::euclidean, Metric::dot_product}) {
      SCOPED_TRACE("f" + std::to_string(half ? 16 : 32) + ", metric " + std::to_string(static_cast<int>(metric)));
      Random random(2);
      const Vectors all = clustered_vectors(random, 2050, 16, 20), vectors = all.part(0, 2000),
                    queries = all.part(2000, 50);
      const StoredVectors stored(encoder(16, half), vectors);
      const BuiltGraph graph = build(stored.codes(), metric, 16, 100);
      EXPECT_GE(mean_recall(graph, stored.codes(), metric, vectors, queries, 200), 0.95);
    }
}

TEST(BuildGraph, DistancesThatOverflowDoNotBreakIt) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = whole_vectors(random, 400, 4);
    for (float& v : vectors.values) v *= random() % 2 ? 5e37F : 1;  // sums of infinities of both signs are no numbers
    const StoredVectors stored(encoder_dense_f32(4), vectors);
    const Metric metric = seed % 2 ? Metric::euclidean : Metric::dot_product;
    const BuiltGraph graph = build(stored.codes(), metric, 4, 30);
    expect_well_formed(graph, vectors.size(), 4);
    expect_connected(graph);
    expect_equal(build(stored.codes(), metric, 4, 30, 2), graph);
  }
}

TEST(BuildGraph, ProgressIsToldAndMayCancel) {
  Random random(3);
  const Vectors vectors = normal_vectors(random, 300, 4);
  const StoredVectors stored(encoder_dense_f32(4), vectors);
  GraphBuildParams params{.metric = Metric::euclidean, .m = 4, .ef_construction = 20, .num_threads = 1, .progress = {}};
  std::uint64_t last = 0;
  params.progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
    if (stage == "connect") return;  // of each level that has nodes no path leads to
    EXPECT_EQ(stage, "graph");
    EXPECT_GT(done, last);
    EXPECT_EQ(total, 300u);
    last = done;
  };
  build_graph(stored.codes(), stored.codes(), params);
  EXPECT_EQ(last, 300u);
  struct Cancelled {};
  params.progress = [](auto...) { throw Cancelled(); };
  EXPECT_THROW(build_graph(stored.codes(), stored.codes(), params), Cancelled);
}

}  // namespace
}  // namespace cassata::graph_builder_test
