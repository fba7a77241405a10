// Training of two-level tokens: the files can be read, approximate the tokens, and are published all or none.
#include "cassata/two_level.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "format/input/token_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"
#include "tests/support/token_files.h"

namespace cassata::two_level_test {
namespace {

using namespace test;
namespace fs = std::filesystem;

const std::set<std::string> kFiles = {"centroids.npy", "doclens.npy", "index_assignment.npy", "pq_centroids.npy",
                                      "residuals.npy"};

void write_tokens(const fs::path& folder, const Vectors& tokens, const std::vector<std::int64_t>& doclens) {
  fs::create_directory(folder);
  write_file(folder / "documents.npy", npy_of("<f4", {tokens.size(), tokens.dim}, tokens.values));
  write_file(folder / "doclens.npy", npy_of("<i8", {doclens.size()}, doclens));
}

/// Documents of 0 to 20 tokens.
std::vector<std::int64_t> random_doclens(Random& random, std::size_t tokens) {
  std::vector<std::int64_t> doclens = {0};
  for (std::size_t left = tokens; left != 0; left -= static_cast<std::size_t>(doclens.back()))
    doclens.push_back(static_cast<std::int64_t>(std::min(left, below(random, 21))));
  return doclens;
}

std::set<std::string> names(const fs::path& folder) {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder)) found.insert(entry.path().filename().string());
  return found;
}

/// The tokens, decoded from the files.
Vectors decoded(const fs::path& folder) {
  const TokenFolder tokens(folder);
  EXPECT_EQ(tokens.layout(), TokenLayout::two_level);
  const auto stream = tokens.two_level_tokens();
  const std::size_t dim = stream->token_dim(), width = dim / stream->m_pq();
  Vectors out{dim, {}};
  for (TwoLevelStream::Tokens some = stream->next(); !some.centroids.empty(); some = stream->next()) {
    for (std::size_t i = 0; i < some.centroids.size(); ++i)
      for (std::size_t j = 0; j < dim; ++j) {
        const auto code = std::to_integer<std::size_t>(some.codes[i * stream->m_pq() + j / width]);
        out.values.push_back(stream->centroids()[some.centroids[i] * dim + j] +
                             stream->pq_centroids()[(j / width * 256 + code) * width + j % width]);
      }
  }
  return out;
}

/// Mean squared distance, as a share of the mean squared norm.
double error_of(const Vectors& tokens, const Vectors& others) {
  EXPECT_EQ(tokens.values.size(), others.values.size());
  double sum = 0, norm = 0;
  for (std::size_t i = 0; i < std::min(tokens.values.size(), others.values.size()); ++i) {
    sum += std::pow(double{tokens.values[i]} - double{others.values[i]}, 2);
    norm += std::pow(double{tokens.values[i]}, 2);
  }
  return sum / norm;
}

TEST(TwoLevel, FilesGiveTokensBackAsNearAsIsTold) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    const TempDir folder;
    Random random(seed);
    const std::size_t m_pq = 1 + below(random, 8), dim = m_pq * (1 + below(random, 5));
    const Vectors tokens = clustered_vectors(random, 300 + below(random, 3000), dim, 40);
    const std::vector<std::int64_t> doclens = random_doclens(random, tokens.size());
    write_tokens(folder / "in", tokens, doclens);
    const TwoLevelSummary made = train_two_level(folder / "in", folder / "out", {.pq_subspaces = m_pq});
    EXPECT_EQ(names(folder / "out"), kFiles);
    EXPECT_NEAR(made.error, error_of(tokens, decoded(folder / "out")), 1e-5);
    EXPECT_LT(made.error, made.centroid_error);
    EXPECT_LT(made.centroid_error, 0.5);
    EXPECT_EQ(made.documents, doclens.size());
    EXPECT_EQ(made.tokens, tokens.size());
    EXPECT_EQ(made.token_dim, dim);
    EXPECT_EQ(made.pq_subspaces, m_pq);
    EXPECT_EQ(made.n_centroids, automatic_centroids(tokens.size()));
    EXPECT_EQ(made.plain_bytes, 2 * dim);
    EXPECT_EQ(made.bytes, 2 + m_pq);
    const TokenFolder in(folder / "in"), out(folder / "out");
    EXPECT_TRUE(std::ranges::equal(in.offsets(), out.offsets()));
  }
}

TEST(TwoLevel, ErrorFallsWithCentroidsAndSubspaces) {
  const TempDir folder;
  Random random(1);
  write_tokens(folder / "in", clustered_vectors(random, 6000, 32, 300), {6000});
  const auto error = [&](std::size_t m_pq, std::uint64_t centroids) {
    return train_two_level(folder / "in", folder / "out", {.pq_subspaces = m_pq, .n_centroids = centroids}).error;
  };
  const double one_level = error(8, 1);  // one centroid: the mean of all tokens
  const double some = error(8, 64);
  EXPECT_LT(some, 0.9 * one_level);
  EXPECT_LT(error(8, 1024), 0.9 * some);
  EXPECT_LT(error(16, 64), 0.9 * some);
  EXPECT_GT(error(4, 64), 1.1 * some);
}

TEST(TwoLevel, SameBytesWhateverTheThreads) {
  const TempDir folder;
  Random random(2);
  write_tokens(folder / "in", clustered_vectors(random, 20'000, 16, 100), {12'000, 8'000});
  train_two_level(folder / "in", folder / "one", {.pq_subspaces = 4, .n_centroids = 1200, .num_threads = 1});
  train_two_level(folder / "in", folder / "four", {.pq_subspaces = 4, .n_centroids = 1200, .num_threads = 4});
  for (const std::string& name : kFiles)
    EXPECT_TRUE(read_file(folder / "one" / name) == read_file(folder / "four" / name)) << name;
}

TEST(TwoLevel, FewTokensAreHeldExactly) {
  for (const std::size_t count : {1, 2, 3, 50, 255}) {
    SCOPED_TRACE(count);
    const TempDir folder;
    Random random(count);
    const Vectors tokens = normal_vectors(random, count, 6);
    write_tokens(folder / "in", tokens, {0, static_cast<std::int64_t>(count), 0});
    const TwoLevelSummary made = train_two_level(folder / "in", folder / "out", {.pq_subspaces = 3});
    EXPECT_LE(made.n_centroids, count);
    EXPECT_LT(error_of(tokens, decoded(folder / "out")), 1e-9);
  }
}

TEST(TwoLevel, TokensThatAreAllEqual) {
  for (const float value : {0.0F, 0.3F}) {
    SCOPED_TRACE(value);
    const TempDir folder;
    const Vectors tokens{4, std::vector<float>(4 * 2000, value)};
    write_tokens(folder / "in", tokens, {2000});
    const TwoLevelSummary made = train_two_level(folder / "in", folder / "out", {.pq_subspaces = 2});
    EXPECT_LT(made.error, 1e-9);
    for (const float found : decoded(folder / "out").values) ASSERT_NEAR(found, value, 1e-6F);
  }
}

TEST(TwoLevel, AutomaticCentroids) {
  EXPECT_EQ(automatic_centroids(1), 1u);
  EXPECT_EQ(automatic_centroids(3), 2u);
  EXPECT_EQ(automatic_centroids(100), 64u);
  EXPECT_EQ(automatic_centroids(4096), 1024u);
  EXPECT_EQ(automatic_centroids(2'600'000), 16384u);
  EXPECT_EQ(automatic_centroids(std::uint64_t{1} << 40), 65536u);
}

TEST(TwoLevel, QueriesAndIdsAreCopied) {
  const TempDir folder;
  Random random(3);
  write_tokens(folder / "in", normal_vectors(random, 40, 4), {40});
  for (const char* name : {"ids.npy", "queries.npy", "query_doclens.npy"})
    write_file(folder / "in" / name, std::string(2'000'000, name[3]));
  write_file(folder / "in" / "notes.txt", "not ours");
  train_two_level(folder / "in", folder / "out", {.pq_subspaces = 2});
  std::set<std::string> expected = kFiles;
  for (const std::string name : {"ids.npy", "queries.npy", "query_doclens.npy"}) {
    EXPECT_TRUE(read_file(folder / "in" / name) == read_file(folder / "out" / name)) << name;
    expected.insert(name);
  }
  EXPECT_EQ(names(folder / "out"), expected);
}

TEST(TwoLevel, ChoicesThatDoNotFitAreRefused) {
  const TempDir folder;
  Random random(4);
  write_tokens(folder / "in", normal_vectors(random, 40, 6), {40});
  const auto refused = [&](const std::vector<std::string>& parts, TwoLevelChoices choices) {
    expect_error(Errc::invalid_argument, parts, [&] { train_two_level(folder / "in", folder / "out", choices); });
    EXPECT_FALSE(fs::exists(folder / "out"));
  };
  refused({"pq_subspaces: 4 given", "a divisor of 6", "documents.npy"}, {.pq_subspaces = 4});
  refused({"pq_subspaces: 0 given"}, {.pq_subspaces = 0});
  refused({"pq_subspaces: 12 given"}, {.pq_subspaces = 12});
  refused({"n_centroids: 41 given, expected at most 40", "documents.npy"}, {.pq_subspaces = 2, .n_centroids = 41});
  EXPECT_EQ(train_two_level(folder / "in", folder / "out", {.pq_subspaces = 2, .n_centroids = 40}).n_centroids, 40u);
}

TEST(TwoLevel, FoldersThatDoNotFitAreRefused) {
  const TempDir folder;
  Random random(5);
  const Vectors tokens = normal_vectors(random, 40, 6);
  write_tokens(folder / "in", tokens, {40});
  const TwoLevelChoices choices{.pq_subspaces = 2};
  fs::create_directory_symlink(folder / "in", folder / "same");
  for (const char* out : {"in", "same", "in/../in"})
    expect_error(Errc::invalid_argument, {"out_folder: ", "is the input folder"},
                 [&] { train_two_level(folder / "in", folder / out, choices); });
  expect_error(Errc::io, {"absent"}, [&] { train_two_level(folder / "absent", folder / "out", choices); });
  expect_error(Errc::io, {"no/where"}, [&] { train_two_level(folder / "in", folder / "no/where", choices); });
  expect_error(Errc::io, {"documents.npy"},
               [&] { train_two_level(folder / "in", folder / "in" / "documents.npy", choices); });
  write_tokens(folder / "empty", {6, {}}, {0, 0});
  expect_error(Errc::invalid_argument, {"empty", "no tokens"},
               [&] { train_two_level(folder / "empty", folder / "out", choices); });
  Vectors bad = tokens;
  bad.values[6 * 39 + 2] = NAN;
  write_tokens(folder / "bad", bad, {20, 20});
  expect_error(Errc::invalid_argument, {"documents.npy", "document 1, token 19"},
               [&] { train_two_level(folder / "bad", folder / "out", choices); });
  write_tokens(folder / "short", tokens, {41});
  expect_error(Errc::invalid_argument, {"40 tokens", "41", "doclens.npy"},
               [&] { train_two_level(folder / "short", folder / "out", choices); });
  EXPECT_FALSE(fs::exists(folder / "out"));
  fs::create_directory(folder / "others");
  write_file(folder / "others" / "residual_norms.npy", "of other tokens");
  expect_error(Errc::invalid_argument, {"out_folder: ", "residual_norms.npy exists and belongs to other tokens"},
               [&] { train_two_level(folder / "in", folder / "others", choices); });
}

TEST(TwoLevel, WhatProgressThrowsLeavesFormerFilesAlone) {
  const TempDir folder;
  Random random(6);
  write_tokens(folder / "in", normal_vectors(random, 3000, 4), {3000});
  write_tokens(folder / "other", normal_vectors(random, 300, 4), {300});
  train_two_level(folder / "other", folder / "former", {.pq_subspaces = 2});
  std::map<std::string, std::vector<std::byte>> former;
  for (const std::string& name : kFiles) former[name] = read_file(folder / "former" / name);
  for (const std::string at : {"sample", "centroids", "residuals", "tokens"}) {
    SCOPED_TRACE(at);
    const auto stop = [&](std::string_view stage, std::uint64_t, std::uint64_t) {
      if (stage == at) throw std::runtime_error("enough");
    };
    for (const char* out : {"former", "new"})
      EXPECT_THROW(train_two_level(folder / "in", folder / out, {.pq_subspaces = 2, .progress = stop}),
                   std::runtime_error);
    EXPECT_FALSE(fs::exists(folder / "new"));
    EXPECT_EQ(names(folder / "former"), kFiles);
    for (const std::string& name : kFiles) EXPECT_EQ(read_file(folder / "former" / name), former[name]);
  }
  std::vector<std::string> stages;
  train_two_level(folder / "in", folder / "former",
                  {.pq_subspaces = 2, .progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
                     EXPECT_LE(done, total);
                     if (stages.empty() || stages.back() != stage) stages.emplace_back(stage);
                   }});
  EXPECT_EQ(stages, (std::vector<std::string>{"sample", "centroids", "residuals", "tokens"}));
  EXPECT_EQ(TokenFolder(folder / "former").total_tokens(), 3000u);
}

TEST(TwoLevel, ReplacesNoFilesThatItDidNotWrite) {
  const TempDir folder;
  Random random(7);
  const auto tokens = normal_vectors(random, 300, 4);
  write_tokens(folder / "in", tokens, {300});
  std::vector<std::string> names(kFiles.begin(), kFiles.end());
  names.insert(names.end(), {"queries.npy", "query_doclens.npy", "ids.npy"});
  for (const std::string& name : {"queries.npy", "query_doclens.npy", "ids.npy"})
    write_file(folder / "in" / name, "\x93NUMPY of the input");
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const fs::path out = folder / ("with " + name);
    fs::create_directory(out);
    write_file(out / name, "the user's");
    const auto refused = [&] { train_two_level(folder / "in", out, {.pq_subspaces = 2}); };
    expect_error(Errc::io, {(out / name).string(), "to replace it", ": overwrite"}, refused);
    EXPECT_EQ(read_file(out / name).size(), std::string("the user's").size());
    train_two_level(folder / "in", out, {.pq_subspaces = 2, .replace = {.overwrite = true}});
    train_two_level(folder / "in", out, {.pq_subspaces = 2});  // replaces the output of the call above
    write_tokens(out, tokens, {300});                          // plain tokens, to which doclens.npy now belongs
    expect_error(Errc::io, {(out / "doclens.npy").string()}, refused);
  }
}

}  // namespace
}  // namespace cassata::two_level_test
