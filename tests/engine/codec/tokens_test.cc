// Plain and two-level tokens: stored bytes, distances, rejected values, and damaged sections.
#include "engine/codec/tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>

#include "format/file/row_reads.h"
#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/expect_error.h"
#include "tests/support/random.h"
#include "tests/support/vector_files.h"

namespace cassata::tokens_test {
namespace {

using namespace test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_values(Random& random, std::size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

/// Sections in memory. Bytes beyond them must not be read.
struct Stored {
  std::vector<std::byte> rows, offsets, model;

  template <class Number>
  void set_offsets(const std::vector<Number>& numbers) {
    const auto bytes = std::as_bytes(std::span(numbers));
    offsets.assign(bytes.begin(), bytes.end());
  }
};

class Guarded {
 public:
  explicit Guarded(const Stored& stored)
      : rows_(stored.rows.size()), offsets_(stored.offsets.size()), model_(stored.model.size()) {
    std::ranges::copy(stored.rows, rows_.data());
    std::ranges::copy(stored.offsets, offsets_.data());
    std::ranges::copy(stored.model, model_.data());
    sections = {
        .rows = {.file = "f",
                 .name = "rows",
                 .offset = 4096,
                 .bytes = {rows_.data(), stored.rows.size()},
                 .reads = &reads_},
        .offsets = {.file = "f",
                    .name = "rows.offsets",
                    .offset = 8192,
                    .bytes = {offsets_.data(), stored.offsets.size()}},
        .model = {.file = "f", .name = "rows.model", .offset = 12288, .bytes = {model_.data(), stored.model.size()}}};
  }
  RowSections sections;

 private:
  GuardedBytes rows_, offsets_, model_;
  RowReads reads_;
};

/// A stored collection, and its tokens decoded to f32.
struct Case {
  CodesSpec spec;
  Stored stored;
  std::vector<std::uint64_t> ends;  // end of each document's tokens
  std::vector<float> tokens;
  std::size_t n_centroids = 0;

  std::size_t size() const { return ends.size(); }
  std::span<const float> document(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::span(tokens).subspan(begin * spec.dim, (ends[i] - begin) * spec.dim);
  }
};

std::vector<std::uint64_t> random_ends(Random& random, std::size_t documents, std::size_t most) {
  std::vector<std::uint64_t> ends(documents);
  std::uint64_t end = 0;
  for (auto& e : ends) e = end += random() % 4 == 0 ? 0 : random() % 5 == 0 ? 1 : below(random, most);
  return ends;
}

void set_ends(Case& c, const std::vector<std::uint64_t>& byte_ends, bool wide) {
  std::vector<std::uint64_t> places{0};
  places.insert(places.end(), byte_ends.begin(), byte_ends.end());
  wide ? c.stored.set_offsets(places) : c.stored.set_offsets(std::vector<std::uint32_t>(places.begin(), places.end()));
}

Case half_case(unsigned seed) {
  Random random(seed);
  Case c{.spec = {.dim = 1 + below(random, seed % 3 ? 40 : 300)},
         .stored = {},
         .ends = random_ends(random, 1 + below(random, 20), 40),
         .tokens = {}};
  c.tokens = random_values(random, c.ends.back() * c.spec.dim);
  std::vector<std::uint64_t> offsets{0};
  offsets.insert(offsets.end(), c.ends.begin(), c.ends.end());
  EncodedRows encoded;
  encoder_tokens_f16(c.spec)->encode(
      {.rows = c.size(), .tokens = {.data = c.tokens.data(), .dim = c.spec.dim, .offsets = offsets.data()}}, "test", 0,
      encoded);
  c.stored.rows = encoded.bytes;
  set_ends(c, encoded.ends, seed % 2);
  for (float& value : c.tokens) value = static_cast<float>(half_value(half_bits(value)));
  return c;
}

Case coded_case(unsigned seed, bool has_norms) {
  Random random(seed);
  const std::size_t m_pq = 1 + below(random, 12), width = 1 + below(random, 9), dim = m_pq * width;
  Case c{
      .spec = {.dim = dim, .code = {.m_pq = static_cast<std::uint32_t>(m_pq)}}, .stored = {}, .ends = {}, .tokens = {}};
  c.ends = random_ends(random, 1 + below(random, 20), seed % 10 ? 40 : 700);
  c.n_centroids = seed % 24 ? 1 + below(random, 60) : 65536 + below(random, 9);
  const std::vector<float> centroids = random_values(random, c.n_centroids * dim),
                           pq = random_values(random, m_pq * 256 * width);
  c.stored.model = two_level_model(centroids, pq, m_pq);
  std::vector<std::uint64_t> byte_ends;
  for (std::size_t i = 0; i < c.size(); ++i) {
    const std::size_t count = c.ends[i] - (i == 0 ? 0 : c.ends[i - 1]);
    std::vector<std::uint32_t> numbers(count);
    std::vector<std::uint8_t> codes(count * m_pq);
    for (auto& number : numbers)
      number = static_cast<std::uint32_t>(random() % 9 == 0 ? c.n_centroids - 1 : below(random, c.n_centroids));
    for (auto& code : codes) code = static_cast<std::uint8_t>(random());
    std::vector<std::uint16_t> halves(has_norms ? count : 0);
    for (auto& half : halves) half = half_bits(random() % 9 == 0 ? 0.0F : static_cast<float>(random() % 1000) / 300);
    append_two_level(numbers, halves, codes, c.n_centroids, c.stored.rows);
    byte_ends.push_back(c.stored.rows.size());
    for (std::size_t t = 0; t < count; ++t)
      for (std::size_t j = 0; j < dim; ++j) {
        const std::size_t s = j / width, code = codes[t * m_pq + s];
        const float norm = has_norms ? static_cast<float>(half_value(halves[t])) : 1;
        c.tokens.push_back(centroids[numbers[t] * dim + j] + norm * pq[(s * 256 + code) * width + j % width]);
      }
  }
  set_ends(c, byte_ends, seed % 2);
  return c;
}

Case two_level_case(unsigned seed) { return coded_case(seed, false); }
Case norms_case(unsigned seed) { return coded_case(seed, true); }

struct Form {
  const char* name;
  Case (*make)(unsigned seed);
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
};

const Form kHalf{"f16", half_case, open_tokens_f16}, kTwoLevel{"two_level", two_level_case, open_tokens_two_level},
    kNorms{"two_level_norms", norms_case, open_tokens_two_level_norms};

struct Expected {
  double distance, tolerance;
};

Expected expected_distance(const Case& c, std::span<const float> query, std::span<const float> document) {
  const std::size_t dim = c.spec.dim;
  if (query.empty()) return {0, 0};
  if (document.empty()) return {kInfinity, 0};
  Expected all{0, 0};
  for (std::size_t q = 0; q < query.size(); q += dim) {
    double largest = -kInfinity, error = 0;
    for (std::size_t t = 0; t < document.size(); t += dim) {
      double sum = 0, magnitude = 0;
      for (std::size_t j = 0; j < dim; ++j) {
        sum += double{query[q + j]} * document[t + j];
        magnitude += std::abs(double{query[q + j]} * document[t + j]);
      }
      largest = std::max(largest, sum);
      // Sums of table rows round each part of a two-level token. Parts may be larger than the token, hence the constant
      // part of the bound.
      error = std::max(error, static_cast<double>(dim + 4) * 0x1p-24 * (magnitude + static_cast<double>(dim)));
    }
    all.distance -= largest;
    all.tolerance += error + std::abs(largest) * 0x1p-20;
  }
  return all;
}

class TokenCodes : public ::testing::TestWithParam<Form> {};

TEST_P(TokenCodes, ScoreLikeDoublePrecisionInEveryWay) {
  for (unsigned seed = 0; seed < seeds(120); ++seed) {
    SCOPED_TRACE(seed);
    const Case c = GetParam().make(seed);
    const Guarded guarded(c.stored);
    const auto codes = GetParam().open(guarded.sections, c.size(), c.spec);
    codes->verify();
    EXPECT_EQ(codes->size(), c.size());
    EXPECT_EQ(codes->dim(), c.spec.dim);
    const auto scorer = codes->scorer(Metric::dot_product);
    Random random(seed);
    for (int repeat = 0; repeat < 4; ++repeat) {  // the same scorer for several queries
      const std::size_t lengths[] = {0, 1, 1 + below(random, 40), 1 + below(random, 300)};
      const std::vector<float> query = random_values(random, lengths[random() % 4] * c.spec.dim);
      scorer->bind(VectorView{.values = {}, .tokens = query});
      std::vector<Id> ids(2 * c.size());
      for (Id& id : ids) id = static_cast<Id>(below(random, c.size()));
      std::vector<float> some(ids.size()), all(c.size());
      scorer->fetch(ids);
      scorer->prefetch(ids);
      scorer->score(ids, some.data());
      scorer->score_range(0, c.size(), all.data());
      for (std::size_t i = 0; i < c.size(); ++i) {
        const Expected expected = expected_distance(c, query, c.document(i));
        if (std::isinf(expected.distance)) {
          ASSERT_EQ(all[i], kInfinity) << "document " << i;
        } else {
          ASSERT_NEAR(all[i], expected.distance, expected.tolerance)
              << "document " << i << ", " << query.size() / c.spec.dim << " tokens";
        }
      }
      for (std::size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(some[i], all[ids[i]]) << "document " << ids[i];
    }
  }
}

TEST_P(TokenCodes, HostileSectionsLeadNoScorerOutOfThem) {
  std::size_t refused = 0;
  for (unsigned seed = 0; seed < seeds(300); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Case c = GetParam().make(seed);
    std::vector<std::uint64_t> offsets(c.size() + 1);
    for (auto& offset : offsets) offset = hostile_offset(random, c.stored.rows.size());
    random() % 2 ? c.stored.set_offsets(offsets)
                 : c.stored.set_offsets(std::vector<std::uint32_t>(offsets.begin(), offsets.end()));
    if (random() % 2) c.stored.rows.resize(below(random, c.stored.rows.size() + 1));
    for (std::byte& b : c.stored.rows) b = random() % 2 ? b : static_cast<std::byte>(random());
    if (random() % 2)
      for (std::byte& b : c.stored.model) b = random() % 2 ? b : static_cast<std::byte>(random());
    const Guarded guarded(c.stored);
    const auto codes = GetParam().open(guarded.sections, c.size(), c.spec);
    const auto scorer = codes->scorer(Metric::dot_product);
    const std::vector<float> query = random_values(random, below(random, 100) * c.spec.dim);
    scorer->bind(VectorView{.values = {}, .tokens = query});
    std::vector<Id> ids(c.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::vector<float> out(c.size());
    scorer->fetch(ids);
    scorer->prefetch(ids);
    scorer->score(ids, out.data());
    scorer->score_range(0, c.size(), out.data());
    try {
      codes->verify();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, seeds(300) * 5 / 6);
}

TEST_P(TokenCodes, OpenRefusesWrongLengthsAndDims) {
  const Case c = GetParam().make(3);
  const Guarded guarded(c.stored);
  const auto open = [&](std::uint64_t size, CodesSpec spec) {
    return [&, size, spec] { GetParam().open(guarded.sections, size, spec); };
  };
  expect_error(Errc::corrupt, {"f: section 'rows.offsets'", "expected"}, open(c.size() + 1, c.spec));
  expect_error(Errc::corrupt, {"f: section 'rows.offsets'"}, open(~std::uint64_t{0}, c.spec));
  for (const std::size_t dim : {std::size_t{0}, kMaxDim + 1}) {
    CodesSpec spec = c.spec;
    spec.dim = dim;
    expect_error(Errc::corrupt, {"f: section 'rows' at byte 4096", "dim " + std::to_string(dim)}, open(c.size(), spec));
  }
}

TEST_P(TokenCodes, VerifyNamesTheDocumentWhoseOffsetsAreWrong) {
  unsigned seed = 1;
  while (GetParam().make(seed).size() <= 2) seed += 2;  // odd ones have u64 offsets
  const Case whole = GetParam().make(seed);
  std::vector<std::uint64_t> offsets(whole.size() + 1);
  std::memcpy(offsets.data(), whole.stored.offsets.data(), whole.stored.offsets.size());
  const auto verify = [&](std::size_t i, std::uint64_t offset) {
    Case c = whole;
    auto numbers = offsets;
    numbers[i] = offset;
    c.stored.set_offsets(numbers);
    const Guarded guarded(c.stored);
    GetParam().open(guarded.sections, c.size(), c.spec)->verify();
  };
  verify(1, offsets[1]);
  const std::string at_byte = "f: section 'rows.offsets' at byte ";
  expect_error(Errc::corrupt, {at_byte + "8192: document 0 from byte 0 to ", "expected whole tokens of "},
               [&] { verify(1, offsets[1] + 1); });
  expect_error(Errc::corrupt, {at_byte + "8192: document 0 from byte 0 to 18446744073709551615"},
               [&] { verify(1, ~std::uint64_t{0}); });
  expect_error(Errc::corrupt, {at_byte + "8192"}, [&] { verify(0, 1); });
  expect_error(Errc::corrupt, {"f: section 'rows.offsets' at byte "},
               [&] { verify(whole.size(), offsets.back() + 1); });
}

constexpr auto kFormName = [](const ::testing::TestParamInfo<Form>& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Forms, TokenCodes, ::testing::Values(kHalf, kTwoLevel, kNorms), kFormName);

TEST(HalfTokens, ValuesBeyondF16AreRefusedByDocumentAndToken) {
  const std::vector<float> tokens{1, 2, 3, 4, 5, 65520};
  const std::uint64_t offsets[] = {0, 1, 3};
  EncodedRows out;
  expect_error(Errc::invalid_argument, {"docs.npy: row 11, token 1, column 1: 65520"}, [&] {
    encoder_tokens_f16({.dim = 2})
        ->encode({.rows = 2, .tokens = {.data = tokens.data(), .dim = 2, .offsets = offsets}}, "docs.npy", 10, out);
  });
}

TEST(HalfTokens, VerifyFindsWhatIsNotFinite) {
  Stored stored;
  stored.rows.resize(6 * 2);  // three tokens of dim 2
  stored.rows[7] = std::byte{0x7C};
  stored.set_offsets(std::vector<std::uint32_t>{0, 4, 4, 12});
  const Guarded guarded(stored);
  expect_error(Errc::corrupt, {"f: section 'rows' at byte 4102: document 2, token 0: a NaN or an infinity"},
               [&] { open_tokens_f16(guarded.sections, 3, {.dim = 2})->verify(); });
}

TEST(TwoLevelTokens, AreNumbersThenNormsThenCodes) {
  std::vector<std::byte> narrow, wide, with_norms;
  append_two_level(std::vector<std::uint32_t>{0x0102, 3}, {}, std::vector<std::uint8_t>{7, 8, 9, 10}, 65536, narrow);
  append_two_level(std::vector<std::uint32_t>{0x0102, 3}, std::vector<std::uint16_t>{0x0405, 6},
                   std::vector<std::uint8_t>{7, 8}, 65536, with_norms);
  append_two_level(std::vector<std::uint32_t>{0x010203}, {}, std::vector<std::uint8_t>{7}, 65537, wide);
  const auto bytes = [](std::initializer_list<int> values) {
    std::vector<std::byte> out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
  };
  EXPECT_EQ(narrow, bytes({2, 1, 3, 0, 7, 8, 9, 10}));
  EXPECT_EQ(wide, bytes({3, 2, 1, 0, 7}));
  EXPECT_EQ(with_norms, bytes({2, 1, 3, 0, 5, 4, 6, 0, 7, 8}));
}

TEST(TwoLevelTokens, MoreCentroidsThanAScorerRemembers) {
  Random random(8);
  const std::size_t n_centroids = 70000, dim = 2;
  Case c{.spec = {.dim = dim, .code = {.m_pq = 1}}, .stored = {}, .ends = {}, .tokens = {}};
  const std::vector<float> centroids = random_values(random, n_centroids * dim), pq = random_values(random, 256 * dim);
  c.stored.model = two_level_model(centroids, pq, 1);
  std::vector<std::uint64_t> byte_ends;
  for (const std::size_t count :
       {300, 3000, 6000, 1, 700, 700}) {  // the scorer keeps products of 4,096 centroids for so long a query
    std::vector<std::uint32_t> numbers(count);
    std::vector<std::uint8_t> codes(count);
    for (std::size_t t = 0; t < count; ++t) {
      numbers[t] = static_cast<std::uint32_t>(below(random, n_centroids));
      codes[t] = static_cast<std::uint8_t>(random());
      for (std::size_t j = 0; j < dim; ++j)
        c.tokens.push_back(centroids[numbers[t] * dim + j] + pq[codes[t] * dim + j]);
    }
    append_two_level(numbers, {}, codes, n_centroids, c.stored.rows);
    byte_ends.push_back(c.stored.rows.size());
    c.ends.push_back(c.tokens.size() / dim);
  }
  set_ends(c, byte_ends, false);
  const Guarded guarded(c.stored);
  const auto codes = open_tokens_two_level(guarded.sections, c.size(), c.spec);
  const auto scorer = codes->scorer(Metric::dot_product);
  const std::vector<float> query = random_values(random, 1024 * dim);
  scorer->bind(VectorView{.values = {}, .tokens = query});
  const std::vector<Id> ids{0, 1, 4, 2, 3, 5, 1, 0};
  std::vector<float> out(ids.size());
  scorer->score(ids, out.data());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Expected expected = expected_distance(c, query, c.document(ids[i]));
    EXPECT_NEAR(out[i], expected.distance, expected.tolerance) << "document " << ids[i];
  }
}

TEST(TwoLevelTokens, VerifyNamesTheTokenAndTheCentroid) {
  Stored stored;
  append_two_level(std::vector<std::uint32_t>{1, 3}, {}, std::vector<std::uint8_t>{0, 0}, 3, stored.rows);
  stored.set_offsets(std::vector<std::uint32_t>{0, 0, 6});
  stored.model = two_level_model(std::vector<float>(3 * 2), std::vector<float>(256 * 2), 1);
  const CodesSpec spec{.dim = 2, .code = {.m_pq = 1}};
  {
    const Guarded guarded(stored);
    expect_error(Errc::corrupt,
                 {"f: section 'rows' at byte 4098: document 1, token 1: centroid 3, expected less than 3"},
                 [&] { open_tokens_two_level(guarded.sections, 2, spec)->verify(); });
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(stored.model.data() + 256 * 2 * 4 + 12, &nan, 4);
  const Guarded guarded(stored);
  expect_error(Errc::corrupt, {"f: section 'rows.model' at byte 14348: a NaN"},
               [&] { open_tokens_two_level(guarded.sections, 2, spec)->verify(); });
}

TEST(TwoLevelTokens, VerifyNamesTheTokenAndTheNorm) {
  const auto verify = [](std::uint16_t norm) {
    Stored stored;
    append_two_level(std::vector<std::uint32_t>{1, 2}, std::vector<std::uint16_t>{0x3C00, norm},
                     std::vector<std::uint8_t>{0, 0}, 3, stored.rows);
    stored.set_offsets(std::vector<std::uint32_t>{0, 0, 10});
    stored.model = two_level_model(std::vector<float>(3 * 2), std::vector<float>(256 * 2), 1);
    const Guarded guarded(stored);
    open_tokens_two_level_norms(guarded.sections, 2, {.dim = 2, .code = {.m_pq = 1}})->verify();
  };
  for (const std::uint16_t good : {0x0000, 0x8000, 0x0001, 0x7BFF}) verify(good);
  for (const std::uint16_t bad : {0x7C00, 0x7E00, 0x8001, 0xBC00, 0xFC00})
    expect_error(Errc::corrupt,
                 {"f: section 'rows' at byte 4102: document 1, token 1: a norm that is negative or not finite"},
                 [&] { verify(bad); });
}

TEST(TwoLevelTokens, OpenRefusesModelsOfNoShape) {
  Stored stored;
  append_two_level(std::vector<std::uint32_t>{0}, {}, std::vector<std::uint8_t>{0, 0}, 1, stored.rows);
  stored.set_offsets(std::vector<std::uint32_t>{0, 4});
  const auto open = [&](std::size_t model_floats, std::size_t dim, std::uint32_t m_pq) {
    stored.model.assign(model_floats * 4, std::byte{0});
    const Guarded guarded(stored);
    open_tokens_two_level(guarded.sections, 1, {.dim = dim, .code = {.m_pq = m_pq}});
  };
  open(257 * 6, 6, 2);
  expect_error(Errc::corrupt, {"f: section 'rows.model' at byte 12288", "6164 bytes"},
               [&] { open(256 * 6 + 5, 6, 2); });
  expect_error(Errc::corrupt, {"f: section 'rows.model'"}, [&] { open(255 * 6, 6, 2); });
  expect_error(Errc::corrupt, {"f: section 'rows.model'", "at least one"}, [&] { open(256 * 6, 6, 2); });
  expect_error(Errc::corrupt, {"m_pq is 4, expected a divisor of 6"}, [&] { open(257 * 6, 6, 4); });
  expect_error(Errc::corrupt, {"m_pq is 0"}, [&] { open(257 * 6, 6, 0); });
}

}  // namespace
}  // namespace cassata::tokens_test
