// Residuals of dense vectors: distances to a code and its residual add up to the distance to the vector.
#include "engine/codec/residual.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "engine/codec/dense.h"
#include "tests/engine/codec/quantized_book.h"
#include "tests/support/brute_force.h"

namespace cassata::residual_test {
namespace {

using namespace test;

/// Codes whose distances are exactly those to the decoded vectors (CodesSpec::linear).
std::unique_ptr<Encoder> first_encoder(const Form& form, const Vectors& vectors) {
  auto encoder = form.encoder(form.spec(vectors.dim, Metric::dot_product, true));
  encoder->train(*StoredVectors(encoder_dense_f32(vectors.dim), vectors).codes().dense_rows(), 1, {});
  return encoder;
}

/// Codes of the residuals of `first`.
StoredVectors left_out(const Encoder& first, std::unique_ptr<Encoder> rest, const Vectors& vectors) {
  return {residual_encoder(first, std::move(rest)), vectors};
}

TEST(Residual, BothPartsAddUpToTheWhole) {
  for (const Form& form : all_forms()) {
    SCOPED_TRACE(form.name);
    Random random(form.bits);
    const Vectors vectors = clustered_vectors(random, 300, 60, 5), queries = normal_vectors(random, 5, 60);
    const auto encoder = first_encoder(form, vectors);
    const StoredVectors first(form.encoder(form.spec(60, Metric::dot_product, true)), vectors);
    const StoredVectors exact = left_out(*encoder, encoder_dense_f32(60), vectors);
    const StoredVectors coarse = left_out(*encoder, encoder_rabitq(rabitq(4).spec(60, Metric::dot_product)), vectors);
    const Book book(form, first.sections(), 60);
    Errors alone, both;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      std::vector<float> a(vectors.size()), b(vectors.size()), c(vectors.size());
      for (const auto& [stored, out] : {std::pair(&first, &a), std::pair(&exact, &b), std::pair(&coarse, &c)}) {
        const auto scorer = stored->codes().scorer(Metric::dot_product);
        scorer->bind(queries.view(q));
        scorer->score_range(0, out->size(), out->data());
      }
      for (std::size_t row = 0; row < vectors.size(); ++row) {
        const double whole = exact_distance(Metric::dot_product, queries.row(q), vectors.row(row), 60);
        ASSERT_NEAR(a[row] + b[row], whole, rounding(book.query(Metric::dot_product, queries.row(q)), book.coded(row)))
            << "row " << row;
        alone.add(a[row] - whole);
        both.add(a[row] + c[row] - whole);
      }
    }
    if (form.bits <= 4) {
      EXPECT_LE(both.root_mean_square(), 0.5 * alone.root_mean_square());
    }
  }
}

TEST(Residual, IsTheVectorWithoutWhatTheFirstCodesDecodeTo) {
  for (const Form& form : all_forms())
    for (unsigned seed = 0; seed < 8; ++seed) {
      SCOPED_TRACE(form.name + ", seed " + std::to_string(seed));
      Random random(seed);
      const Vectors vectors = random_vectors(random);
      const auto encoder = first_encoder(form, vectors);
      const StoredVectors first(form.encoder(form.spec(vectors.dim, Metric::dot_product, true)), vectors);
      const StoredVectors rest = left_out(*encoder, encoder_dense_f32(vectors.dim), vectors);
      for (std::size_t row = 0; row < vectors.size(); ++row)
        for (std::size_t i = 0; i < vectors.dim; ++i)
          ASSERT_EQ(decoded(rest.codes(), row)[i], vectors.row(row)[i] - decoded(first.codes(), row)[i])
              << "row " << row << ", value " << i;
    }
}

TEST(Residual, OfExtremeValuesIsFinite) {
  for (const Form& form : all_forms())
    for (const float extreme :
         {std::numeric_limits<float>::max(), 1e20F, 1e-36F, std::numeric_limits<float>::denorm_min()}) {
      SCOPED_TRACE(::testing::Message() << form.name << ", values up to " << extreme);
      Random random(1);
      Vectors vectors = normal_vectors(random, 20, 30);
      for (float& value : vectors.values) value = std::clamp(value, -1.0F, 1.0F) * extreme;
      const auto encoder = first_encoder(form, vectors);
      left_out(*encoder, encoder_dense_f32(30), vectors).codes().verify();
      left_out(*encoder, encoder_rabitq(rabitq(2).spec(30, Metric::dot_product)), vectors).codes().verify();
    }
}

}  // namespace
}  // namespace cassata::residual_test
