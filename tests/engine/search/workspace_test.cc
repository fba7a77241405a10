// The state of a traversal: visited nodes and the beam.
#include "engine/search/workspace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

#include "tests/engine/search/reference_beam.h"
#include "tests/support/brute_force.h"

namespace cassata::workspace_test {
namespace {

using namespace test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Visited, TakesEachNodeOnceAndNothingElse) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Visited visited;
    for (int walk = 0; walk < 20; ++walk) {  // one workspace, graphs of different sizes
      const std::size_t n = 1 + below(random, walk % 4 ? 300 : 3000);
      visited.reset(n);
      std::set<Id> seen;
      for (std::size_t hop = below(random, 20); hop > 0; --hop) {
        std::vector<Id> ids(below(random, 70)), unvisited;
        for (Id& id : ids) {
          const Id hostile[] = {static_cast<Id>(n), static_cast<Id>(n + 1), kNoId, Id{1} << 31,
                                static_cast<Id>(random())};
          id = random() % 8 ? static_cast<Id>(below(random, n)) : hostile[random() % 5];
          if (id < n && seen.insert(id).second) unvisited.push_back(id);
        }
        std::vector<Id> taken;
        if (hop % 3 != 0) {
          const auto all = visited.filter_unvisited(ids);
          taken.assign(all.begin(), all.end());
        } else {
          std::ranges::copy_if(ids, std::back_inserter(taken), [&](Id id) { return visited.visit(id); });
        }
        ASSERT_EQ(taken, unvisited) << "walk " << walk << " over " << n << " nodes";
      }
    }
  }
}

TEST(Visited, OfNoNodesTakesNone) {
  Visited visited;
  visited.reset(0);
  EXPECT_TRUE(visited.filter_unvisited(std::vector<Id>{0, 1, kNoId}).empty());
  visited.reset(1);
  EXPECT_EQ(visited.filter_unvisited(std::vector<Id>{0, 0, 1}).size(), 1u);
}

/// Multiples of 1/4, so that a bound relaxed by 1/8 is exact.
float random_distance(Random& random) { return static_cast<float>(static_cast<int>(below(random, 200)) - 80) / 4; }

TEST(Beam, KeepsExpandsAndEndsAsTheReference) {
  Beam beam;  // reused: reset() leaves nothing of the traversal before
  for (unsigned seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const bool wide = seed % 4 == 0;
    const std::size_t width = 1 + below(random, wide ? 200 : 20);
    const float relax = static_cast<float>(below(random, 5)) / 8;
    beam.reset(width, relax);
    ReferenceBeam reference(width, relax);
    for (Id id = 0; id < (wide ? 400 : 100); ++id) {
      const float distance = random() % 16 ? random_distance(random) : kNaN;
      ASSERT_EQ(beam.admits(distance), reference.admits(distance)) << "candidate " << id << " at " << distance;
      if (beam.admits(distance)) {
        beam.insert(distance, id);
        reference.insert(distance, id);
      }
      if (random() % 3 == 0) {
        const Id next = beam.peek_next();
        ASSERT_EQ(next, beam.expand_next());
        ASSERT_EQ(next, reference.expand_next()) << "after candidate " << id;
      }
    }
    ASSERT_EQ(pairs_of(beam.finish()), pairs_of(reference.best()));
  }
}

/// True if a beam of one whose only candidate is at `worst` admits `distance`.
bool admits(float worst, float distance, float lambda) {
  Beam beam;
  beam.reset(1, lambda);
  beam.insert(worst, 0);
  return beam.admits(distance);
}

TEST(Beam, RelaxesTheWorstScoreByLambda) {
  // Euclidean: d <= worst * (1 + lambda).
  EXPECT_TRUE(admits(8, 10, 0.25F));
  EXPECT_FALSE(admits(8, 10.01F, 0.25F));
  // Dot product, where the distance is minus the score s: s >= worst - |worst| * lambda.
  EXPECT_TRUE(admits(-8, -6, 0.25F));
  EXPECT_FALSE(admits(-8, -5.99F, 0.25F));
  EXPECT_TRUE(admits(8, 10, 0.25F));
  // Without lambda only better candidates are admitted, so that equal ones do not replace each other for ever.
  EXPECT_TRUE(admits(8, 7.99F, 0));
  EXPECT_FALSE(admits(8, 8, 0));
}

TEST(Beam, InfiniteDistancesGiveWayToFiniteOnes) {
  for (const float relax : {0.0F, 0.25F}) {
    SCOPED_TRACE(relax);
    Beam beam;
    beam.reset(2, relax);
    for (Id id = 0; id < 3; ++id)
      if (beam.admits(kInfinity)) beam.insert(kInfinity, id);
    for (Id id = 10; id < 14; ++id) {
      const float distance = 20.0F - static_cast<float>(id);
      ASSERT_TRUE(beam.admits(distance)) << id;
      beam.insert(distance, id);
    }
    if (beam.admits(-kInfinity)) beam.insert(-kInfinity, 20);
    EXPECT_EQ(pairs_of(beam.finish()), (std::vector<std::pair<float, Id>>{{-kInfinity, 20}, {7.0F, 13}}));
  }
}

TEST(Candidate, CloserIsLessThenTheLowerId) {
  EXPECT_LT((Candidate{1, 5}), (Candidate{2, 3}));
  EXPECT_LT((Candidate{1, 3}), (Candidate{1, 5}));
  EXPECT_FALSE((Candidate{1, 3} < Candidate{1, 3}));
}

}  // namespace
}  // namespace cassata::workspace_test
