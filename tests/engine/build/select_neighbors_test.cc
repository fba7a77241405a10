// Selection of neighbours among candidates.
#include "engine/build/select_neighbors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/codec/dense.h"
#include "tests/support/brute_force.h"

namespace cassata::select_neighbors_test {
namespace {

using namespace test;

/// Algorithm 4 of the paper, then the closest left out up to three quarters of the limit.
std::vector<Id> reference(const Vectors& vectors, Metric metric, std::span<const Candidate> candidates,
                          std::size_t limit) {
  std::vector<Id> out;
  for (const Candidate& c : candidates) {
    if (out.size() == limit) break;
    const bool apart = std::ranges::all_of(out, [&](Id chosen) {
      return exact_distance(metric, vectors.row(chosen), vectors.row(c.id), vectors.dim) >= double{c.distance};
    });
    if (apart) out.push_back(c.id);
  }
  for (const Candidate& c : candidates)
    if (out.size() < limit * 3 / 4 && std::ranges::find(out, c.id) == out.end()) out.push_back(c.id);
  return out;
}

TEST(NeighborSelector, ChoosesAsTheReference) {
  NeighborSelector selector;  // reused: nothing is left of the node before
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = random() % 2 ? Metric::euclidean : Metric::dot_product;
    Vectors vectors = whole_vectors(random, 1 + below(random, 120), 1 + below(random, 10));
    if (seed % 3 == 0) duplicate_rows(random, vectors, 50);
    const StoredVectors stored(encoder_dense_f32(vectors.dim), vectors);
    const auto node = static_cast<Id>(below(random, vectors.size()));
    auto candidates = brute_force(vectors, metric, vectors.row(node), below(random, vectors.size() + 1));
    std::erase_if(candidates, [&](const Candidate& c) { return c.id == node; });
    const std::size_t limit = 1 + below(random, 40);
    const auto scorer = stored.codes().scorer(metric);
    std::vector<Id> chosen = {77};
    selector.select_neighbors(candidates, limit, *scorer, chosen);
    ASSERT_EQ(chosen, reference(vectors, metric, candidates, limit)) << "limit " << limit;
  }
}

TEST(NeighborSelector, KeepsTheLimitTheClosestAndEachOnce) {
  NeighborSelector selector;
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = clustered_vectors(random, 2 + below(random, 200), 1 + below(random, 20), 5);
    const StoredVectors stored(encoder_dense_f16(vectors.dim), vectors);
    const auto candidates = brute_force(vectors, Metric::euclidean, vectors.row(0), 1 + below(random, vectors.size()));
    const std::size_t limit = 1 + below(random, 40);
    const auto scorer = stored.codes().scorer(Metric::euclidean);
    std::vector<Id> chosen, again;
    selector.select_neighbors(candidates, limit, *scorer, chosen);
    ASSERT_LE(chosen.size(), limit);
    ASSERT_GE(chosen.size(), std::min(candidates.size(), limit * 3 / 4));
    ASSERT_EQ(chosen.front(), candidates.front().id);
    ASSERT_EQ(std::set<Id>(chosen.begin(), chosen.end()).size(), chosen.size());
    for (const Id id : chosen)
      ASSERT_TRUE(std::ranges::any_of(candidates, [&](const Candidate& c) { return c.id == id; })) << id;
    selector.select_neighbors(candidates, limit, *scorer, again);
    ASSERT_EQ(again, chosen);
  }
}

}  // namespace
}  // namespace cassata::select_neighbors_test
