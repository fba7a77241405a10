// Pruned sparse vectors: which entries are kept, and that both parts together are the vector.
#include "engine/codec/pruned.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/codec/sparse.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"

namespace cassata::pruned_test {
namespace {

using namespace test;

double mass(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0,
                         [](double sum, float v) { return sum + std::abs(double{v}); });
}

TEST(KeptEntries, CarryTheirShareAndAreTheFewest) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<float> values(below(random, 40));
    for (float& v : values)
      v = static_cast<float>(below(random, 41)) / 4 - 5;  // sums are exact; some are 0, many equal
    const double percentage = seed % 10 ? static_cast<double>(below(random, 401)) / 4 : seed % 20 ? 0 : 100;
    const std::vector<std::size_t> kept = kept_entries(values, percentage);
    ASSERT_TRUE(std::ranges::is_sorted(kept, std::less_equal()) && (kept.empty() || kept.back() < values.size()));
    std::vector<float> of_kept, others = values;
    for (const std::size_t i : kept) of_kept.push_back(values[i]), others[i] = 0;
    const double share = mass(values) * percentage / 100;
    ASSERT_GE(mass(of_kept), share);
    if (kept.empty()) {
      ASSERT_EQ(mass(values), 0);
      continue;
    }
    const auto smaller = [](float a, float b) { return std::abs(a) < std::abs(b); };
    const float least = std::abs(*std::ranges::min_element(of_kept, smaller));
    ASSERT_TRUE(kept.size() == 1 || mass(of_kept) - least < share) << "one entry less would do";
    for (std::size_t i = 0; i < others.size(); ++i) {
      ASSERT_LE(std::abs(others[i]), least) << "a larger entry is left out";
      if (std::abs(others[i]) == least) {
        const auto same = [&](std::size_t at) { return std::abs(values[at]) == least && at > i; };
        ASSERT_TRUE(std::ranges::none_of(kept, same)) << "of equals the first are kept";
      }
    }
  }
}

TEST(KeptEntries, OfAllTheMassAreAllThatHaveAny) {
  EXPECT_EQ(kept_entries(std::vector<float>{0, 1e-30F, -3e38F, 0, 5}, 100), (std::vector<std::size_t>{2}))
      << "beside so large a value the others are below what a double can tell";
  EXPECT_EQ(kept_entries(std::vector<float>{0, -1, 3, 0, 0.5F}, 100), (std::vector<std::size_t>{1, 2, 4}));
  EXPECT_EQ(kept_entries(std::vector<float>{0, 0}, 50), std::vector<std::size_t>());
  EXPECT_EQ(kept_entries({}, 50), std::vector<std::size_t>());
  EXPECT_EQ(kept_entries(std::vector<float>{0, 1, -3, 3}, 0), std::vector<std::size_t>{2}) << "one at least";
  EXPECT_EQ(kept_entries(std::vector<float>{0, 0}, 0), std::vector<std::size_t>());
}

/// The entries of a stored row, as distances to queries of one component.
std::vector<float> stored_row(const Codes& codes, Id row) {
  const auto scorer = codes.scorer(Metric::dot_product);
  std::vector<float> out(codes.dim());
  for (std::uint32_t c = 0; c < codes.dim(); ++c) {
    const float one = 1;
    scorer->bind(VectorView{.values = {&one, 1}, .components = {&c, 1}});
    scorer->score({&row, 1}, &out[c]);
    out[c] = -out[c];
  }
  return out;
}

TEST(PartEncoder, TheTwoPartsTogetherAreTheVector) {
  constexpr std::size_t kDim = 30;
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const SparseVectors vectors = random_sparse(random, 1 + below(random, 20), kDim, 15);
    const auto percentage = static_cast<double>(1 + below(random, 99));
    const StoredVectors kept(part_encoder(encoder_sparse_f32(kDim), percentage, Part::kept), vectors.batch(kDim)),
        pruned(part_encoder(encoder_sparse_f32(kDim), percentage, Part::pruned), vectors.batch(kDim));
    kept.codes().verify();
    pruned.codes().verify();
    for (Id row = 0; row < vectors.size(); ++row) {
      const std::vector<float> a = stored_row(kept.codes(), row), b = stored_row(pruned.codes(), row);
      std::vector<float> whole(kDim);
      const VectorView view = vectors.view(row);
      for (std::size_t i = 0; i < view.values.size(); ++i) whole[view.components[i]] = view.values[i];
      for (std::size_t c = 0; c < kDim; ++c) {
        ASSERT_EQ(a[c] + b[c], whole[c]);
        ASSERT_TRUE(a[c] == 0 || b[c] == 0) << "an entry stands in both";
      }
      ASSERT_GE(mass(a) * (1 + 1e-12), mass(whole) * percentage / 100);
    }
  }
}

TEST(PartEncoder, NamesTheEntryOfTheWholeVector) {
  SparseVectors vectors;
  for (std::uint32_t c = 0; c < 4; ++c) vectors.add(c, c == 2 ? 70000.0F : 1.0F);
  vectors.end_row();
  EncodedRows out;
  expect_error(Errc::invalid_argument, {"x.bin: row 10, entry 2: ", "f16"}, [&] {
    part_encoder(encoder_sparse_f16(4), 10, Part::kept)->encode(vectors.batch(4), "x.bin", 10, out);
  });
}

}  // namespace
}  // namespace cassata::pruned_test
