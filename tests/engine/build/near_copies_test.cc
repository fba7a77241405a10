// Detection of exact and near duplicates.
#include "engine/build/near_copies.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/codec/dense.h"
#include "tests/support/metric_definition.h"
#include "tests/support/random_case.h"

namespace cassata::test::near_copies_test {
namespace {

/// 200 normal vectors, shifted by `offset`, the first one made longer: its product with a copy is larger than with
/// others, of which the rule looks at few. Then a copy of it, a near copy of it, and one that is close but no near
/// copy.
Vectors with_copies(float offset) {
  Random random(1);
  Vectors vectors = normal_vectors(random, 200, 32);
  for (float& value : vectors.values) value += offset;
  for (std::size_t i = 0; i < 32; ++i) vectors.values[i] *= 1.5F;
  const std::vector<float> first(vectors.values.begin(), vectors.values.begin() + 32);
  for (const float change : {0.0F, 1e-3F, 0.3F}) {
    vectors.values.insert(vectors.values.end(), first.begin(), first.end());
    vectors.values[vectors.values.size() - 32] += change;
  }
  return vectors;
}

/// What the rule says of `node` if all other nodes are candidates.
Id found(const NearRule& rule, Id node, Scorer& scorer, std::size_t size) {
  std::vector<Candidate> candidates;
  scorer.bind(node);
  for (Id other = 0; other < size; ++other) {
    if (other == node) continue;
    Candidate candidate{0, other};
    scorer.score({&other, 1}, &candidate.distance);
    candidates.push_back(candidate);
  }
  std::sort(candidates.begin(), candidates.end());
  return rule.find(node, candidates, scorer);
}

TEST(NearRule, TellsCopiesAndNearCopiesFromNeighbours) {
  for (const Metric metric : distances())
    for (const float offset : {0.0F, 3.0F}) {
      SCOPED_TRACE("metric " + std::to_string(static_cast<int>(metric)) + ", offset " + std::to_string(offset));
      const Vectors vectors = with_copies(offset);
      const StoredVectors stored(encoder_dense_f32(32), vectors);
      const auto scorer = stored.codes().scorer(metric);
      const NearRule rule(metric, vectors.size(), *scorer);
      EXPECT_TRUE(found(rule, 200, *scorer, vectors.size()) == 0 || found(rule, 200, *scorer, vectors.size()) == 201);
      EXPECT_TRUE(found(rule, 201, *scorer, vectors.size()) == 0 || found(rule, 201, *scorer, vectors.size()) == 200);
      EXPECT_EQ(found(rule, 202, *scorer, vectors.size()), kNoId);
      for (Id node = 1; node < 200; ++node) EXPECT_EQ(found(rule, node, *scorer, vectors.size()), kNoId) << node;
    }
}

TEST(NearRule, EqualProductsAloneAreNearWhereTheySayNoMore) {
  const Vectors vectors =
      with_copies(3000);  // lengths so large that small distances vanish in the rounding of products
  const StoredVectors stored(encoder_dense_f32(32), vectors);
  const auto scorer = stored.codes().scorer(Metric::dot_product);
  const NearRule rule(Metric::dot_product, vectors.size(), *scorer);
  const auto distance = [&](Id a, Id b) {
    float out = 0;
    scorer->bind(a);
    scorer->score({&b, 1}, &out);
    return out;
  };
  for (Id node = 1; node < 200; ++node) {
    const Id near = found(rule, node, *scorer, vectors.size());
    if (near == kNoId) continue;
    EXPECT_EQ(distance(node, near), distance(node, node)) << node << " and " << near;
    EXPECT_EQ(distance(node, near), distance(near, near)) << node << " and " << near;
  }
}

TEST(NearRule, WildRowsDoNotWidenIt) {
  Vectors vectors = with_copies(0);
  for (std::size_t i = 0; i < 32; ++i) vectors.values[7 * 32 + i] *= 1e6F;
  const StoredVectors stored(encoder_dense_f32(32), vectors);
  const auto scorer = stored.codes().scorer(Metric::euclidean);
  const NearRule rule(Metric::euclidean, vectors.size(), *scorer);
  for (Id node = 1; node < 200; ++node) EXPECT_EQ(found(rule, node, *scorer, vectors.size()), kNoId) << node;
}

}  // namespace
}  // namespace cassata::test::near_copies_test
