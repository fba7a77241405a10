// What the choices of a build of inverted lists do.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "cassata/index.h"
#include "format/input/sparse_files.h"
#include "tests/support/index_file.h"
#include "tests/support/random_case.h"
#include "tests/support/sparse_index.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::inverted_build_test {
namespace {

using namespace test;

enum class Values { positive, few, mixed, tiny, huge, zeros };

/// Rows around topics, some of them copies, some empty.
SparseVectors collection(Random& random, std::size_t rows, std::size_t dim, std::size_t longest, Values values) {
  SparseVectors out;
  std::exponential_distribution<float> magnitude(1);
  for (std::size_t row = 0; row < rows; ++row, out.end_row()) {
    if (row != 0 && below(random, 6) == 0) {
      const VectorView copy = out.view(below(random, row));
      const std::vector<float> v(copy.values.begin(), copy.values.end());
      const std::vector<std::uint32_t> c(copy.components.begin(), copy.components.end());
      for (std::size_t i = 0; i < v.size(); ++i) out.add(c[i], v[i]);
      continue;
    }
    const std::size_t topic = below(random, 5);
    std::set<std::uint32_t> components;
    for (std::size_t count = below(random, longest + 1); count > 0; --count)
      components.insert(
          static_cast<std::uint32_t>((topic * dim / 5 + below(random, random() % 3 ? 1 + dim / 10 : dim)) % dim));
    if (row == 0) components.insert(static_cast<std::uint32_t>(dim - 1));
    for (const std::uint32_t c : components) {
      float v = magnitude(random) + 0.01F;
      if (values == Values::few) v = static_cast<float>(1 + below(random, 3));
      if (values == Values::mixed && random() % 2) v = -v;
      if (values == Values::tiny) v *= std::pow(10.0F, -static_cast<float>(below(random, 14)));
      if (values == Values::huge) v *= 1e17F;
      if (values == Values::zeros && random() % 3) v = 0;
      out.add(c, v);
    }
  }
  return out;
}

double recall(const Answers& found, const Answers& exact, std::size_t k) {
  double same = 0;
  for (std::size_t i = 0; i < exact.ids.size(); i += k)
    for (std::size_t j = i; j < i + k; ++j)
      same += exact.scores[j] <= found.scores[i + k - 1] || std::count(&found.ids[i], &found.ids[i] + k, exact.ids[j]);
  return same / static_cast<double>(exact.ids.size());
}

TEST(SparsePostings, RecallGrowsWithWhatIsLookedAt) {
  Random random(1);
  const SparseVectors vectors = collection(random, 6000, 2000, 30, Values::positive),
                      queries = collection(random, 60, 2000, 30, Values::positive);
  for (const ListParams& choices :
       {ListParams{}, ListParams{.n_knn = 8}, ListParams{.n_postings = 300, .summary_energy = 0.8F}}) {
    const Index index = build(vectors, {.schema = {.kind = Kind::postings, .first = {.encoding = Encoding::sparse_f16}},
                                        .lists = choices,
                                        .progress = {}});
    index.verify();
    const auto recall_of = [&](std::size_t ef_search, std::size_t cut) {
      const SearchParams params{.k = 10, .ef_search = ef_search, .query_cut = cut};
      return recall(ask(index, queries, params, &Index::search), ask(index, queries, params, &Index::search_exact), 10);
    };
    EXPECT_GT(recall_of(200, 12), 0.9);
    EXPECT_GE(recall_of(400, 0) + 0.01, recall_of(20, 0));
    EXPECT_GE(recall_of(400, 0) + 0.01, recall_of(400, 3));
  }
}

TEST(SparsePostings, NeighboursAndShorterListsChangeTheFileAndAreTold) {
  Random random(2);
  const SparseVectors vectors = collection(random, 500, 200, 12, Values::mixed);
  const auto bytes = [&](const ListParams& choices, unsigned threads) {
    const TempDir folder;
    const Index index = build(vectors,
                              {.schema = {.kind = Kind::postings, .first = {.encoding = Encoding::sparse_f16}},
                               .lists = choices,
                               .num_threads = threads,
                               .progress = {}},
                              folder / "index");
    EXPECT_EQ(index.manifest().postings->n_postings, choices.n_postings);
    EXPECT_EQ(index.manifest().postings->n_knn, choices.n_knn);
    EXPECT_EQ(index.manifest().postings->summary_energy, choices.summary_energy);
    return read_file(folder / "index");
  };
  EXPECT_EQ(bytes({.n_knn = 5}, 1), bytes({.n_knn = 5}, 2));
  EXPECT_GT(bytes({.n_knn = 5}, 1).size(), bytes({}, 1).size());
  EXPECT_LT(bytes({.n_postings = 4}, 1).size(), bytes({}, 1).size());
  EXPECT_NE(bytes({.summary_energy = 0.5F}, 1), bytes({}, 1));
}

}  // namespace
}  // namespace cassata::inverted_build_test
