// Recommended indexes reach the target on the whole collection, compared with exact search; no speeds.
#include "cassata/recommend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "cassata/exact.h"
#include "format/file/mapped_file.h"
#include "format/input/sparse_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"

namespace cassata::recommend_test {
namespace {

using namespace test;

class Recommend : public ::testing::Test {
 protected:
  std::unique_ptr<VectorStream> stream() const {
    return memory_stream("vectors", vectors_.values.data(), vectors_.size(), vectors_.dim, ElementType::f32);
  }
  /// Recall of the recommended index over all vectors, for held-out queries.
  double recall_of(const Recommendation& found, Metric metric, std::size_t k) const {
    const Index index = Index::build(*stream(), found.choice().params);
    EXPECT_EQ(index.class_name(), found.choice().class_name);
    EXPECT_NEAR(static_cast<double>(index.hot_bytes()), found.choice().hot_bytes, 0.1 * found.choice().hot_bytes);
    EXPECT_NEAR(static_cast<double>(index.file().header().file_length), found.choice().bytes,
                0.1 * found.choice().bytes);
    std::vector<std::int64_t> ids(queries_.size() * k), exact(ids.size());
    std::vector<float> scores(ids.size());
    search_exact(*stream(), metric, queries_.matrix(), {.k = k}, {.ids = exact, .scores = scores});
    index.search(queries_.matrix(), {.k = k, .ef_search = found.choice().ef_search()}, {.ids = ids, .scores = scores});
    return recall(ids, exact, k);
  }

  Random random_{3};
  const Vectors vectors_ = clustered_vectors(random_, 3000, 16, 40), queries_ = normal_vectors(random_, 100, 16);
};

/// Builds indexes of all vectors. The suffix AtSize excludes it from runs under sanitizers (docs/testing.md).
using RecommendAtSize = Recommend;

TEST_F(RecommendAtSize, KeepsItsWord) {
  const Batch queries = queries_.matrix();
  for (const Metric metric : {Metric::dot_product, Metric::euclidean})
    for (const double target : {0.8, 0.98}) {
      SCOPED_TRACE(std::string(name_of(metric)) + " " + std::to_string(target));
      const Recommendation found =
          recommend(*stream(), &queries, {.metric = metric, .k = 5, .target_recall = target, .sample = 1500});
      EXPECT_GE(found.choice().reached->recall, target);
      EXPECT_GE(recall_of(found, metric, 5), target - 0.04) << found.why;
    }
}

TEST_F(RecommendAtSize, StaysWithinTheMemory) {
  std::vector<double> needed;
  const Recommendation any = recommend(*stream(), nullptr, {.target_recall = 0.7, .sample = 400});
  for (const Trial& trial : any.trials)
    if (trial.reached) needed.push_back(trial.hot_bytes);
  ASSERT_GE(needed.size(), 3u);
  std::ranges::sort(needed);
  const auto bound = static_cast<std::uint64_t>((needed[0] + needed[1]) / 2);
  const Batch queries = queries_.matrix();
  const Recommendation tight = recommend(*stream(), &queries, {.target_recall = 0.5, .memory = bound, .sample = 400});
  EXPECT_LE(tight.choice().hot_bytes, static_cast<double>(bound));
  expect_error(Errc::invalid_argument,
               {"memory: no candidate", "within the memory of 10.0 kB", "the smallest that does needs", " kB: Dense"},
               [&] { recommend(*stream(), nullptr, {.target_recall = 0.5, .memory = 10'000, .sample = 400}); });
}

TEST_F(Recommend, TriesEachWayThatThereIs) {
  std::set<std::string> classes;
  std::uint64_t done = 0;
  RecommendParams params{.sample = 400};
  params.progress = [&](std::string_view stage, std::uint64_t at, std::uint64_t total) {
    EXPECT_LE(at, total);
    if (stage == "sample") done = at;
  };
  const Recommendation found = recommend(*stream(), nullptr, params);
  EXPECT_EQ(done, vectors_.size()) << "the sample is of all vectors";
  for (const Trial& trial : found.trials) {
    classes.insert(trial.class_name);
    EXPECT_NE(described(trial).find(trial.class_name), std::string::npos);
    EXPECT_TRUE(trial.refusal.empty()) << trial.refusal;
  }
  for (const char* name : {"DenseFlatIndex", "DensePlainHNSW", "DensePQHNSW"})
    EXPECT_EQ(classes.count(name), 1u) << name;
}

TEST_F(Recommend, SaysWhatCannotBeBuilt) {
  Vectors large = vectors_;
  for (std::size_t i = large.values.size() * 9 / 10; i < large.values.size(); ++i)
    large.values[i] *= 1e6F;  // beyond f16; a sample holds some of them
  const auto vectors = memory_stream("vectors", large.values.data(), large.size(), large.dim, ElementType::f32);
  const Recommendation found = recommend(*vectors, nullptr, {.metric = Metric::euclidean, .sample = 500});
  EXPECT_TRUE(found.choice().refusal.empty());
  for (const Trial& trial : found.trials) {
    const bool half = (trial.params.schema.second ? trial.params.schema.second->encoding
                                                  : trial.params.schema.first.encoding) == Encoding::f16;
    EXPECT_EQ(!trial.refusal.empty(), half) << described(trial) << ": " << trial.refusal;
  }
}

TEST_F(Recommend, OfSparseVectors) {
  const SparseVectors sparse = sparse_of(vectors_);
  for (const Metric metric : {Metric::dot_product, Metric::euclidean}) {
    const auto vectors = sparse_memory_stream("vectors", sparse.components, sparse.values, sparse.offsets);
    const Recommendation found = recommend(*vectors, nullptr, {.metric = metric, .target_recall = 0.5, .sample = 500});
    EXPECT_EQ(found.choice().class_name.substr(0, 6), "Sparse");
    EXPECT_EQ(found.choice().params.schema.metric, metric);
  }
}

TEST_F(Recommend, RefusesWhatMakesNoSense) {
  const auto refuse = [&](const std::vector<std::string>& parts, const RecommendParams& params,
                          const Batch* queries = nullptr) {
    expect_error(Errc::invalid_argument, parts, [&] { recommend(*stream(), queries, params); });
  };
  for (const double target : {0.0, -1.0, 1.01}) refuse({"target_recall: "}, {.target_recall = target});
  refuse({"k: 0"}, {.k = 0});
  refuse({"vectors: a sample of 60 vectors, expected more for", "k = 10"}, {.sample = 60});
  refuse({"vectors: a sample of 3000 vectors, expected more for", "k = 1000"}, {.k = 1000});
  const Vectors wide = normal_vectors(random_, 3, 17);
  const Batch queries = wide.matrix(), none = queries_.part(0, 0).matrix();
  refuse({"queries: dim is 17"}, {}, &queries);
  const SparseVectors sparse = sparse_of(vectors_.part(0, 3));
  const Batch of_other_shape = sparse.batch(16);
  refuse({"queries: sparse"}, {}, &of_other_shape);
  refuse({"queries: 0"}, {}, &none);
}

}  // namespace
}  // namespace cassata::recommend_test
