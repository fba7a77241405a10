// Product quantization: stored bytes, distances, and rejected parameters.
#include "engine/codec/product.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "engine/codec/dense.h"
#include "engine/codec/packed_rows.h"
#include "tests/support/brute_force.h"
#include "tests/support/expect_error.h"

namespace cassata::product_test {
namespace {

using namespace test;

constexpr std::size_t kCentroids = 256;

CodesSpec spec_of(std::size_t dim, std::uint32_t m_pq, bool rotated = false) {
  return {.dim = dim, .metric = Metric::dot_product, .code = {.m_pq = m_pq, .bits = 0, .rotated = rotated}};
}

struct Case {
  Vectors vectors;
  CodesSpec spec;
  StoredVectors stored;

  Case(Vectors vectors_, const CodesSpec& spec_)
      : vectors(std::move(vectors_)), spec(spec_), stored(encoder_product(spec), vectors) {}
};

Case random_case(Random& random, bool rotated) {
  const std::size_t dim = 1 + below(random, 40);
  const auto m_pq = static_cast<std::uint32_t>(1 + below(random, dim));
  return {clustered_vectors(random, 1 + below(random, 700), dim, 20), spec_of(dim, m_pq, rotated)};
}

std::vector<float> decoded(const Codes& codes, std::size_t id) {
  std::vector<float> out(codes.dim());
  codes.dense_rows()->decode(static_cast<Id>(id), out.data());
  return out;
}

/// Row `i`, decoded by docs/format.md alone: the centroid of each subspace, rotated back.
std::vector<double> by_the_book(const Case& c, std::size_t i) {
  const std::size_t dim = c.spec.dim, m_pq = c.spec.code.m_pq;
  const auto bytes = c.stored.sections().model.bytes;
  std::vector<float> model(bytes.size() / sizeof(float));
  std::memcpy(model.data(), bytes.data(), bytes.size());
  const float* next = model.data() + (c.spec.code.rotated ? dim * dim : 0);
  std::vector<double> pieces;
  for (std::size_t s = 0; s < m_pq; ++s) {
    const auto code = std::to_integer<std::size_t>(c.stored.sections().rows.bytes[i * m_pq + s]);
    for (std::size_t width = dim / m_pq + (s < dim % m_pq); width > 0; --width, next += kCentroids)
      pieces.push_back(next[code]);
  }
  EXPECT_EQ(next, model.data() + model.size());
  if (!c.spec.code.rotated) return pieces;
  std::vector<double> out(dim, 0.0);
  for (std::size_t j = 0; j < dim; ++j)
    for (std::size_t k = 0; k < dim; ++k) out[k] += pieces[j] * double{model[j * dim + k]};
  return out;
}

TEST(Product, DecodesAsTheFormatSays) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Case c = random_case(random, seed % 3 == 0);
    ASSERT_EQ(c.stored.sections().rows.bytes.size(), c.vectors.size() * c.spec.code.m_pq);
    c.stored.codes().verify();
    for (std::size_t i = 0; i < c.vectors.size(); ++i) {
      const std::vector<float> values = decoded(c.stored.codes(), i);
      const std::vector<double> expected = by_the_book(c, i);
      for (std::size_t j = 0; j < c.spec.dim; ++j)
        ASSERT_NEAR(values[j], expected[j], c.spec.code.rotated ? 1e-4 : 0) << "row " << i << ", value " << j;
    }
  }
}

TEST(Product, EachPieceIsTheNearestOneOfAllThatAreStored) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Case c = random_case(random, false);
    const std::size_t dim = c.spec.dim, m_pq = c.spec.code.m_pq;
    for (std::size_t s = 0, begin = 0; s < m_pq; ++s) {
      const std::size_t width = dim / m_pq + (s < dim % m_pq);
      for (std::size_t i = 0; i < c.vectors.size(); ++i) {
        const auto error = [&](std::size_t of) {
          return exact_distance(Metric::euclidean, c.vectors.row(i) + begin,
                                decoded(c.stored.codes(), of).data() + begin, width);
        };
        ASSERT_LE(error(i), error(below(random, c.vectors.size())) + 1e-5) << "row " << i << ", piece " << s;
      }
      begin += width;
    }
  }
}

TEST(Product, UpTo256VectorsLoseNothing) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = 1 + below(random, 30);
    const bool rotated = seed % 2;
    const Case c(normal_vectors(random, 1 + below(random, kCentroids), dim),
                 spec_of(dim, static_cast<std::uint32_t>(1 + below(random, dim)), rotated));
    for (std::size_t i = 0; i < c.vectors.size(); ++i) {
      const std::vector<float> values = decoded(c.stored.codes(), i);
      for (std::size_t j = 0; j < dim; ++j)
        ASSERT_NEAR(values[j], c.vectors.row(i)[j], rotated ? 1e-4 : 0) << "row " << i;
    }
  }
}

TEST(Product, ScoresAreThoseOfTheDecodedVectors) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = seed % 2 ? Metric::euclidean : Metric::dot_product;
    const Case c = random_case(random, seed % 3 == 0);
    const Vectors query = normal_vectors(random, 1, c.spec.dim);
    const auto scorer = c.stored.codes().scorer(metric);
    scorer->bind(query.view(0));
    const Id first = static_cast<Id>(below(random, c.vectors.size()));
    std::vector<float> range(c.vectors.size() - first), one_by_one(range.size());
    std::vector<Id> ids;
    for (std::size_t i = 0; i < range.size(); ++i) ids.push_back(first + static_cast<Id>(i));
    scorer->score_range(first, range.size(), range.data());
    scorer->score(ids, one_by_one.data());
    for (std::size_t i = 0; i < range.size(); ++i) {
      ASSERT_NEAR(range[i], exact_distance(metric, query.row(0), decoded(c.stored.codes(), ids[i]).data(), c.spec.dim),
                  1e-3)
          << "row " << ids[i];
      ASSERT_EQ(std::bit_cast<std::uint32_t>(range[i]), std::bit_cast<std::uint32_t>(one_by_one[i]))
          << "row " << ids[i];
    }
  }
}

TEST(Product, AStoredVectorIsBoundAsItsDecodedValues) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Case c = random_case(random, seed % 3 == 0);
    const std::size_t id = below(random, c.vectors.size());
    const std::vector<float> values = decoded(c.stored.codes(), id);
    const auto by_id = c.stored.codes().scorer(Metric::euclidean),
               by_values = c.stored.codes().scorer(Metric::euclidean);
    by_id->bind(c.vectors.view(0));  // a scorer keeps nothing of the query bound before
    by_id->bind(static_cast<Id>(id));
    by_values->bind(VectorView{.values = values});
    std::vector<float> a(c.vectors.size()), b(c.vectors.size());
    by_id->score_range(0, a.size(), a.data());
    by_values->score_range(0, b.size(), b.data());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-3) << "row " << i;
    ASSERT_NEAR(a[id], 0, 1e-4);
  }
}

TEST(Product, TheModelDoesNotDependOnThreads) {
  for (const bool rotated : {false, true}) {
    Random random(3);
    const Vectors vectors = clustered_vectors(random, 5000, 23, 40);
    const StoredVectors plain(encoder_dense_f32(vectors.dim), vectors);
    std::vector<std::byte> models[2];
    for (const unsigned threads : {1u, 4u}) {
      const auto encoder = encoder_product(spec_of(vectors.dim, 7, rotated));
      encoder->train(*plain.codes().dense_rows(), threads, {});
      models[threads / 4].assign(encoder->model().begin(), encoder->model().end());
    }
    EXPECT_EQ(models[0], models[1]);
  }
}

TEST(Product, ACollectionOfOneVectorManyTimesOver) {
  for (const bool rotated : {false, true}) {
    const Case c({6, std::vector<float>(6 * 1000, 2.5F)}, spec_of(6, 4, rotated));
    for (const float value : decoded(c.stored.codes(), 999)) EXPECT_NEAR(value, 2.5, rotated ? 1e-4 : 0);
  }
}

TEST(Product, WhatCannotBeCutOrTurnedIsRefused) {
  for (const std::uint32_t m_pq : {0u, 7u, 4294967295u})
    expect_error(Errc::invalid_argument, {"m_pq: " + std::to_string(m_pq) + " given", "1 to 6"},
                 [&] { encoder_product(spec_of(6, m_pq)); });
  expect_error(Errc::invalid_argument, {"opq: ", "4097", "4096"},
               [&] { encoder_product(spec_of(kMaxRotatedDim + 1, 8, true)); });
}

TEST(Product, WrongLengthsAreCorrupt) {
  const std::vector<std::byte> bytes(4 * 3), floats((10 * 10 + 10 * kCentroids) * sizeof(float));
  const auto open = [&](std::size_t rows, std::size_t model, std::uint64_t size, const CodesSpec& spec) {
    return open_packed<codec_product>(
        {.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = std::span(bytes).first(rows)},
         .offsets = {},
         .model = {.file = "file", .name = "model", .offset = 8192, .bytes = std::span(floats).first(model)}},
        size, spec);
  };
  const std::size_t whole = 10 * kCentroids * sizeof(float);
  EXPECT_EQ(open(12, whole, 4, spec_of(10, 3))->size(), 4u);
  EXPECT_EQ(open(12, floats.size(), 4, spec_of(10, 3, true))->dim(), 10u);
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{5}, std::uint64_t{kMaxSize},
                                   kMaxSize + 1, std::uint64_t{(1ull << 62) + 4}, kMost})
    expect_error(Errc::corrupt, {"section 'rows' at byte 4096"}, [&] { open(12, whole, size, spec_of(10, 3)); });
  for (const std::uint32_t m_pq : {0u, 2u, 4u, 11u, 4294967295u})
    expect_error(Errc::corrupt, {"section 'rows' at byte 4096"}, [&] { open(12, whole, 4, spec_of(10, m_pq)); });
  for (const std::size_t dim : {std::size_t{4294967295u}, kMaxDim + 1, std::size_t{1} << 40})
    expect_error(Errc::corrupt, {"section 'rows' at byte 4096"}, [&] { open(12, whole, 4, spec_of(dim, 3)); });
  for (const std::size_t dim : {std::size_t{3}, std::size_t{9}, std::size_t{11}, kMaxDim})
    expect_error(Errc::corrupt, {"section 'model' at byte 8192"}, [&] { open(12, whole, 4, spec_of(dim, 3)); });
  for (const std::size_t length : {std::size_t{0}, whole - 4, whole - 1, whole + 4, floats.size()})
    expect_error(Errc::corrupt, {"section 'model' at byte 8192"}, [&] { open(12, length, 4, spec_of(10, 3)); });
  expect_error(Errc::corrupt, {"section 'model' at byte 8192"}, [&] { open(12, whole, 4, spec_of(10, 3, true)); });
  CodesSpec narrow = spec_of(10, 3);
  narrow.code.bits = 4;
  expect_error(Errc::incompatible, {"4 bits"}, [&] { open(12, whole, 4, narrow); });
}

TEST(Product, AnyBytesScoreAndVerifyFindsWhatIsNotFinite) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = 1 + below(random, 20), size = 1 + below(random, 30);
    const CodesSpec spec = spec_of(dim, static_cast<std::uint32_t>(1 + below(random, dim)), seed % 2);
    std::vector<std::byte> rows(size * spec.code.m_pq);
    std::vector<float> model(dim * kCentroids + (seed % 2 ? dim * dim : 0), 1.0F);
    for (std::byte& byte : rows) byte = static_cast<std::byte>(random());
    const std::size_t place = below(random, model.size());
    model[place] = seed % 4 < 2 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    const auto codes = open_packed<codec_product>(
        {.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = rows},
         .offsets = {},
         .model = {.file = "file", .name = "model", .offset = 8192, .bytes = std::as_bytes(std::span(model))}},
        size, spec);
    expect_error(Errc::corrupt, {"section 'model' at byte " + std::to_string(8192 + place * sizeof(float))},
                 [&] { codes->verify(); });
    const auto scorer = codes->scorer(Metric::euclidean);
    scorer->bind(static_cast<Id>(size - 1));
    std::vector<float> distances(size);
    scorer->score_range(0, size, distances.data());
  }
}

}  // namespace
}  // namespace cassata::product_test
