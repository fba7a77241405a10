// Folders of token vectors: both layouts, every type of element, read in pieces of any size.
#include "format/input/token_files.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "cassata/checksum.h"
#include "tests/support/expect_error.h"
#include "tests/support/random.h"
#include "tests/support/token_files.h"

namespace cassata::token_files_test {
namespace {

using namespace test;

/// Documents and their tokens' values, as bits of f16.
struct Collection {
  std::vector<std::uint64_t> doclens;
  std::uint64_t longest = 0, total = 0;
  std::size_t dim = 0;
  std::vector<std::uint16_t> halves;  // total x dim

  std::vector<float> values() const {
    std::vector<float> values;
    for (const std::uint16_t half : halves) values.push_back(static_cast<float>(half_value(half)));
    return values;
  }
  std::string elements_of(const std::string& descr) const {
    return descr == "<f4" ? elements(descr, values()) : elements(descr, halves);
  }

  /// The flat layout, or the one of equal documents with NaN after their last tokens.
  std::string file(const std::string& descr, bool padded) const {
    const std::string tokens = elements_of(descr);
    if (!padded) return npy(descr, {total, dim}, tokens);
    const std::size_t row = dim * (descr.back() - '0');
    const std::string pad = descr == "<f4" ? raw(std::nanf("")) : raw(std::uint16_t{0x7E00});
    const std::uint64_t room = longest + total % 3;
    std::string bytes;
    std::size_t at = 0;
    for (const std::uint64_t n : doclens) {
      bytes += tokens.substr(at, n * row);
      at += n * row;
      for (std::size_t i = 0; i < (room - n) * dim; ++i) bytes += pad;
    }
    return npy(descr, {doclens.size(), room, dim}, bytes);
  }
};

Collection random_collection(Random& random, std::size_t documents, std::size_t longest) {
  Collection c;
  c.dim = 1 + below(random, 40);
  for (std::size_t i = 0; i < documents; ++i)
    c.doclens.push_back(below(random, 3) == 0 ? 0 : below(random, longest + 1));
  for (const std::uint64_t n : c.doclens) {
    c.total += n;
    c.longest = std::max(c.longest, n);
  }
  for (std::size_t i = 0; i < c.total * c.dim; ++i)
    c.halves.push_back(static_cast<std::uint16_t>((random() % 0x7C00) | (random() % 2) << 15));
  return c;
}

std::vector<std::uint64_t> offsets_of(const std::vector<std::uint64_t>& lengths) {
  std::vector<std::uint64_t> offsets = {0};
  for (const std::uint64_t n : lengths) offsets.push_back(offsets.back() + n);
  return offsets;
}

std::uint64_t hash_of(const std::string& bytes) { return xxh3(std::as_bytes(std::span(bytes))); }

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
std::vector<T> copy(std::span<const T> values) {
  return {values.begin(), values.end()};
}

const std::vector<std::string> kDoclenTypes = {"<i4", "<i8", "<u4", "<u8"};

TEST(TokenFolder, ReadsPlainTokensOfBothLayouts) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    const TempDir folder;
    Random random(seed);
    const Collection c = random_collection(random, below(random, 60), 1 + below(random, 90));
    const std::string doclens = kDoclenTypes[seed % kDoclenTypes.size()];
    write_file(folder / "doclens.npy", npy_of(doclens, {c.doclens.size()}, c.doclens));
    for (const std::string descr : {"<f2", "<f4", "<u2"})
      for (const bool padded : {false, true}) {
        SCOPED_TRACE(std::to_string(seed) + " " + descr + (padded ? " padded" : ""));
        write_file(folder / "documents.npy", c.file(descr, padded));
        const TokenFolder tokens(folder.path());
        ASSERT_EQ(tokens.layout(), TokenLayout::plain);
        ASSERT_EQ(tokens.size(), c.doclens.size());
        ASSERT_EQ(tokens.total_tokens(), c.total);
        ASSERT_EQ(copy(tokens.offsets()), offsets_of(c.doclens));
        ASSERT_EQ(tokens.doclens().name, "doclens.npy");
        ASSERT_EQ(tokens.doclens().rows, c.doclens.size());
        ASSERT_EQ(tokens.doclens().xxh3, hash_of(elements(doclens, c.doclens)));
        const auto stream = tokens.tokens();
        ASSERT_EQ(stream->size(), c.total);
        ASSERT_EQ(stream->dim(), c.dim);
        std::vector<float> all, piece;
        for (;;) {
          piece.resize((1 + below(random, 200)) * c.dim);
          const std::size_t rows = stream->next(piece);
          if (rows == 0) break;
          all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(rows * c.dim));
        }
        ASSERT_EQ(all, c.values());
        const std::string read = c.elements_of(descr);  // the padding is not
        ASSERT_EQ(stream->entry().name, "documents.npy");
        ASSERT_EQ(stream->entry().rows, c.total);
        ASSERT_EQ(stream->entry().bytes, read.size());
        ASSERT_EQ(stream->entry().xxh3, hash_of(read));
      }
  }
}

TEST(TokenFolder, TokensThatAreNotFiniteAreNamed) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const TempDir folder;
    Random random(seed);
    Collection c = random_collection(random, 1 + below(random, 60), 1 + below(random, 90));
    if (c.total == 0) continue;
    const std::size_t token = below(random, c.total), column = below(random, c.dim);
    c.halves[token * c.dim + column] = 0xFC00;
    std::size_t document = 0, first = 0;
    while (token >= first + c.doclens[document]) first += c.doclens[document++];
    write_file(folder / "doclens.npy", npy_of("<i4", {c.doclens.size()}, c.doclens));
    write_file(folder / "documents.npy", c.file(seed % 2 ? "<f2" : "<f4", seed % 4 < 2));
    expect_error(Errc::invalid_argument,
                 {(folder / "documents.npy").string() + ": document " + std::to_string(document) + ", token " +
                  std::to_string(token - first) + ", column " + std::to_string(column) +
                  ": -infinity; expected a finite number"},
                 [&] { read_all(*TokenFolder(folder.path()).tokens()); });
  }
}

/// Tokens of two levels.
struct TwoLevel {
  std::vector<std::uint64_t> doclens, assignment;
  std::vector<int> residuals;
  std::uint64_t n_centroids = 0, m_pq = 0, width = 0;
  std::vector<float> centroids, pq_centroids;
  std::vector<std::uint64_t> norms;  // the bits of f16; none: there is no such file

  void write(const TempDir& folder, const std::string& assigned, bool flat) const {
    write_file(folder / "doclens.npy", npy_of("<i4", {doclens.size()}, doclens));
    write_file(folder / "centroids.npy", npy_of("<f4", {n_centroids, m_pq * width}, centroids));
    write_file(folder / "index_assignment.npy", npy_of(assigned, {assignment.size()}, assignment));
    write_file(folder / "residuals.npy", npy_of("|u1", {assignment.size(), m_pq}, residuals));
    if (!norms.empty()) write_file(folder / "residual_norms.npy", npy_of("<f2", {norms.size()}, norms));
    const std::vector<std::uint64_t> shape =
        flat ? std::vector<std::uint64_t>{pq_centroids.size()} : std::vector<std::uint64_t>{m_pq, 256, width};
    write_file(folder / "pq_centroids.npy", npy_of("<f4", shape, pq_centroids));
  }
};

TwoLevel random_two_level(Random& random, std::size_t documents, std::size_t longest, std::size_t n_centroids) {
  TwoLevel t;
  t.n_centroids = n_centroids;
  t.m_pq = 1 + below(random, 8);
  t.width = 1 + below(random, 5);
  for (std::size_t i = 0; i < documents; ++i) t.doclens.push_back(below(random, longest + 1));
  const std::uint64_t total = offsets_of(t.doclens).back();
  const auto value = [&] { return static_cast<float>(random() % 2001) / 100 - 10; };
  for (std::size_t i = 0; i < total; ++i) t.assignment.push_back(below(random, n_centroids));
  for (std::size_t i = 0; i < total * t.m_pq; ++i) t.residuals.push_back(static_cast<int>(below(random, 256)));
  for (std::size_t i = 0; i < n_centroids * t.m_pq * t.width; ++i) t.centroids.push_back(value());
  for (std::size_t i = 0; i < 256 * t.m_pq * t.width; ++i) t.pq_centroids.push_back(value());
  return t;
}

TEST(TokenFolder, ReadsTokensOfTwoLevels) {
  const std::vector<std::string> types = {"|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8"};
  for (unsigned seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(seed);
    const TempDir folder;
    Random random(seed);
    const std::string type = types[seed % types.size()];
    const std::size_t most = type == "|u1" ? 256 : type == "|i1" ? 128 : 3000;
    TwoLevel t = random_two_level(random, 300, seed % 3 == 0 ? 200 : 9,
                                  1 + below(random, most));  // up to 60,000 tokens: several batches
    if (seed % 5 < 2)
      for (std::size_t i = 0; i < t.assignment.size(); ++i)
        t.norms.push_back(i % 7 == 0 ? 0x8000 : below(random, 0x7C00));
    t.write(folder, type, seed % 2 == 0);
    const TokenFolder tokens(folder.path());
    ASSERT_EQ(tokens.layout(), TokenLayout::two_level);
    ASSERT_EQ(copy(tokens.offsets()), offsets_of(t.doclens));
    const auto stream = tokens.two_level_tokens(seed % 4 < 2 ? std::optional(t.m_pq) : std::nullopt);
    ASSERT_EQ(stream->size(), t.assignment.size());
    ASSERT_EQ(stream->token_dim(), t.m_pq * t.width);
    ASSERT_EQ(stream->m_pq(), t.m_pq);
    ASSERT_EQ(copy(stream->centroids()), t.centroids);
    ASSERT_EQ(copy(stream->pq_centroids()), t.pq_centroids);
    ASSERT_EQ(stream->has_norms(), !t.norms.empty());
    std::vector<std::uint64_t> assignment, norms;
    std::vector<int> residuals;
    for (auto batch = stream->next(); !batch.centroids.empty(); batch = stream->next()) {
      ASSERT_EQ(batch.codes.size(), batch.centroids.size() * t.m_pq);
      assignment.insert(assignment.end(), batch.centroids.begin(), batch.centroids.end());
      norms.insert(norms.end(), batch.norms.begin(), batch.norms.end());
      for (const std::byte code : batch.codes) residuals.push_back(static_cast<int>(code));
    }
    ASSERT_EQ(assignment, t.assignment);
    ASSERT_EQ(residuals, t.residuals);
    ASSERT_EQ(norms, t.norms);
    const std::vector<InputEntry> entries = stream->entries();
    const auto expect = [&](std::size_t i, const std::string& name, std::uint64_t rows, const std::string& bytes) {
      EXPECT_EQ(entries[i].name, name);
      EXPECT_EQ(entries[i].rows, rows);
      EXPECT_EQ(entries[i].bytes, bytes.size());
      EXPECT_EQ(entries[i].xxh3, hash_of(bytes));
    };
    ASSERT_EQ(entries.size(), t.norms.empty() ? 4u : 5u);
    if (!t.norms.empty()) expect(4, "residual_norms.npy", t.norms.size(), elements("<f2", t.norms));
    expect(0, "centroids.npy", t.n_centroids, elements("<f4", t.centroids));
    expect(1, "index_assignment.npy", t.assignment.size(), elements(type, t.assignment));
    expect(2, "pq_centroids.npy", 256 * t.m_pq, elements("<f4", t.pq_centroids));
    expect(3, "residuals.npy", t.assignment.size(), elements("|u1", t.residuals));
  }
}

TEST(TokenFolder, ThatHoldsBothLayoutsReadsTheOneAskedFor) {
  const TempDir folder;
  Random random(1);
  const TwoLevel t = random_two_level(random, 5, 4, 7);
  t.write(folder, "<u4", false);
  const std::uint64_t dim = t.m_pq * t.width;
  write_file(folder / "documents.npy",
             npy_of("<f4", {t.assignment.size(), dim}, std::vector<float>(t.assignment.size() * dim, 1)));
  expect_error(Errc::invalid_argument,
               {folder.path().string() + ": holds both documents.npy (plain tokens) and centroids.npy"},
               [&] { TokenFolder{folder.path()}; });
  EXPECT_EQ(TokenFolder(folder.path(), TokenLayout::plain).tokens()->size(), t.assignment.size());
  EXPECT_EQ(TokenFolder(folder.path(), TokenLayout::two_level).two_level_tokens()->size(), t.assignment.size());
}

/// A file of holes, on most disks.
void write_zeros(const std::filesystem::path& path, const std::string& descr, const std::vector<std::uint64_t>& shape) {
  const std::string header = npy(descr, shape, "");
  std::uint64_t bytes = descr.back() - '0';
  for (const std::uint64_t length : shape) bytes *= length;
  write_file(path, header);
  std::filesystem::resize_file(path, header.size() + bytes);
}

std::size_t allocated() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(TokenFolder, MemoryDoesNotGrowWithTheTokens) {
  constexpr std::uint64_t kTokens = 400'000, kDim = 32;  // 50 MB plain, 14 of two levels
  constexpr std::size_t kMost = std::size_t{2} << 20;
  const TempDir folder;
  write_file(folder / "doclens.npy", npy_of("<i4", {4}, std::vector<std::uint64_t>(4, kTokens / 4)));
  write_zeros(folder / "documents.npy", "<f4", {4, kTokens / 4, kDim});
  write_zeros(folder / "centroids.npy", "<f4", {10, kDim});
  write_zeros(folder / "index_assignment.npy", "<u4", {kTokens});
  write_zeros(folder / "pq_centroids.npy", "<f4", {256 * kDim});
  write_zeros(folder / "residuals.npy", "|u1", {kTokens, kDim});
  const TokenFolder tokens(folder.path(), TokenLayout::plain);
  std::vector<float> out(1000 * kDim);
  std::size_t before = allocated();
  const auto stream = tokens.tokens();
  for (std::uint64_t i = 0; i < kTokens / 1000; ++i) ASSERT_EQ(stream->next(out), 1000u);
  EXPECT_LT(allocated(), before + kMost);
  before = allocated();
  const auto two_level = tokens.two_level_tokens();
  std::uint64_t read = 0;
  for (auto batch = two_level->next(); !batch.centroids.empty(); batch = two_level->next())
    read += batch.centroids.size();
  EXPECT_EQ(read, kTokens);
  EXPECT_LT(allocated(), before + kMost);
}

TEST(TokenQueries, OfEveryLayout) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const TempDir folder;
    Random random(seed);
    Collection c = random_collection(random, 1 + below(random, 20), 1 + below(random, 12));
    const bool padded = seed % 2, equal = seed % 4 == 3;
    if (equal) {  // as many tokens each: no doclens needed
      c.doclens.assign(c.doclens.size(), 3);
      c.total = 3 * c.doclens.size();
      c.halves.resize(c.total * c.dim);
      write_file(folder / "queries.npy", npy("<f4", {c.doclens.size(), 3, c.dim}, c.elements_of("<f4")));
    } else {
      write_file(folder / "query_doclens.npy", npy_of("<i8", {c.doclens.size()}, c.doclens));
      write_file(folder / "queries.npy", c.file(seed % 3 ? "<f4" : "<f2", padded));
    }
    const TokenQueries queries = read_token_queries(seed % 5 ? folder.path() : folder / "queries.npy");
    ASSERT_EQ(queries.size(), c.doclens.size());
    ASSERT_EQ(queries.dim, c.dim);
    ASSERT_EQ(queries.offsets, offsets_of(c.doclens));
    ASSERT_EQ(queries.values, c.values());
    const TokenBatch batch = queries.batch();
    for (std::size_t i = 0; i < queries.size(); ++i) ASSERT_EQ(batch.row(i).size(), c.doclens[i] * c.dim);
  }
}

class SameIds : public ::testing::Test {
 protected:
  void check(const std::string& left, const std::string& right, std::uint64_t count) const {
    write_file(folder_ / "left.npy", left);
    write_file(folder_ / "right.npy", right);
    check_same_ids(folder_ / "left.npy", folder_ / "right.npy", count);
  }
  void expect_refused(const std::string& left, const std::string& right, const std::vector<std::string>& parts,
                      std::uint64_t count = 2) const {
    expect_error(Errc::invalid_argument, parts, [&] { check(left, right, count); });
  }
  /// UTF-32, as NumPy keeps it, and bytes.
  static std::string wide(const std::vector<std::u32string>& texts, std::size_t length) {
    std::string bytes;
    for (const auto& text : texts)
      for (std::size_t i = 0; i < length; ++i) bytes += raw(i < text.size() ? text[i] : U'\0');
    return npy("<U" + std::to_string(length), {texts.size()}, bytes);
  }
  static std::string narrow(const std::vector<std::string>& texts, std::size_t length) {
    std::string bytes;
    for (const auto& text : texts) bytes += text + std::string(length - text.size(), '\0');
    return npy("|S" + std::to_string(length), {texts.size()}, bytes);
  }

  TempDir folder_;
};

TEST_F(SameIds, OfAnyTypes) {
  const std::vector<std::int64_t> ids = {7, 0, 2147483647, 12};
  std::vector<std::string> files;
  for (const std::string& type : kDoclenTypes) files.push_back(npy_of(type, {ids.size()}, ids));
  files.push_back(wide({U"7", U"0", U"2147483647", U"12"}, 10));
  files.push_back(wide({U"7", U"0", U"2147483647", U"12"}, 15));
  files.push_back(narrow({"7", "0", "2147483647", "12"}, 11));
  for (const std::string& left : files)
    for (const std::string& right : files) check(left, right, ids.size());
  check(wide({U"é", U"\u20AC\U0001F600", U""}, 4), narrow({"\xC3\xA9", "\xE2\x82\xAC\xF0\x9F\x98\x80", ""}, 9), 3);
  check(npy_of("<i4", {0}, std::vector<int>{}), wide({}, 3), 0);
}

TEST_F(SameIds, TheFirstThatDiffersIsNamed) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<std::uint64_t> left(1 + below(random, 400'000));  // more than one batch
    for (std::uint64_t& id : left) id = random();
    std::vector<std::uint64_t> right = left;
    const std::size_t row = below(random, left.size());
    right[row] = ~left[row];
    if (row + 1 < right.size()) right[row + 1] = 5;
    expect_refused(npy_of("<u8", {left.size()}, left), npy_of("<u8", {right.size()}, right),
                   {"right.npy: row " + std::to_string(row) + ": id '" + std::to_string(right[row]) + "', expected '" +
                    std::to_string(left[row]) + "', as in " + (folder_ / "left.npy").string()},
                   left.size());
  }
  const std::string two = npy_of<int>("<i4", {2}, {1, 2}), three = npy_of<int>("<i4", {3}, {1, 2, 3});
  expect_refused(two, three, {"right.npy: 3 ids, expected 2, one for each document"});
  expect_refused(two, three, {"left.npy: 2 ids, expected 3"}, 3);
  expect_refused(two, two, {"left.npy: 2 ids, expected 4"}, 4);
  expect_refused(wide({U"a", U"\u00E9\x1b"}, 2), narrow({"a", "b"}, 1), {"row 1: id 'b', expected '\\xc3\\xa9\\x1b'"});
}

TEST_F(SameIds, OthersAreRefused) {
  const std::string good = npy_of<int>("<i4", {2}, {1, 2});
  expect_refused(good, npy_of<float>("<f4", {2}, {1, 2}),
                 {"right.npy: dtype '<f4', expected one of <i8, <i4, <u8, <u4, |S, <U"});
  for (const char* descr : {"<U0", "|S0", "<U", "<U-1", "<U99999999999", ">U3", "<U3x", "|O"})
    expect_refused(good, npy(descr, {2}, ""), {"right.npy: dtype '" + std::string(descr) + "'"});
  expect_refused(good, npy("<U4294967295", {2}, "1234"),
                 {"right.npy: 4 bytes after the header, expected (2,) elements of 17179869180"});
  expect_refused(good, npy_of<int>("<i4", {2, 1}, {1, 2}), {"shape '(2, 1)', expected (rows,)"});
  expect_refused(good, wide({U"1", std::u32string(1, static_cast<char32_t>(0x110000))}, 1),
                 {"right.npy: row 1, character 0: 1114112"});
}

TEST(NpyWriter, WritesWhatNumPyWrites) {
  const TempDir folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  {
    NpyWriter file(folder / "x.npy", "<f4", {3, 2});
    file.append(std::as_bytes(std::span(values).first(1)));
    file.append(std::as_bytes(std::span(values).subspan(1)));
    EXPECT_FALSE(std::filesystem::exists(folder / "x.npy"));
    file.publish();
  }
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
  std::string expected = std::string("\x93NUMPY\x01\0v\0", 10) + dict;  // numpy.save of 1.26 and 2.x, byte by byte
  expected += std::string(127 - expected.size(), ' ') + "\n" + elements("<f4", values);
  EXPECT_EQ(text_of(read_file(folder / "x.npy")), expected);
  {
    NpyWriter file(folder / "y.npy", "|u1", {5});
    file.append(std::as_bytes(std::span("12345", 5)));
    file.publish();
  }
  EXPECT_EQ(text_of(read_file(folder / "y.npy")), npy("|u1", {5}, "12345"));
}

}  // namespace
}  // namespace cassata::token_files_test
