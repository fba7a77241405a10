// int8, int4 and rabitq codes: stored bytes, distances, and rejected parameters.
#include "engine/codec/quantized.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>

#include "tests/engine/codec/quantized_book.h"
#include "tests/support/brute_force.h"
#include "tests/support/expect_error.h"

namespace cassata::quantized_test {
namespace {

using namespace test;

TEST(Quantized, DecodesAsTheFormatSays) {
  for (const Form& form : all_forms())
    for (unsigned seed = 0; seed < 12; ++seed) {
      SCOPED_TRACE(form.name + ", seed " + std::to_string(seed));
      Random random(seed);
      const Vectors vectors = random_vectors(random);
      const StoredVectors stored(form.encoder(form.spec(vectors.dim, Metric::dot_product)), vectors);
      const Book book(form, stored.sections(), vectors.dim);
      ASSERT_EQ(stored.sections().rows.bytes.size(), vectors.size() * book.row_bytes());
      stored.codes().verify();
      for (std::size_t row = 0; row < vectors.size(); ++row) {
        const std::vector<double> expected = book.leave(book.coded(row));
        const std::vector<float> values = decoded(stored.codes(), row);
        for (std::size_t i = 0; i < vectors.dim; ++i)
          ASSERT_NEAR(values[i], expected[i], 2e-5) << "row " << row << ", value " << i;
      }
    }
}

TEST(Quantized, WholeNumbersAreWithinHalfAStep) {
  for (const Form& form : {kInt8, kInt4})
    for (unsigned seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE(form.name + ", seed " + std::to_string(seed));
      Random random(seed);
      const Vectors vectors = random_vectors(random);
      const StoredVectors stored(form.encoder(form.spec(vectors.dim, Metric::euclidean)), vectors);
      const Book book(form, stored.sections(), vectors.dim);
      for (std::size_t row = 0; row < vectors.size(); ++row) {
        const std::vector<float> values = decoded(stored.codes(), row);
        const std::vector<double> given = book.enter(vectors.row(row));
        const auto [low, high] = std::ranges::minmax(given);
        ASSERT_NEAR(book.head(row, 0), (high - low) / ((1 << form.bits) - 1), 1e-6);
        for (std::size_t i = 0; i < vectors.dim; ++i)
          ASSERT_NEAR(values[i], vectors.row(row)[i], book.head(row, 0) / 2 + 2e-6) << "row " << row << ", value " << i;
      }
    }
}

TEST(Quantized, ScoresAreThoseThatTheFormatSays) {
  for (const Form& form : all_forms())
    for (unsigned seed = 0; seed < 12; ++seed) {
      SCOPED_TRACE(form.name + ", seed " + std::to_string(seed));
      Random random(seed);
      const Metric metric = seed % 2 ? Metric::euclidean : Metric::dot_product;
      const Vectors vectors = random_vectors(random), query = normal_vectors(random, 1, vectors.dim);
      const StoredVectors stored(form.encoder(form.spec(vectors.dim, metric, seed % 4 == 2)), vectors);
      const Book book(form, stored.sections(), vectors.dim);
      const auto scorer = stored.codes().scorer(metric);
      scorer->bind(query.view(0));
      std::vector<float> distances(vectors.size()), again(vectors.size());
      std::vector<Id> ids(vectors.size());
      std::iota(ids.begin(), ids.end(), 0u);
      scorer->score_range(0, distances.size(), distances.data());
      scorer->score(ids, again.data());
      EXPECT_EQ(distances, again);
      const std::vector<double> q = book.query(metric, query.row(0));
      double mean_product = 0;
      for (std::size_t i = 0; i < vectors.dim; ++i) mean_product += book.mean(i) * query.row(0)[i];
      const double base = metric == Metric::euclidean ? product(q, q) : -mean_product,
                   factor = metric == Metric::euclidean ? 2 : 1;
      for (std::size_t row = 0; row < vectors.size(); ++row) {
        const std::vector<double> coded = book.coded(row);
        const double exact = base + book.share(metric, query.row(0)) * book.head(row, 2) - factor * product(q, coded);
        ASSERT_NEAR(distances[row], exact, factor * rounding(q, coded)) << "row " << row;
      }
    }
}

/// If residuals are stored, and for int8 and int4 by Euclidean distance, distances are exactly those to the decoded
/// vectors.
TEST(Quantized, ScoresAreThoseOfDecodedVectors) {
  for (const Form& form : all_forms())
    for (unsigned seed = 0; seed < 12; ++seed) {
      SCOPED_TRACE(form.name + ", seed " + std::to_string(seed));
      Random random(seed);
      const Metric metric = seed % 2 && !form.rotated ? Metric::euclidean : Metric::dot_product;
      const Vectors vectors = random_vectors(random), query = normal_vectors(random, 1, vectors.dim);
      const StoredVectors stored(form.encoder(form.spec(vectors.dim, metric, true)), vectors);
      const Book book(form, stored.sections(), vectors.dim);
      const auto scorer = stored.codes().scorer(metric);
      scorer->bind(query.view(0));
      for (std::size_t row = 0; row < vectors.size(); ++row) {
        float distance = 0;
        scorer->score_range(static_cast<Id>(row), 1, &distance);
        const double tolerance =
            (metric == Metric::euclidean ? 2 : 1) * rounding(book.query(metric, query.row(0)), book.coded(row));
        ASSERT_NEAR(distance, exact_distance(metric, query.row(0), decoded(stored.codes(), row).data(), vectors.dim),
                    tolerance)
            << "row " << row;
      }
    }
}

/// Queries far shorter and far longer than the vectors.
TEST(Quantized, ScalingAQueryScalesItsDotProducts) {
  for (const Form& form : all_forms())
    for (const bool linear : {false, true})
      for (unsigned seed = 0; seed < 12; ++seed) {
        SCOPED_TRACE(form.name + (linear ? ", linear, seed " : ", seed ") + std::to_string(seed));
        Random random(seed);
        Vectors vectors = random_vectors(random), query = normal_vectors(random, 1, vectors.dim);
        for (Vectors* const all : {&vectors, &query})
          for (float& value : all->values) value = std::abs(value);  // then the mean is about as long as the vectors
        const StoredVectors stored(form.encoder(form.spec(vectors.dim, Metric::dot_product, linear)), vectors);
        const auto scorer = stored.codes().scorer(Metric::dot_product);
        const auto distances_at = [&](float scale) {
          std::vector<float> scaled, distances(vectors.size());
          for (const float value : query.values) scaled.push_back(value * scale);
          scorer->bind({.values = scaled});
          scorer->score_range(0, distances.size(), distances.data());
          return distances;
        };
        const std::vector<float> whole = distances_at(1);
        for (const float scale : {0x1p-20F, 0x1p-10F, 0x1p20F}) {  // powers of two are exact
          const std::vector<float> scaled = distances_at(scale);
          for (std::size_t row = 0; row < vectors.size(); ++row)
            ASSERT_EQ(scaled[row], scale * whole[row]) << "row " << row << ", times " << scale;
        }
        const Book book(form, stored.sections(), vectors.dim);
        const std::vector<double> q = book.query(Metric::dot_product, query.row(0));
        for (const float scale : {1e-3F, 1e3F}) {
          const std::vector<float> scaled = distances_at(scale);
          for (std::size_t row = 0; row < vectors.size(); ++row)
            ASSERT_NEAR(scaled[row] / scale, whole[row], rounding(q, book.coded(row)))
                << "row " << row << ", times " << scale;
        }
      }
}

Errors errors_of(const Form& form, Metric metric, std::size_t dim, unsigned seed) {
  Random random(seed);
  const Vectors vectors = normal_vectors(random, 1000, dim), noise = normal_vectors(random, vectors.size(), dim);
  const StoredVectors stored(form.encoder(form.spec(dim, metric)), vectors);
  const auto scorer = stored.codes().scorer(metric);
  Errors errors;
  std::vector<float> query(dim);
  for (std::size_t row = 0; row < vectors.size(); ++row) {
    for (std::size_t i = 0; i < dim; ++i) query[i] = vectors.row(row)[i] + noise.row(row)[i];
    scorer->bind({.values = query});
    float distance = 0;
    scorer->score_range(static_cast<Id>(row), 1, &distance);
    errors.add(distance - exact_distance(metric, query.data(), vectors.row(row), dim));
  }
  return errors;
}

TEST(Quantized, RabitqIsRightInTheMean) {
  for (const Metric metric : {Metric::dot_product, Metric::euclidean})
    for (unsigned bits = 1; bits <= CodeParams::kMaxBits; ++bits)
      for (const std::size_t dim : {48, 128, 200}) {
        SCOPED_TRACE(std::to_string(bits) + " bits, dim " + std::to_string(dim));
        const Errors errors = errors_of(rabitq(bits), metric, dim, bits);
        EXPECT_LE(std::abs(errors.sum / errors.count), 5 * errors.root_mean_square() / std::sqrt(errors.count));
      }
}

TEST(Quantized, MoreBitsAreNoWorse) {
  for (const Metric metric : {Metric::dot_product, Metric::euclidean})
    for (const std::size_t dim : {48, 200}) {
      double before = std::numeric_limits<double>::infinity();
      for (unsigned bits = 1; bits <= CodeParams::kMaxBits; ++bits) {
        const double error = errors_of(rabitq(bits), metric, dim, 7).root_mean_square();
        EXPECT_LE(error, before * (bits <= 5 ? 0.75 : 1.05))
            << bits << " bits, dim " << dim << ": the query's own rounding is the least error";
        before = error;
      }
    }
}

/// The codes of rotated vectors are decoded for it. Other codes serve as the query themselves, rounded as a query is:
/// no number of it is off by more than half a step, 1/127 of the largest.
TEST(Quantized, AStoredVectorIsBoundAsItsDecodedValues) {
  for (const Form& form : all_forms())
    for (const Metric metric : {Metric::dot_product, Metric::euclidean}) {
      SCOPED_TRACE(form.name + (metric == Metric::euclidean ? ", euclidean" : ", dot product"));
      Random random(form.bits);
      const Vectors vectors = random_vectors(random);
      const StoredVectors stored(form.encoder(form.spec(vectors.dim, metric, true)), vectors);
      const std::size_t id = below(random, vectors.size());
      const std::vector<float> values = decoded(stored.codes(), id);
      const auto by_id = stored.codes().scorer(metric), by_values = stored.codes().scorer(metric);
      by_id->bind(vectors.view(0));  // a scorer keeps nothing of the query bound before
      by_id->bind(static_cast<Id>(id));
      by_values->bind(VectorView{.values = values});
      std::vector<float> a(vectors.size()), b(vectors.size());
      by_id->score_range(0, a.size(), a.data());
      by_values->score_range(0, b.size(), b.data());
      if (form.rotated) {
        EXPECT_EQ(a, b);
        continue;
      }
      const Book book(form, stored.sections(), vectors.dim);
      const std::vector<double> query = book.coded(id);
      const double half_step = largest_magnitude(query) / 127 / 2;
      for (std::size_t i = 0; i < a.size(); ++i) {
        const std::vector<double> coded = book.coded(i);
        double tolerance = 1e-4 * (1 + std::sqrt(product(coded, coded) * product(query, query)));  // sums in f32
        for (const double value : coded) tolerance += half_step * std::abs(value);
        ASSERT_NEAR(a[i], exact_distance(metric, values.data(), decoded(stored.codes(), i).data(), vectors.dim),
                    (metric == Metric::euclidean ? 2 : 1) * tolerance)
            << "vector " << i;
      }
    }
}

TEST(Quantized, CollectionsOfOneVectorLoseNothing) {
  for (const Form& form : all_forms())
    for (const Metric metric : {Metric::dot_product, Metric::euclidean})
      for (const std::size_t rows : {1, 200})
        for (const float value : {0.0F, 2.5F, -1e-40F}) {
          SCOPED_TRACE(form.name + ", " + std::to_string(rows) + " rows of " + std::to_string(value));
          const StoredVectors stored(form.encoder(form.spec(6, metric)),
                                     Vectors{6, std::vector<float>(6 * rows, value)});
          stored.codes().verify();
          for (const float v : decoded(stored.codes(), rows - 1)) EXPECT_EQ(v, value);
        }
}

TEST(Quantized, ExtremeValuesAreStoredAsFiniteOnes) {
  for (const Form& form : all_forms())
    for (const float extreme : {std::numeric_limits<float>::max(), 3e38F, 1e20F, 1e-20F, 1e-36F, 1e-38F,
                                std::numeric_limits<float>::denorm_min()})
      for (const Metric metric : {Metric::dot_product, Metric::euclidean})
        for (const bool linear : {false, true}) {
          SCOPED_TRACE(::testing::Message() << form.name << ", values up to " << extreme);
          Random random(1);
          Vectors vectors = normal_vectors(random, 20, 30);
          for (std::size_t i = 0; i < vectors.values.size(); ++i)
            vectors.values[i] = i / 30 == 7   ? 1.0F
                                : i / 30 == 8 ? 0.0F
                                              : std::clamp(vectors.values[i], -1.0F, 1.0F) * extreme;
          const StoredVectors stored(form.encoder(form.spec(30, metric, linear)), vectors);
          stored.codes().verify();
          const auto scorer = stored.codes().scorer(metric);
          std::vector<float> distances(20);
          for (std::size_t row = 0; row < 20; ++row) {
            for (const float value : decoded(stored.codes(), row)) ASSERT_TRUE(std::isfinite(value)) << "row " << row;
            scorer->bind(vectors.view(row));
            scorer->score_range(0, 20, distances.data());
            scorer->bind(static_cast<Id>(row));
            scorer->score_range(0, 20, distances.data());
          }
        }
}

TEST(Quantized, AFewWildRowsMoveTheCenterByNextToNothing) {
  constexpr std::size_t kDim = 7;
  for (const std::size_t rows : {100, 300, 6000})
    for (const float factor : {1e2F, 1e6F, 1e17F})
      for (const bool one_side : {false, true}) {
        SCOPED_TRACE(::testing::Message()
                     << rows << " rows, 1 % times " << factor << (one_side ? ", of one side" : ""));
        Random random(static_cast<unsigned>(rows));
        Vectors tame = normal_vectors(random, rows, kDim);
        for (float& value : tame.values) value += 3;
        Vectors wild = tame;
        for (std::size_t row = 17; row < rows; row += 100)
          for (std::size_t i = 0; i < kDim; ++i) {
            float& value = wild.values[row * kDim + i];
            value = factor * (one_side ? std::abs(value) : value - 3);
          }
        const StoredVectors of_tame(encoder_dense_int8({.dim = kDim}), tame),
            of_wild(encoder_dense_int8({.dim = kDim}), wild);
        const Book tame_book(kInt8, of_tame.sections(), kDim), wild_book(kInt8, of_wild.sections(), kDim);
        for (std::size_t i = 0; i < kDim; ++i) {
          double mean = 0, low = tame.values[i], high = low;
          for (std::size_t row = 0; row < rows; ++row) {
            const double value = tame.values[row * kDim + i];
            mean += value / static_cast<double>(rows);
            low = std::min(low, value), high = std::max(high, value);
          }
          ASSERT_NEAR(tame_book.mean(i), mean, 0.01) << "coordinate " << i;
          // A wild value counts as one at most high - low beyond the others.
          ASSERT_NEAR(wild_book.mean(i), mean, 0.01 * 2 * (high - low) + 0.01) << "coordinate " << i;
        }
      }
}

TEST(Quantized, BitsAndDimensionsThatThereAreNotAreRefused) {
  for (const unsigned bits : {0u, 9u, 16u, 4294967295u}) {
    const CodesSpec spec = rabitq(bits).spec(6, Metric::dot_product);
    const std::string given = "bits: " + std::to_string(bits) + " given";
    expect_error(Errc::invalid_argument, {given, "1 to 8"}, [&] { encoder_rabitq(spec); });
    expect_error(Errc::corrupt, {"section 'rows' at byte 4096", given}, [&] {
      open_packed<codec_rabitq>({.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = {}}, .offsets = {}},
                                0, spec);
    });
  }
  for (const Form& form : all_forms()) {
    EXPECT_GT(form.encoder(form.spec(kMaxQuantizedDim, Metric::dot_product))->row_bytes(), kMaxQuantizedDim / 8);
    for (const std::size_t dim :
         {kMaxQuantizedDim + 1, std::size_t{1} << 40, std::numeric_limits<std::size_t>::max()}) {
      const CodesSpec spec = form.spec(dim, Metric::dot_product);
      expect_error(Errc::invalid_argument, {"dim: " + std::to_string(dim) + " given", "65536"},
                   [&] { form.encoder(spec); });
      expect_error(Errc::corrupt, {"section 'rows' at byte 4096", "65536"}, [&] {
        form.open({.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = {}}, .offsets = {}}, 0, spec);
      });
    }
  }
}

TEST(Quantized, WrongLengthsAreCorrupt) {
  for (const Form& form : all_forms()) {
    SCOPED_TRACE(form.name);
    const CodesSpec spec = form.spec(10, Metric::dot_product);
    const std::size_t row = form.encoder(spec)->row_bytes(), whole = form.rotated ? 80 : 40;
    const std::vector<std::byte> rows(5 * row), model(200);
    const auto open = [&](std::size_t row_bytes, std::size_t model_bytes, std::uint64_t size) {
      return form.open(
          {.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = std::span(rows).first(row_bytes)},
           .offsets = {},
           .model = {.file = "file", .name = "model", .offset = 8192, .bytes = std::span(model).first(model_bytes)}},
          size, spec);
    };
    EXPECT_EQ(open(4 * row, whole, 4)->size(), 4u);
    for (const std::size_t length : {std::size_t{0}, 4 * row - 1, 4 * row + 1, 5 * row})
      expect_error(Errc::corrupt, {"section 'rows' at byte 4096"}, [&] { open(length, whole, 4); });
    for (const std::uint64_t size :
         {std::uint64_t{0}, std::uint64_t{3}, kMaxSize, kMaxSize + 1, (std::uint64_t{1} << 62) + 4, ~std::uint64_t{0}})
      expect_error(Errc::corrupt, {"section 'rows' at byte 4096"}, [&] { open(4 * row, whole, size); });
    for (const std::size_t length :
         {std::size_t{0}, std::size_t{39}, whole - 1, whole + 1, 120 - whole, std::size_t{200}})
      expect_error(Errc::corrupt, {"section 'model' at byte 8192"}, [&] { open(4 * row, length, 4); });
  }
}

TEST(Quantized, AnyBytesScoreAndVerifyFindsWhatIsWrong) {
  constexpr float kWrong[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity()};
  for (const Form& form : all_forms())
    for (unsigned seed = 0; seed < 24; ++seed) {
      SCOPED_TRACE(form.name + ", seed " + std::to_string(seed));
      Random random(seed);
      const Metric metric = seed % 2 ? Metric::euclidean : Metric::dot_product;
      const Vectors vectors = random_vectors(random);
      const std::size_t dim = vectors.dim;
      const StoredVectors good(form.encoder(form.spec(dim, metric)), vectors);
      std::vector<std::byte> rows(good.sections().rows.bytes.begin(), good.sections().rows.bytes.end());
      std::vector<std::byte> model(good.sections().model.bytes.begin(), good.sections().model.bytes.end());
      const auto codes = form.open({.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = rows},
                                    .offsets = {},
                                    .model = {.file = "file", .name = "model", .offset = 8192, .bytes = model}},
                                   vectors.size(), form.spec(dim, metric));
      codes->verify();
      const float wrong = kWrong[seed / 3 % 3];
      std::string place;
      if (seed % 3 == 0) {
        const std::size_t row = below(random, vectors.size()) * (rows.size() / vectors.size());
        std::memcpy(rows.data() + row + 4 * below(random, 3), &wrong, sizeof wrong);
        place = "'rows' at byte " + std::to_string(4096 + row);
      } else if (seed % 3 == 1 || !form.rotated) {
        const std::size_t at = 4 * below(random, dim);
        std::memcpy(model.data() + at, &wrong, sizeof wrong);
        place = "'model' at byte " + std::to_string(8192 + at);
      } else {
        const std::size_t at = 4 * dim + below(random, 4 * dim);
        model[at] = static_cast<std::byte>(2 + below(random, 250));
        place = "'model' at byte " + std::to_string(8192 + at);
      }
      expect_error(Errc::corrupt, {"section " + place}, [&] { codes->verify(); });
      const auto scorer = codes->scorer(metric);
      std::vector<float> distances(vectors.size());
      scorer->bind(vectors.view(0));
      scorer->score_range(0, vectors.size(), distances.data());
      scorer->bind(static_cast<Id>(vectors.size() - 1));
      scorer->score_range(0, vectors.size(), distances.data());
    }
}

}  // namespace
}  // namespace cassata::quantized_test
