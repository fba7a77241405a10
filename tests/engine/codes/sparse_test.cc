// Sparse rows in f32 and f16: what is stored, what is scored, what is refused, and what damaged sections may do.
#include "engine/codes/sparse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"
#include "tests/support/vector_files.h"

namespace cassata {
namespace {

using namespace test;

struct Form {
  const char* name;
  std::size_t value_bytes;
  std::unique_ptr<Encoder> (*encoder)(std::size_t dim);
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, std::size_t dim);
};

/// u16 components; u32 ones; so many that rows are merged with the query.
constexpr std::size_t kDims[] = {1, 50, 65536, 65537, std::size_t{1} << 22, (std::size_t{1} << 22) + 1, 4294967295};

class SparseCodes : public ::testing::TestWithParam<Form> {
 protected:
  /// What is left of the vectors when their values are stored.
  SparseVectors rounded(SparseVectors vectors) const {
    if (GetParam().value_bytes == 2)
      for (float& v : vectors.values) v = static_cast<float>(static_cast<_Float16>(v));
    return vectors;
  }
};

double exact_distance(Metric metric, const VectorView& a, const VectorView& b) {
  std::map<std::uint32_t, std::pair<double, double>> both;
  for (std::size_t i = 0; i < a.values.size(); ++i) both[a.components[i]].first = a.values[i];
  for (std::size_t i = 0; i < b.values.size(); ++i) both[b.components[i]].second = b.values[i];
  double sum = 0;
  for (const auto& [component, pair] : both)
    sum += metric == Metric::euclidean ? (pair.first - pair.second) * (pair.first - pair.second) : -pair.first * pair.second;
  return sum;
}

/// Half of the components from a stored row, so that there is something to multiply, and some that no row has.
SparseVectors query_near(Random& random, const VectorView& row, std::size_t dim) {
  std::map<std::uint32_t, float> entries;
  for (const std::uint32_t component : row.components)
    if (below(random, 2)) entries[component] = static_cast<float>(below(random, 9)) - 4;
  for (int i = 0; i < 5; ++i) entries[static_cast<std::uint32_t>(below(random, std::min<std::size_t>(2 * dim, 4294967295)))] = 1;
  SparseVectors out;
  for (const auto& [component, value] : entries) out.add(component, value);
  out.end_row();
  return out;
}

TEST_P(SparseCodes, ScoreLikeDoublePrecisionInEveryWay) {
  for (unsigned seed = 0; seed < 70; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = kDims[seed % 7];
    const Metric metric = random() % 2 ? Metric::euclidean : Metric::dot_product;
    const SparseVectors vectors = random_sparse(random, 1 + below(random, 30), dim, 60);
    const StoredVectors stored(GetParam().encoder(dim), vectors.batch(dim));
    stored.codes().verify();
    const SparseVectors values = rounded(vectors);
    const auto scorer = stored.codes().scorer(metric);
    std::vector<Id> ids(vectors.size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Id>(ids.size() - 1 - i);
    std::vector<float> gathered(ids.size()), range(ids.size());
    for (int round = 0; round < 6; ++round) {  // what was bound before leaves nothing behind
      const std::size_t id = below(random, vectors.size());
      const SparseVectors query = query_near(random, values.view(id), dim);
      const VectorView bound = round % 2 ? values.view(id) : query.view(0);
      round % 2 ? scorer->bind(static_cast<Id>(id)) : scorer->bind(bound);
      scorer->score(ids, gathered.data());
      scorer->score_range(0, range.size(), range.data());
      for (std::size_t i = 0; i < ids.size(); ++i) {
        ASSERT_EQ(gathered[i], range[ids[i]]);
        ASSERT_NEAR(gathered[i], exact_distance(metric, bound, values.view(ids[i])), 2e-4) << "row " << ids[i] << ", round " << round;
      }
    }
  }
}

TEST_P(SparseCodes, RowsAreComponentsThenValues) {
  SparseVectors vectors;
  vectors.add(2, 1.5F);
  vectors.add(70000, -2);
  vectors.end_row();
  vectors.end_row();
  StoredVectors stored(GetParam().encoder(70001), vectors.batch(70001));
  EXPECT_EQ(stored.offsets(), (std::vector<std::uint64_t>{0, 8 + 2 * GetParam().value_bytes, 8 + 2 * GetParam().value_bytes}));
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
    expect_error(Errc::corrupt, {"file: section 'offsets' at byte 8192"}, [&] { GetParam().open(stored.sections(), size, 100); });
}

/// Numbers that a damaged file may hold in an offset's place.
std::uint64_t hostile(Random& random, std::size_t length) {
  const std::uint64_t numbers[] = {
      0, below(random, length + 1), length, length + 1 + below(random, 9999), random(), ~std::uint64_t{0}, std::uint64_t{1} << 63};
  return numbers[random() % 7];
}

TEST_P(SparseCodes, HostileSectionsLeadNoScorerOutOfThem) {
  for (unsigned seed = 0; seed < 210; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = kDims[seed % 7];
    const SparseVectors vectors = random_sparse(random, 1 + below(random, 20), dim, 20);
    StoredVectors stored(GetParam().encoder(dim), vectors.batch(dim));
    for (std::uint64_t& offset : stored.offsets())
      if (random() % 3 == 0) offset = hostile(random, stored.bytes().size());
    for (std::byte& b : stored.bytes())
      if (random() % 2) b = static_cast<std::byte>(random());
    const GuardedBytes rows(stored.bytes().size());
    std::memcpy(rows.data(), stored.bytes().data(), stored.bytes().size());
    RowSections sections = stored.sections();
    sections.rows.bytes = {rows.data(), stored.bytes().size()};
    const auto codes = GetParam().open(sections, vectors.size(), dim);
    std::vector<float> distances(vectors.size());
    for (const Metric metric : {Metric::dot_product, Metric::euclidean}) {
      const auto scorer = codes->scorer(metric);
      for (Id id = 0; id < vectors.size(); ++id) {
        scorer->bind(id);
        scorer->score_range(0, distances.size(), distances.data());
      }
    }
    try {
      codes->verify();
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
    }
  }
}

TEST_P(SparseCodes, VerifyFindsEveryBrokenRule) {
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
  refuse({place + "0", "finite"}, [&](StoredVectors& s) { std::memset(s.bytes().data() + 2 * row_bytes + 6, 0xFF, GetParam().value_bytes); });
  refuse({"section 'offsets' at byte 8208: row 2"}, [](StoredVectors& s) { s.offsets()[3] = 1; });
  refuse({"section 'offsets' at byte 8208: row 2"}, [](StoredVectors& s) { ++s.offsets()[3]; });
  refuse({"section 'offsets' at byte "}, [&](StoredVectors& s) { s.offsets()[kRows] -= row_bytes; });
  refuse({"section 'offsets' at byte "}, [&](StoredVectors& s) { s.offsets()[kRows] += row_bytes; });
  refuse({"section 'offsets' at byte "}, [&](StoredVectors& s) { s.offsets()[0] = row_bytes; });
}

INSTANTIATE_TEST_SUITE_P(Forms, SparseCodes,
                         ::testing::Values(Form{"f32", 4, encoder_sparse_f32, open_sparse_f32}, Form{"f16", 2, encoder_sparse_f16, open_sparse_f16}),
                         [](const auto& form) { return std::string(form.param.name); });

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
}  // namespace cassata
