// Sparse rows: stored bytes, distances, rejected values, and damaged sections.
#include "engine/codec/sparse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <string>

#include "engine/codec/fixed_point.h"
#include "engine/codec/sparse_packed.h"
#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"
#include "tests/support/vector_files.h"

namespace cassata::sparse_test {
namespace {

using namespace test;

struct Form {
  const char* name;
  std::size_t value_bytes;
  std::unique_ptr<Encoder> (*encoder)(std::size_t dim);
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, std::size_t dim);
  float most = 0;  ///< the largest number of fixed-point values without a sign
  bool euclidean = true;
};

const Form kSingle{"f32", 4, encoder_sparse_f32, open_sparse_f32}, kHalf{"f16", 2, encoder_sparse_f16, open_sparse_f16},
    kFixed8{"fixed8", 1, encoder_sparse_fixed8, open_sparse_fixed8, 255},
    kFixed16{"fixed16", 2, encoder_sparse_fixed16, open_sparse_fixed16, 65535},
    kPacked{"packed", 1, encoder_sparse_packed, open_sparse_packed, 255, false};

/// Dimensions with u16 components, with u32 components, and too large for a table: rows are merged with the query.
constexpr std::size_t kDims[] = {1, 50, 65536, 65537, std::size_t{1} << 22, (std::size_t{1} << 22) + 1, 4294967295};

class SparseCodes : public ::testing::TestWithParam<Form> {
 protected:
  /// The vectors with their values as stored.
  SparseVectors rounded(SparseVectors vectors) const {
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      const std::span values(vectors.values.data() + vectors.offsets[i], vectors.offsets[i + 1] - vectors.offsets[i]);
      const bool negative = std::ranges::any_of(values, [](float v) { return v < 0; });
      float largest = 0;
      for (const float v : values) largest = std::max(largest, std::abs(v));
      const float step = largest / (negative ? std::floor(GetParam().most / 2) : GetParam().most);
      for (float& v : values) {
        if (GetParam().most != 0) v = static_cast<float>(std::nearbyint(double{v} / double{step})) * step;
        if (GetParam().encoder == encoder_sparse_f16) v = static_cast<float>(half_value(half_bits(v)));
      }
    }
    return vectors;
  }
};

/// The encodings that store components as integers, then values.
class PlainRows : public SparseCodes {};

double exact_distance(Metric metric, const VectorView& a, const VectorView& b) {
  std::map<std::uint32_t, std::pair<double, double>> both;
  for (std::size_t i = 0; i < a.values.size(); ++i) both[a.components[i]].first = a.values[i];
  for (std::size_t i = 0; i < b.values.size(); ++i) both[b.components[i]].second = b.values[i];
  double sum = 0;
  for (const auto& [component, pair] : both)
    sum += metric == Metric::euclidean ? (pair.first - pair.second) * (pair.first - pair.second)
                                       : -pair.first * pair.second;
  return sum;
}

/// Half of the components are those of a stored row, so that products are not all 0; some are in no row.
SparseVectors query_near(Random& random, const VectorView& row, std::size_t dim) {
  std::map<std::uint32_t, float> entries;
  for (const std::uint32_t component : row.components)
    if (below(random, 2)) entries[component] = static_cast<float>(below(random, 9)) - 4;
  for (int i = 0; i < 5; ++i)
    entries[static_cast<std::uint32_t>(below(random, std::min<std::size_t>(2 * dim, 4294967295)))] = 1;
  SparseVectors out;
  for (const auto& [component, value] : entries) out.add(component, value);
  out.end_row();
  return out;
}

TEST_P(SparseCodes, ScoreLikeDoublePrecisionInEveryWay) {
  for (unsigned seed = 0; seed < seeds(70); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = kDims[seed % 7];
    const Metric metric = random() % 2 && GetParam().euclidean ? Metric::euclidean : Metric::dot_product;
    const SparseVectors vectors = random_sparse(random, 1 + below(random, 30), dim, 60);
    const StoredVectors stored(GetParam().encoder(dim), vectors.batch(dim));
    stored.codes().verify();
    const SparseVectors values = rounded(vectors);
    const auto scorer = stored.codes().scorer(metric);
    std::vector<Id> ids(vectors.size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Id>(ids.size() - 1 - i);
    std::vector<float> gathered(ids.size()), range(ids.size());
    for (int round = 0; round < 6; ++round) {  // a scorer keeps nothing of the query bound before
      const std::size_t id = below(random, vectors.size());
      const SparseVectors query = query_near(random, values.view(id), dim);
      const VectorView bound = round % 2 ? values.view(id) : query.view(0);
      round % 2 ? scorer->bind(static_cast<Id>(id)) : scorer->bind(bound);
      scorer->score(ids, gathered.data());
      scorer->score_range(0, range.size(), range.data());
      for (std::size_t i = 0; i < ids.size(); ++i) {
        ASSERT_EQ(gathered[i], range[ids[i]]);
        ASSERT_NEAR(gathered[i], exact_distance(metric, bound, values.view(ids[i])), 2e-4)
            << "row " << ids[i] << ", round " << round;
      }
    }
  }
}

TEST_P(PlainRows, AreComponentsThenValues) {
  SparseVectors vectors;
  vectors.add(2, 1.5F);
  vectors.add(70000, -2);
  vectors.end_row();
  vectors.end_row();
  StoredVectors stored(GetParam().encoder(70001), vectors.batch(70001));
  EXPECT_EQ(stored.offsets(),
            (std::vector<std::uint64_t>{0, 8 + 2 * GetParam().value_bytes, 8 + 2 * GetParam().value_bytes}));
  const std::string singles = raw(1.5F) + raw(-2.0F), halves = raw(std::uint16_t{0x3E00}) + raw(std::uint16_t{0xC000});
  const std::string expected = raw(2u) + raw(70000u) + (GetParam().value_bytes == 4 ? singles : halves);
  ASSERT_EQ(stored.bytes().size(), expected.size());
  EXPECT_EQ(std::memcmp(stored.bytes().data(), expected.data(), expected.size()), 0);
}

TEST_P(SparseCodes, AWrongNumberOfOffsetsIsCorrupt) {
  Random random(1);
  const SparseVectors vectors = random_sparse(random, 5, 100, 9);
  const StoredVectors stored(GetParam().encoder(100), vectors.batch(100));
  for (const std::uint64_t size : {std::uint64_t{4}, std::uint64_t{6}, std::uint64_t{0}, kMaxSize})
    expect_error(Errc::corrupt, {"file: section 'offsets' at byte 8192"},
                 [&] { GetParam().open(stored.sections(), size, 100); });
}

TEST_P(SparseCodes, HostileSectionsLeadNoScorerOutOfThem) {
  for (unsigned seed = 0; seed < seeds(210); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = kDims[seed % 7];
    const SparseVectors vectors = random_sparse(random, 1 + below(random, 20), dim, 20);
    StoredVectors stored(GetParam().encoder(dim), vectors.batch(dim));
    for (std::uint64_t& offset : stored.offsets())
      if (random() % 3 == 0) offset = hostile_offset(random, stored.bytes().size());
    for (std::byte& b : stored.bytes())
      if (random() % 2) b = static_cast<std::byte>(random());
    const GuardedBytes rows(stored.bytes().size());
    std::memcpy(rows.data(), stored.bytes().data(), stored.bytes().size());
    RowSections sections = stored.sections();
    sections.rows.bytes = {rows.data(), stored.bytes().size()};
    const auto codes = GetParam().open(sections, vectors.size(), dim);
    std::vector<float> distances(vectors.size());
    std::vector<Id> ids(vectors.size());
    std::iota(ids.begin(), ids.end(), Id{0});
    for (const Metric metric : {Metric::dot_product, Metric::euclidean}) {
      if (metric == Metric::euclidean && !GetParam().euclidean) continue;
      const auto scorer = codes->scorer(metric);
      for (Id id = 0; id < vectors.size(); ++id) {
        scorer->bind(id);
        scorer->score_range(0, distances.size(), distances.data());
        scorer->score(ids, distances.data());
      }
    }
    try {
      codes->verify();
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
    }
  }
}

TEST_P(PlainRows, VerifyFindsEveryBrokenRule) {
  constexpr std::size_t kDim = 100, kRows = 8;
  SparseVectors vectors;
  for (std::size_t i = 0; i < kRows; ++i, vectors.end_row())
    for (const std::uint32_t component : {3u, 50u, 99u}) vectors.add(component, 1);
  const std::size_t row_bytes = 3 * (2 + GetParam().value_bytes);
  const auto refuse = [&](const std::vector<std::string>& parts, const auto& damage) {
    StoredVectors stored(GetParam().encoder(kDim), vectors.batch(kDim));
    damage(stored);
    expect_error(Errc::corrupt, parts, [&] { stored.codes().verify(); });
  };
  const auto component = [&](std::uint16_t value) {
    return [&, value](StoredVectors& s) { std::memcpy(s.bytes().data() + 2 * row_bytes + 2, &value, 2); };
  };
  const std::string place = "section 'rows' at byte " + std::to_string(4096 + 2 * row_bytes) + ": row 2, entry ";
  refuse({place + "1: component 3"}, component(3));
  refuse({place + "1: component 2"}, component(2));
  refuse({place + "1: component 100", "below 100"}, component(100));
  refuse({place + "2: component 99"}, component(99));
  refuse({place + "0", "finite"},
         [&](StoredVectors& s) { std::memset(s.bytes().data() + 2 * row_bytes + 6, 0xFF, GetParam().value_bytes); });
  refuse({"section 'offsets' at byte 8208: row 2"}, [](StoredVectors& s) { s.offsets()[3] = 1; });
  refuse({"section 'offsets' at byte 8208: row 2"}, [](StoredVectors& s) { ++s.offsets()[3]; });
  refuse({"section 'offsets' at byte "}, [&](StoredVectors& s) { s.offsets()[kRows] -= row_bytes; });
  refuse({"section 'offsets' at byte "}, [&](StoredVectors& s) { s.offsets()[kRows] += row_bytes; });
  refuse({"section 'offsets' at byte "}, [&](StoredVectors& s) { s.offsets()[0] = row_bytes; });
}

const auto kFormName = [](const auto& form) { return std::string(form.param.name); };
INSTANTIATE_TEST_SUITE_P(Forms, SparseCodes, ::testing::Values(kSingle, kHalf, kFixed8, kFixed16, kPacked), kFormName);
INSTANTIATE_TEST_SUITE_P(Forms, PlainRows, ::testing::Values(kSingle, kHalf), kFormName);

TEST(FixedRows, AreScaleThenComponentsThenNumbers) {
  SparseVectors vectors;
  vectors.add(2, 255);
  vectors.add(70000, 3);
  vectors.end_row();
  vectors.add(1, -2);
  vectors.end_row();
  vectors.end_row();
  StoredVectors stored(encoder_sparse_fixed8(70001), vectors.batch(70001));
  EXPECT_EQ(stored.offsets(), (std::vector<std::uint64_t>{0, 14, 23, 27}));
  const std::string expected =
      raw(1.0F) + raw(2u) + raw(70000u) + "\xFF\x03" + raw(-1.0F / 32) + raw(1u) + "\xC0" + raw(0.0F);
  ASSERT_EQ(stored.bytes().size(), expected.size());
  EXPECT_EQ(std::memcmp(stored.bytes().data(), expected.data(), expected.size()), 0);
}

TEST(PackedRows, AreScaleBitsLowBytesNumbers) {
  SparseVectors vectors;
  for (const std::uint32_t component : {5u, 7u, 258u, 1000u}) vectors.add(component, 2);
  vectors.end_row();
  vectors.end_row();
  StoredVectors stored(encoder_sparse_packed(1001), vectors.batch(1001));  // top bytes 0 to 3
  EXPECT_EQ(stored.offsets(), (std::vector<std::uint64_t>{0, 13, 18}));
  // 1 1 0 1 0 0 1: two entries at top byte 0, a rise, one at 1, two rises, one at 3
  const std::string expected =
      raw(1.0F / 64) + "\x4B" + "\x05\x07\x02\xE8" + "\x80\x80\x80\x80" + raw(0.0F) + std::string(1, '\0');
  ASSERT_EQ(stored.bytes().size(), expected.size());
  EXPECT_EQ(std::memcmp(stored.bytes().data(), expected.data(), expected.size()), 0);
}

TEST(PackedRows, VerifyFindsEveryBrokenRule) {
  const auto refuse = [](const std::vector<std::string>& parts, const auto& damage) {
    SparseVectors vectors;
    for (std::size_t i = 0; i < 3; ++i, vectors.end_row())
      for (const std::uint32_t component : {3u, 50u, 299u}) vectors.add(component, 1);
    StoredVectors stored(encoder_sparse_packed(300),
                         vectors.batch(300));  // rows of 11 bytes: scale, bits, 3 low bytes, 3 values
    stored.codes().verify();
    damage(stored);
    expect_error(Errc::corrupt, parts, [&] { stored.codes().verify(); });
  };
  const auto byte = [](std::size_t at, int value) {
    return [=](StoredVectors& s) { s.bytes()[11 + at] = static_cast<std::byte>(value); };
  };
  const std::string row = "section 'rows' at byte 4107: row 1";
  refuse({row, "scale", "finite"}, [](StoredVectors& s) { std::memset(s.bytes().data() + 11, 0xFF, 4); });
  refuse({row, "2 ones and 0 in the padding", "expected 3 and 0"}, byte(4, 0x03));
  refuse({row, "3 ones and 1 in the padding"}, byte(4, 0x1B));
  refuse({row, "2 ones and 1 in the padding"}, byte(4, 0x13));
  refuse({row, "entry 1: component 3"}, byte(6, 3));
  refuse({row, "entry 2: component 300", "below 300"}, byte(7, 44));
  refuse({"section 'offsets' at byte 8200: row 1", "whole entries"}, [](StoredVectors& s) { ++s.offsets()[2]; });
  refuse({"section 'offsets' at byte 8200: row 1"}, [](StoredVectors& s) { s.offsets()[2] = 1; });
}

template <class Number>
void expect_bound(std::span<const float> values) {
  const FixedPoint<Number> fixed(values);
  float largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(v));
  const bool negative = std::ranges::any_of(values, [](float v) { return v < 0; });
  const double most = static_cast<double>(std::numeric_limits<Number>::max() / (negative ? 2 : 1));
  ASSERT_EQ(fixed.scale < 0, negative);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double stored = fixed_value(fixed.scale, fixed.numbers[i]), bound = largest / most / 2;
    ASSERT_NEAR(stored, values[i], bound * 1.0001 + std::abs(values[i]) * 1e-7) << "entry " << i;
  }
}

TEST(FixedPoint, ErrorsStayWithinTheirBound) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const float sizes[] = {1, 1e-30F, 1e30F, 3e38F};
    std::uniform_real_distribution<float> share(seed % 2 ? -1.0F : 0.0F, 1.0F);
    std::vector<float> values(1 + below(random, 20));
    for (float& v : values) v = share(random) * sizes[seed / 2 % 4];
    expect_bound<std::uint8_t>(values);
    expect_bound<std::uint16_t>(values);
  }
}

TEST(FixedPoint, TheSmallestValuesStayWhatTheyAreAbout) {
  for (const float value : {1e-45F, 1e-44F, 1e-40F, 1.2e-38F}) {
    const std::vector<float> values = {value, 0, value / 2};
    const FixedPoint<std::uint16_t> fixed(values);
    EXPECT_EQ(fixed_value(fixed.scale, fixed.numbers[1]), 0);
    for (const std::size_t i : {0, 2}) EXPECT_NEAR(fixed_value(fixed.scale, fixed.numbers[i]), values[i], value);
  }
}

TEST(FixedPoint, SmallMultiplesOfAPowerOfTwoAreExact) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const bool negative = seed % 2;
    std::vector<float> values(1 + below(random, 20));
    for (float& v : values)
      v = std::ldexp(static_cast<float>(below(random, negative ? 128 : 256)), static_cast<int>(seed % 40) - 20);
    if (negative) values[0] = -values[0];
    const FixedPoint<std::uint8_t> fixed(values);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(fixed_value(fixed.scale, fixed.numbers[i]), values[i]);
  }
}

TEST(SparseF16, ValuesBeyondItAreRefusedByRowAndEntry) {
  for (const float wrong : {65520.0F, -65520.0F, 3e38F}) {
    SparseVectors vectors;
    vectors.end_row();
    vectors.add(1, 65519.99F);
    vectors.add(7, wrong);
    vectors.end_row();
    EncodedRows out;
    expect_error(Errc::invalid_argument, {"x.bin: row 1001, entry 1: ", "f16", "65504"},
                 [&] { encoder_sparse_f16(8)->encode(vectors.batch(8), "x.bin", 1000, out); });
  }
}

}  // namespace
}  // namespace cassata::sparse_test
