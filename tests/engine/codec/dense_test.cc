// Dense rows in f32 and f16: stored bytes, distances, and rejected values.
#include "engine/codec/dense.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "engine/codec/packed_rows.h"
#include "tests/support/brute_force.h"
#include "tests/support/expect_error.h"
#include "tests/support/vector_files.h"

namespace cassata::dense_test {
namespace {

using namespace test;

struct Form {
  const char* name;
  std::size_t bytes;
  std::unique_ptr<Encoder> (*encoder)(std::size_t dim);
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
};

class DenseCodes : public ::testing::TestWithParam<Form> {
 protected:
  /// The values that the stored bytes decode to.
  Vectors stored_values(StoredVectors& stored, std::size_t dim) const {
    Vectors out{dim, std::vector<float>(stored.bytes().size() / GetParam().bytes)};
    for (std::size_t i = 0; i < out.values.size(); ++i) {
      if (GetParam().bytes == sizeof(float)) {
        std::memcpy(&out.values[i], stored.bytes().data() + i * sizeof(float), sizeof(float));
      } else {
        std::uint16_t half;
        std::memcpy(&half, stored.bytes().data() + i * sizeof half, sizeof half);
        out.values[i] = static_cast<float>(half_value(half));
      }
    }
    return out;
  }
};

std::vector<std::uint32_t> bits_of(std::span<const float> values) {
  std::vector<std::uint32_t> out;
  for (const float v : values) out.push_back(std::bit_cast<std::uint32_t>(v));
  return out;
}

TEST_P(DenseCodes, StoreTheNearestValues) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors =
        normal_vectors(random, 1 + below(random, 20), 1 + below(random, 200), seed % 2 ? 1.0F : 1e-5F);
    StoredVectors stored(GetParam().encoder(vectors.dim), vectors);
    const Vectors values = stored_values(stored, vectors.dim);
    ASSERT_EQ(values.size(), vectors.size());
    stored.codes().verify();
    for (std::size_t i = 0; i < values.values.size(); ++i) {
      const double half_a_step = GetParam().bytes == 2 ? std::max(std::abs(vectors.values[i]) * 0x1p-11, 0x1p-25) : 0;
      ASSERT_LE(std::abs(double{values.values[i]} - double{vectors.values[i]}), half_a_step) << "value " << i;
    }
  }
}

TEST_P(DenseCodes, ScoreLikeDoublePrecision) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Metric metric = random() % 2 ? Metric::euclidean : Metric::dot_product;
    const Vectors vectors = normal_vectors(random, 1 + below(random, 40), 1 + below(random, 200)),
                  query = normal_vectors(random, 1, vectors.dim);
    StoredVectors stored(GetParam().encoder(vectors.dim), vectors);
    const Vectors values = stored_values(stored, vectors.dim);
    std::vector<Id> ids(below(random, 100));
    for (Id& id : ids) id = static_cast<Id>(below(random, vectors.size()));
    std::vector<float> distances(ids.size());
    const auto scorer = stored.codes().scorer(metric);
    scorer->bind(query.view(0));
    scorer->score(ids, distances.data());
    for (std::size_t i = 0; i < ids.size(); ++i)
      ASSERT_NEAR(distances[i], exact_distance(metric, query.row(0), values.row(ids[i]), vectors.dim),
                  1e-5 * static_cast<double>(vectors.dim))
          << "id " << ids[i];
  }
}

TEST_P(DenseCodes, ARangeScoresAsItsIds) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = normal_vectors(random, 1 + below(random, 40), 1 + below(random, 200)),
                  query = normal_vectors(random, 1, vectors.dim);
    const StoredVectors stored(GetParam().encoder(vectors.dim), vectors);
    const Id first = static_cast<Id>(below(random, vectors.size()));
    std::vector<Id> ids(below(random, vectors.size() - first + 1));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = first + static_cast<Id>(i);
    std::vector<float> one_by_one(ids.size()), range(ids.size());
    const auto scorer = stored.codes().scorer(Metric::euclidean);
    scorer->bind(query.view(0));
    scorer->score(ids, one_by_one.data());
    scorer->score_range(first, ids.size(), range.data());
    ASSERT_EQ(bits_of(range), bits_of(one_by_one));
  }
}

TEST_P(DenseCodes, AStoredVectorIsBoundAsItsValues) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = normal_vectors(random, 1 + below(random, 30), 1 + below(random, 200));
    StoredVectors stored(GetParam().encoder(vectors.dim), vectors);
    const Vectors values = stored_values(stored, vectors.dim);
    const auto by_id = stored.codes().scorer(Metric::dot_product),
               by_values = stored.codes().scorer(Metric::dot_product);
    const std::size_t id = below(random, vectors.size());
    by_id->bind(values.view(below(random, vectors.size())));  // a scorer keeps nothing of the query bound before
    by_id->bind(static_cast<Id>(id));
    by_values->bind(values.view(id));
    std::vector<float> a(vectors.size()), b(vectors.size());
    by_id->score_range(0, a.size(), a.data());
    by_values->score_range(0, b.size(), b.data());
    ASSERT_EQ(bits_of(a), bits_of(b));
  }
}

TEST_P(DenseCodes, AQueryIsCopied) {
  const Vectors vectors{3, {1, 2, 3}};
  const StoredVectors stored(GetParam().encoder(3), vectors);
  const auto scorer = stored.codes().scorer(Metric::dot_product);
  {
    const std::vector<float> query = {1, 1, 1};
    scorer->bind(VectorView{.values = query});
  }
  float distance = 0;
  scorer->score_range(0, 1, &distance);
  EXPECT_EQ(distance, -6);
}

TEST_P(DenseCodes, AWrongLengthIsCorrupt) {
  const std::vector<std::byte> bytes(GetParam().bytes * 12);
  const Section section{.file = "file", .name = "rows", .offset = 4096, .bytes = bytes};
  EXPECT_EQ(GetParam().open({section, {}}, 4, {.dim = 3})->size(), 4u);
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const std::vector<std::pair<std::uint64_t, std::size_t>> wrong = {{3, 3},
                                                                    {5, 3},
                                                                    {4, 4},
                                                                    {0, 3},
                                                                    {12, 0},
                                                                    {kMaxSize, 4294967295u},
                                                                    {kMaxSize + 1, 1},
                                                                    {1ull << 62, 12},
                                                                    {kMost, kMost},
                                                                    {4, (1ull << 62) + 3},
                                                                    {kMost, 3}};
  for (const auto& [size, dim] : wrong) {
    SCOPED_TRACE(std::to_string(size) + " x " + std::to_string(dim));
    expect_error(Errc::corrupt, {"file: section 'rows' at byte 4096"}, [&, s = size, d = dim] {
      GetParam().open({section, {}}, s, {.dim = d});
    });
  }
  for (const std::size_t length : {std::size_t{0}, bytes.size() - 1, bytes.size() - GetParam().bytes}) {
    const Section shorter{.file = "file", .name = "rows", .offset = 4096, .bytes = std::span(bytes).first(length)};
    expect_error(Errc::corrupt, {"holds " + std::to_string(length) + " bytes"}, [&] {
      GetParam().open({shorter, {}}, 4, {.dim = 3});
    });
  }
}

TEST_P(DenseCodes, VerifyFindsWhatIsNotFinite) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Vectors vectors = normal_vectors(random, 1 + below(random, 20), 1 + below(random, 20));
    StoredVectors stored(GetParam().encoder(vectors.dim), vectors);
    const std::size_t place = below(random, vectors.values.size()), byte = place * GetParam().bytes;
    const float wrong[] = {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN()};
    const std::uint16_t wrong_half[] = {0x7C00, 0xFC00, 0x7C01};
    if (GetParam().bytes == 2)
      std::memcpy(stored.bytes().data() + byte, &wrong_half[seed % 3], 2);
    else
      std::memcpy(stored.bytes().data() + byte, &wrong[seed % 3], 4);
    expect_error(Errc::corrupt,
                 {"section 'rows' at byte " + std::to_string(4096 + byte) + ": row " +
                  std::to_string(place / vectors.dim) + " "},
                 [&] { stored.codes().verify(); });
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, DenseCodes,
                         ::testing::Values(Form{"f32", 4, encoder_dense_f32, open_packed<codec_dense_f32>},
                                           Form{"f16", 2, encoder_dense_f16, open_packed<codec_dense_f16>}),
                         [](const auto& form) { return std::string(form.param.name); });

TEST(DenseF16, ValuesBeyondItAreRefusedByRowAndColumn) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Vectors vectors = normal_vectors(random, 1 + below(random, 20), 1 + below(random, 40));
    const std::size_t place = below(random, vectors.values.size());
    const float values[] = {65520, -65520, 1e9F, 3e38F, -3e38F};  // 65520 is the smallest value that rounds to infinity
    vectors.values[place] = values[seed % 5];
    const auto encoder = encoder_dense_f16(vectors.dim);
    EncodedRows out;
    expect_error(Errc::invalid_argument,
                 {"x.npy: row " + std::to_string(1000 + place / vectors.dim) + ", column " +
                      std::to_string(place % vectors.dim) + ": ",
                  "f16", "65504"},
                 [&] { encoder->encode(vectors.matrix(), "x.npy", 1000, out); });
    vectors.values[place] = seed % 2 ? 65519.99F : -65519.99F;
    encoder->encode(vectors.matrix(), "x.npy", 1000, out);
  }
}

}  // namespace
}  // namespace cassata::dense_test
