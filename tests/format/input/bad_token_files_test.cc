// Folders of token vectors that cannot be read: one clear error that names the file, the place, what was found and what
// was expected.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "format/input/token_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/random.h"
#include "tests/support/token_files.h"

namespace cassata::bad_token_files_test {
namespace {

using namespace test;

using Files = std::map<std::string, std::string>;

/// Three documents of 2, 0 and 3 tokens of 4 dimensions.
Files plain_files() {
  return {{"doclens.npy", npy_of<int>("<i4", {3}, {2, 0, 3})},
          {"documents.npy", npy_of("<f4", {5, 4}, std::vector<float>(20, 0.5f))}};
}

/// The same with room for 3 tokens each.
Files padded_files() {
  Files files = plain_files();
  files["documents.npy"] = npy_of("<f4", {3, 3, 4}, std::vector<float>(36, 0.5f));
  return files;
}

/// The same with 7 centroids, and residuals of 2 subspaces.
Files two_level_files() {
  return {{"doclens.npy", plain_files()["doclens.npy"]},
          {"centroids.npy", npy_of("<f4", {7, 4}, std::vector<float>(28, 0.5f))},
          {"index_assignment.npy", npy_of<int>("<i4", {5}, {6, 1, 2, 3, 0})},
          {"pq_centroids.npy", npy_of("<f4", {2, 256, 2}, std::vector<float>(1024, 0.5f))},
          {"residuals.npy", npy_of<int>("|u1", {5, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})}};
}

/// Queries of 2, 0 and 3 tokens.
Files query_files() {
  Files files = padded_files();
  return {{"query_doclens.npy", files["doclens.npy"]}, {"queries.npy", files["documents.npy"]}};
}

void read_everything(const std::filesystem::path& folder) {
  const TokenFolder tokens(folder);
  if (tokens.layout() == TokenLayout::plain) {
    read_all(*tokens.tokens());
  } else {
    const auto stream = tokens.two_level_tokens();
    while (!stream->next().centroids.empty()) {
    }
  }
}

class BadTokens : public ::testing::Test {
 protected:
  using Read = std::function<void(const std::filesystem::path& folder)>;

  /// The folder holds `files` and nothing else.
  void write(const Files& files) const {
    for (const std::string& name : folder_.names()) std::filesystem::remove(folder_ / name);
    for (const auto& [name, bytes] : files) write_file(folder_ / name, bytes);
  }
  /// `files` with `name` replaced must be refused by a message that begins with `blamed`'s path and has these parts in
  /// it.
  void expect_refused(const Files& files, const std::string& name, const std::string& bytes,
                      std::vector<std::string> parts, const std::string& blamed = {},
                      const Read& read = read_everything) const {
    SCOPED_TRACE(name);
    write(files);
    read(folder_.path());  // is good without
    write_file(folder_ / name, bytes);
    const std::string start = (folder_ / (blamed.empty() ? name : blamed)).string() + ": ";
    parts.push_back(start);
    EXPECT_TRUE(expect_error(Errc::invalid_argument, parts, [&] { read(folder_.path()); }).starts_with(start));
  }
  void expect_query_refused(const std::string& name, const std::string& bytes, const std::vector<std::string>& parts,
                            const std::string& blamed = {}) const {
    expect_refused(query_files(), name, bytes, parts, blamed, [](const auto& folder) { read_token_queries(folder); });
  }

  TempDir folder_;
};

TEST_F(BadTokens, FilesThatAreNotThere) {
  const auto read = [&] { read_everything(folder_.path()); };
  expect_error(
      Errc::io,
      {"documents.npy (plain tokens) or centroids.npy (two-level tokens)", folder_.path().string(), "No such file"},
      read);
  for (const Files& files : {plain_files(), two_level_files()}) {
    for (const auto& [missing, bytes] : files) {
      SCOPED_TRACE(missing);
      write(files);
      std::filesystem::remove(folder_ / missing);
      const bool tells_layout = missing == "documents.npy" || missing == "centroids.npy";
      expect_error(Errc::io, {tells_layout ? missing : (folder_ / missing).string() + ": No such file"}, read);
    }
  }
  for (const char* name : {"centroids.npy", "index_assignment.npy", "pq_centroids.npy", "residuals.npy"}) {
    write(two_level_files());
    std::filesystem::remove(folder_ / name);
    expect_error(Errc::io, {(folder_ / name).string() + ": No such file"},
                 [&] { TokenFolder(folder_.path(), TokenLayout::two_level).two_level_tokens(); });
  }
  expect_error(Errc::io, {(folder_ / "documents.npy").string() + ": No such file"},
               [&] { TokenFolder(folder_.path(), TokenLayout::plain).tokens(); });
  expect_error(Errc::io, {(folder_ / "queries.npy").string() + ": No such file"},
               [&] { read_token_queries(folder_.path()); });
  expect_error(Errc::io, {"/no/such", "No such file"}, [&] { read_token_queries("/no/such"); });
  expect_error(Errc::io, {"/no/such", "No such file"}, [&] { TokenFolder("/no/such"); });
}

TEST_F(BadTokens, Doclens) {
  const auto refuse = [&](const std::string& bytes, const std::vector<std::string>& parts,
                          const std::string& blamed = "doclens.npy") {
    for (const Files& files : {plain_files(), padded_files(), two_level_files()})
      expect_refused(files, "doclens.npy", bytes, parts, blamed);
  };
  for (const char* type : {"<i4", "<i8"})
    refuse(npy_of<int>(type, {3}, {2, -1, 4}), {"row 1: -1 tokens, expected 0 to "});
  refuse(npy_of<std::uint64_t>("<u8", {3}, {5, 0, ~std::uint64_t{0}}),
         {"row 2: 18446744073709551615 tokens, expected 0 to 9223372036854775802"});
  refuse(npy_of<std::uint64_t>("<u8", {3}, {std::uint64_t{1} << 62, std::uint64_t{1} << 62, 1}),
         {"row 1: 4611686018427387904 tokens"});
  for (const char* descr : {"<f4", "<f8", "|u1", "<i2", ">i4", "|O", "<U1"})
    refuse(npy(descr, {3}, "12345678"), {"dtype '" + std::string(descr)});
  refuse(npy_of<int>("<i4", {3, 1}, {2, 0, 3}), {"shape '(3, 1)', expected (rows,)"});
  refuse(npy_of<int>("<i4", {}, {5}), {"shape '()', expected (rows,)"});
  refuse(npy_of<int>("<i4", {3}, {2, 0}),
         {"8 bytes after the header, expected (3,) elements of 4; the file is truncated"});
  refuse(npy_of<int>("<i4", {3}, {2, 0, 3, 1}),
         {"16 bytes after the header, expected (3,) elements of 4; the file has trailing bytes"});
  for (const char* shape : {"(18446744073709551615,)", "(4611686018427387907,)", "(2147483648,)"})
    refuse(npy_header(npy_dict("<i4", shape)) + std::string(12, '\0'), {"12 bytes after the header"});
  refuse("", {"0 bytes, expected a .npy file"});
}

TEST_F(BadTokens, DoclensThatDoNotFitTheTokens) {
  const std::string doclens = (folder_ / "doclens.npy").string();
  const std::string longer = npy_of<int>("<i4", {3}, {2, 0, 4}), more = npy_of<int>("<i4", {4}, {2, 0, 2, 1}),
                    fewer = npy_of<int>("<i4", {2}, {2, 2});
  expect_refused(plain_files(), "doclens.npy", longer, {"5 tokens, expected 6, the sum of " + doclens},
                 "documents.npy");
  expect_refused(plain_files(), "doclens.npy", fewer, {"5 tokens, expected 4, the sum of " + doclens}, "documents.npy");
  expect_refused(padded_files(), "doclens.npy", longer,
                 {"row 2: 4 tokens, expected at most 3", (folder_ / "documents.npy").string()});
  expect_refused(padded_files(), "doclens.npy", more, {"3 rows, expected 4, as many as in " + doclens},
                 "documents.npy");
  expect_refused(padded_files(), "doclens.npy", fewer, {"3 rows, expected 2, as many as in " + doclens},
                 "documents.npy");
  expect_refused(two_level_files(), "doclens.npy", longer, {"5 tokens, expected 6, the sum of doclens.npy"},
                 "index_assignment.npy");
  expect_query_refused("query_doclens.npy", longer, {"row 2: 4 tokens, expected at most 3"});
  expect_query_refused("query_doclens.npy", more, {"3 rows, expected 4"}, "queries.npy");
}

TEST_F(BadTokens, Documents) {
  const auto refuse = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    for (const Files& files : {plain_files(), padded_files()}) expect_refused(files, "documents.npy", bytes, parts);
  };
  for (const char* descr : {"<f8", "|u1", "<i2", "<u4", ">f4", "|O", "<U4"}) {
    refuse(npy(descr, {5, 4}, std::string(80, '\0')),
           {"dtype '" + std::string(descr), "expected one of <f4, <f2, <u2"});
    refuse(npy(descr, {3, 3, 4}, std::string(144, '\0')), {"dtype '" + std::string(descr)});
  }
  for (const char* shape : {"(20,)", "()", "(5, 2, 2, 1)", "(5, -4)", "[5, 4]", "(5, x)"})
    refuse(npy_header(npy_dict("<f4", shape)) + std::string(80, '\0'),
           {"shape '" + std::string(shape), "expected (total_tokens, token_dim) or (documents, tokens, token_dim)"});
  for (const char* shape : {"(5, 4)", "(3, 3, 4)"})
    refuse(npy_header(npy_dict("<f4", shape, "True")) + std::string(80, '\0'),
           {"fortran_order 'True'", "numpy.ascontiguousarray"});
  refuse(npy("<f4", {5, 0}, ""), {"dim 0, expected 1 to 1048576"});
  refuse(npy("<f4", {3, 3, 0}, ""), {"dim 0, expected 1 to 1048576"});
  for (const char* shape : {"(5, 1048577)", "(5, 4611686018427387904)"})
    refuse(npy_header(npy_dict("<f4", shape)) + std::string(80, '\0'), {"dim ", "expected 1 to 1048576"});
  for (const char* shape : {"(3, 3, 4611686018427387904)", "(3, 6148914691236517206, 1)",
                            "(18446744073709551615, 18446744073709551615, 16)", "(4611686018427387909, 4)", "(0, 4)",
                            "(0, 3, 4)", "(3, 0, 4)"})
    refuse(npy_header(npy_dict("<f4", shape)) + std::string(80, '\0'), {"80 bytes after the header"});
  const std::string flat = plain_files()["documents.npy"], padded = padded_files()["documents.npy"];
  refuse(flat.substr(0, flat.size() - 1), {"79 bytes", "truncated"});
  refuse(flat + "x", {"81 bytes", "trailing bytes"});
  refuse(padded.substr(0, padded.size() - 1),
         {"143 bytes after the header, expected (3, 3, 4) elements of 4; the file is truncated"});
  refuse(padded + "x", {"145 bytes after the header, expected (3, 3, 4) elements of 4; the file has trailing bytes"});
}

TEST_F(BadTokens, Assignments) {
  const auto refuse = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    expect_refused(two_level_files(), "index_assignment.npy", bytes, parts);
  };
  for (const char* type : {"|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8"})
    refuse(npy_of<int>(type, {5}, {6, 1, 2, 7, 9}),
           {"document 2, token 1: centroid 7, expected one of the 7 of centroids.npy"});
  for (const char* type : {"|i1", "<i2", "<i4", "<i8"})
    refuse(npy_of<int>(type, {5}, {6, -1, 2, 3, 0}), {"document 0, token 1: centroid -1,"});
  refuse(npy_of<std::uint64_t>("<u8", {5}, {6, 1, ~std::uint64_t{0}, 3, 0}),
         {"document 2, token 0: centroid 18446744073709551615,"});
  refuse(npy_of<std::uint64_t>("<u8", {5}, {6, 1, 2, 3, std::uint64_t{1} << 32}),
         {"document 2, token 2: centroid 4294967296,"});
  refuse(npy_of<int>("<i4", {4}, {6, 1, 2, 3}), {"4 tokens, expected 5, the sum of doclens.npy"});
  refuse(npy_of<int>("<i4", {5, 1}, {6, 1, 2, 3, 0}), {"shape '(5, 1)', expected (total_tokens,)"});
  for (const char* descr : {"<f4", ">i4", "|b1"})
    refuse(npy(descr, {5}, std::string(20, '\0')), {"dtype '" + std::string(descr)});
  refuse(npy_of<int>("<i4", {5}, {6, 1, 2, 3}), {"16 bytes after the header", "truncated"});
}

TEST_F(BadTokens, AnAssignmentFarIntoTheFile) {
  Files files = two_level_files();
  constexpr std::size_t kTokens = 50'000, kBad = 40'123;
  files["doclens.npy"] = npy_of<std::size_t>("<i4", {3}, {100, 0, kTokens - 100});
  std::vector<int> assignment(kTokens, 3);
  files["index_assignment.npy"] = npy_of("<u2", {kTokens}, assignment);
  files["residuals.npy"] = npy("|u1", {kTokens, 2}, std::string(2 * kTokens, '\5'));
  assignment[kBad] = 300;
  expect_refused(files, "index_assignment.npy", npy_of("<u2", {kTokens}, assignment),
                 {"document 2, token 40023: centroid 300,"});
}

TEST_F(BadTokens, ResidualNorms) {
  Files files = two_level_files();
  files["residual_norms.npy"] = npy_of<int>("<f2", {5}, {0x3C00, 0, 0x8000, 0x7BFF, 1});
  const auto refuse = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    expect_refused(files, "residual_norms.npy", bytes, parts);
  };
  refuse(npy_of<int>("<f2", {5}, {0x3C00, 0, 0, 0xBC00, 1}),
         {"document 2, token 1: a negative number, expected a finite norm from 0 on"});
  refuse(npy_of<int>("<f2", {5}, {0x3C00, 0x7E00, 0, 0, 1}),
         {"document 0, token 1: a NaN or an infinity, expected a finite norm from 0 on"});
  refuse(npy_of<int>("<f2", {5}, {0x3C00, 0, 0, 0, 0x7C00}), {"document 2, token 2: a NaN or an infinity"});
  refuse(npy_of<int>("<f2", {5}, {0x3C00, 0, 0, 0, 0xFE00}), {"document 2, token 2: a NaN or an infinity"});
  refuse(npy_of<int>("<f2", {4}, {0x3C00, 0, 0, 0}), {"4 tokens, expected 5, the sum of doclens.npy"});
  refuse(npy_of<int>("<f2", {6}, {0x3C00, 0, 0, 0, 0, 0}), {"6 tokens, expected 5, the sum of doclens.npy"});
  refuse(npy_of<int>("<f2", {5, 1}, {0x3C00, 0, 0, 0, 0}), {"shape '(5, 1)', expected (total_tokens,)"});
  for (const char* descr : {"<f4", "<u2", ">f2"})
    refuse(npy(descr, {5}, std::string(20, '\0')), {"dtype '" + std::string(descr) + "'", "<f2"});
  refuse(npy_of<int>("<f2", {5}, {0x3C00, 0, 0, 0}), {"8 bytes after the header", "truncated"});
  refuse("", {"residual_norms.npy"});
}

TEST_F(BadTokens, Residuals) {
  const auto refuse = [&](const std::string& bytes, const std::vector<std::string>& parts,
                          const std::string& blamed = {}) {
    expect_refused(two_level_files(), "residuals.npy", bytes, parts, blamed);
  };
  refuse(npy("|u1", {5, 3}, std::string(15, '\1')),
         {"3 columns, expected a divisor of 4, the dimension of centroids.npy"});
  refuse(npy("|u1", {5, 0}, ""), {"0 columns, expected a divisor of 4"});
  refuse(npy("|u1", {4, 2}, std::string(8, '\1')), {"4 tokens, expected 5, the sum of doclens.npy"});
  refuse(npy("|u1", {5, 4}, std::string(20, '\1')),
         {"shape (2, 256, 2), expected (4, 256, 1) or (1024,)", "4 subspaces as in residuals.npy"}, "pq_centroids.npy");
  refuse(npy("|u1", {10}, std::string(10, '\1')), {"shape '(10,)', expected (total_tokens, m_pq)"});
  refuse(npy("|i1", {5, 2}, std::string(10, '\1')), {"dtype '|i1', expected one of |u1"});
  refuse(npy("|u1", {5, 2}, std::string(9, '\1')), {"9 bytes after the header", "truncated"});
  refuse(npy_header(npy_dict("|u1", "(5, 2)", "True")) + std::string(10, '\1'), {"fortran_order"});
  for (const char* shape : {"(5, 18446744073709551615)", "(5, 3689348814741910325)", "(0, 18446744073709551615)"})
    refuse(npy_header(npy_dict("|u1", shape)) + std::string(9, '\1'), {"9 bytes after the header"});
  write(two_level_files());
  expect_error(Errc::invalid_argument,
               {(folder_ / "residuals.npy").string() + ": 2 columns, expected 16, the value of pq_subspaces"},
               [&] { TokenFolder(folder_.path()).two_level_tokens(16); });
}

TEST_F(BadTokens, Centroids) {
  const auto refuse = [&](const std::string& bytes, const std::vector<std::string>& parts,
                          const std::string& blamed = {}) {
    expect_refused(two_level_files(), "centroids.npy", bytes, parts, blamed);
  };
  std::vector<float> values(28, 1);
  values[22] = -std::numeric_limits<float>::infinity();
  refuse(npy_of("<f4", {7, 4}, values), {"centroid 5, column 2: -infinity"});
  refuse(npy("<f4", {0, 4}, ""), {"document 0, token 0: centroid 6, expected one of the 0 of centroids.npy"},
         "index_assignment.npy");
  refuse(npy_of("<f4", {7, 6}, std::vector<float>(42, 1)), {"shape (2, 256, 2), expected (2, 256, 3) or (1536,)"},
         "pq_centroids.npy");
  refuse(npy("<f4", {7, 0}, ""), {"dim 0"});
  refuse(npy("<f4", {28}, std::string(112, '\0')), {"shape '(28,)', expected (centroids, token_dim)"});
  for (const char* descr : {"<f8", "<u2", ">f4"})
    refuse(npy(descr, {7, 4}, std::string(56, '\0')), {"dtype '" + std::string(descr)});
  refuse(npy("<f4", {7, 4}, std::string(111, '\0')), {"111 bytes after the header", "truncated"});
  refuse(npy("<f4", {std::uint64_t{1} << 33, 4}, std::string(112, '\0')),
         {"8589934592 centroids, expected at most 4294967296"});
}

TEST_F(BadTokens, PqCentroids) {
  const auto refuse = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    expect_refused(two_level_files(), "pq_centroids.npy", bytes, parts);
  };
  std::vector<float> values(1024, 1);
  values[(1 * 256 + 44) * 2 + 1] = std::nanf("");
  for (const std::vector<std::uint64_t>& shape : {std::vector<std::uint64_t>{1024}, {2, 256, 2}})
    refuse(npy_of("<f4", shape, values), {"subspace 1, centroid 44, column 1: NaN"});
  for (const std::vector<std::uint64_t>& shape :
       {std::vector<std::uint64_t>{1023}, {4, 256, 1}, {2, 2, 256}, {256, 2, 2}, {2, 255, 2}, {0, 256, 2}})
    refuse(npy("<f4", shape, std::string(4096, '\0')),
           {"shape " + shape_text(shape) + ", expected (2, 256, 2) or (1024,)"});
  refuse(npy("<f4", {512, 2}, std::string(4096, '\0')),
         {"shape '(512, 2)', expected (m_pq, 256, token_dim / m_pq) or (256 * token_dim,)"});
  refuse(npy("<f8", {1024}, std::string(8192, '\0')), {"dtype '<f8', expected one of <f4, <f2"});
  refuse(npy("<f4", {1024}, std::string(4095, '\0')), {"4095 bytes after the header", "truncated"});
  refuse(npy("<f4", {1024}, std::string(4097, '\0')), {"4097 bytes after the header", "trailing"});
}

TEST_F(BadTokens, Queries) {
  std::vector<float> values(36, 1);
  values[2 * 12 + 1 * 4 + 3] = std::nanf("");
  expect_query_refused("queries.npy", npy_of("<f4", {3, 3, 4}, values), {"query 2, token 1, column 3: NaN"});
  expect_query_refused("queries.npy", npy_of("<f4", {6, 4}, std::vector<float>(24, 1)),
                       {"6 tokens, expected 5, the sum of "});
  expect_query_refused("query_doclens.npy", npy_of<int>("<i4", {3}, {2, -3, 0}), {"row 1: -3 tokens"});
  std::filesystem::remove(folder_ / "query_doclens.npy");
  const auto refuse = [&](const std::string& bytes, const std::string& part) {
    write_file(folder_ / "queries.npy", bytes);
    expect_error(Errc::invalid_argument, {(folder_ / "queries.npy").string() + ": " + part},
                 [&] { read_token_queries(folder_.path()); });
  };
  const std::string expected = ", expected (queries, tokens, token_dim), or query_doclens.npy beside it";
  refuse(npy_of("<f4", {5, 4}, std::vector<float>(20, 1)), "shape (5, 4)" + expected);
  refuse(npy("<f4", {std::uint64_t{1} << 62, 0, 4}, ""), "shape (4611686018427387904, 0, 4)" + expected);
  refuse(npy("<f4", {std::uint64_t{1} << 62, 4, 0}, ""), "shape (4611686018427387904, 4, 0)" + expected);
  refuse(npy("<f4", {3, 3, 4}, std::string(143, '\0')), "143 bytes after the header");
  refuse(npy_of("<f4", {3, 3, 4}, values), "query 2, token 1, column 3: NaN");
}

TEST_F(BadTokens, FilesThatShrinkWhileTheyAreRead) {
  write(padded_files());
  const TokenFolder plain(folder_.path());
  const auto tokens = plain.tokens();
  std::filesystem::resize_file(folder_ / "documents.npy", 230);
  expect_error(Errc::invalid_argument, {"documents.npy: ends at byte 230"}, [&] { read_all(*tokens); });
  write(two_level_files());
  const TokenFolder two_level(folder_.path(), TokenLayout::two_level);
  const auto stream = two_level.two_level_tokens();
  std::filesystem::resize_file(folder_ / "residuals.npy", 131);
  expect_error(Errc::invalid_argument, {"residuals.npy: ends at byte 131"}, [&] { stream->next(); });
}

TEST_F(BadTokens, EveryTruncation) {
  const auto check = [&](const Files& files, const Read& read) {
    for (const auto& [name, whole] : files) {
      SCOPED_TRACE(name);
      write(files);
      for (std::size_t n = 0; n < whole.size(); n += n < 200 ? 1 : 97) {
        SCOPED_TRACE(n);
        write_file(folder_ / name, whole.substr(0, n));
        expect_error(Errc::invalid_argument, {(folder_ / name).string() + ":"}, [&] { read(folder_.path()); });
      }
    }
  };
  for (const Files& files : {plain_files(), padded_files()}) check(files, read_everything);
  check(two_level_files(), read_everything);
  check(query_files(), [](const auto& folder) { read_token_queries(folder); });
}

TEST_F(BadTokens, AnyBytesAreReadSafely) {
  const std::vector<std::pair<Files, Read>> kinds = {
      {plain_files(), read_everything},
      {padded_files(), read_everything},
      {two_level_files(),
       [](const auto& folder) {
         const auto stream = TokenFolder(folder, TokenLayout::two_level);
         const auto tokens = stream.two_level_tokens();
         while (!tokens->next().centroids.empty()) {
         }
       }},
      {query_files(), [](const auto& folder) { read_token_queries(folder); }},
      {{{"a.npy", npy_of<int>("<i4", {2}, {1, 2})}, {"b.npy", npy("<U2", {2}, std::string(16, '\0'))}},
       [](const auto& folder) { check_same_ids(folder / "a.npy", folder / "b.npy", 2); }}};
  constexpr std::string_view kTelling = "0123456789,() <|fiuUS'";
  for (unsigned seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto& [files, read] = kinds[seed % kinds.size()];
    write(files);
    auto damaged = files.begin();
    std::advance(damaged, static_cast<std::ptrdiff_t>(below(random, files.size())));
    std::string bytes = damaged->second;
    const std::size_t shape = bytes.find("'shape'"), descr = bytes.find("'descr': '") + 10;
    for (std::size_t n = 1 + below(random, 4); n > 0; --n) {
      const std::size_t kind = below(random, 4);
      if (kind == 0) bytes[below(random, bytes.size())] = static_cast<char>(random());
      if (kind == 1) bytes[shape + 9 + below(random, 10)] = kTelling[below(random, kTelling.size())];
      if (kind == 2) bytes[descr + below(random, 4)] = kTelling[below(random, kTelling.size())];
      if (kind == 3) bytes.resize(bytes.size() - below(random, 9));
    }
    write_file(folder_ / damaged->first, bytes);
    try {
      read(folder_.path());
    } catch (const Error& e) {
      ASSERT_EQ(static_cast<int>(e.code()), static_cast<int>(Errc::invalid_argument)) << e.what();
    }
  }
}

}  // namespace
}  // namespace cassata::bad_token_files_test
