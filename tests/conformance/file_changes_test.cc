// Files that change under a reader, or were never whole: every kind of index ends its calls in an error and never the
// process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/cases.h"
#include "tests/conformance/multivector_cases.h"
#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/rehash.h"
#include "tests/support/temp_dir.h"

namespace cassata::file_changes_test {
namespace {

using namespace test;
namespace fs = std::filesystem;

class ChangedKind : public EveryKind {};
class ChangedMultivector : public EveryMultivector {};

constexpr std::size_t kRows = 400, kDim = 8;
constexpr SearchParams kWalk{.k = 5, .ef_search = 20};

/// An index of a kind, and what it is asked.
struct Asked {
  Vectors queries;
  TokenQueries tokens = {};

  Answers search(const Index& index) const { return test::search(index, queries, kWalk, batch()); }
  Answers search_exact(const Index& index) const { return test::search_exact(index, queries, kWalk, batch()); }

 private:
  TokenBatch batch() const { return tokens.dim == 0 ? TokenBatch() : tokens.batch(); }
};

Asked write_index(BuildParams params, const fs::path& path, unsigned seed = 1) {
  Random random(seed);
  build(whole_vectors(random, kRows, kDim), params, path);
  return {whole_vectors(random, 4, kDim)};
}

Asked write_index(const MultivectorCase& c, const fs::path& path, unsigned seed = 1) {
  Random random(seed);
  const Tokens tokens = random_tokens(random, kRows, 4, 1, 5, 3);
  join(build(whole_vectors(random, kRows, kDim), first_params(c)), tokens, c.layout, path);
  return {whole_vectors(random, 4, kDim), random_token_queries(random, 4, tokens.dim, 3)};
}

/// Every call that reads the file throws an error of one of the codes, which holds the parts.
void expect_every_call_to_throw(const Index& index, const Asked& asked, Errc code,
                                const std::vector<std::string>& parts, const fs::path& unused) {
  expect_error(code, parts, [&] { asked.search(index); });
  expect_error(code, parts, [&] { asked.search_exact(index); });
  std::vector<Id> rows(kRows);
  std::iota(rows.begin(), rows.end(), Id{0});
  expect_error(code, parts, [&] { index.vectors(rows); });
  expect_error(code, parts, [&] { index.verify(); });
  expect_error(code, parts, [&] { index.warm(Resident::all); });
  expect_error(code, parts, [&] { index.save(unused); });
  EXPECT_FALSE(fs::exists(unused));
}

void truncate_under_a_reader(const fs::path& folder, const auto& params) {
  const Asked asked = write_index(params, folder / "index");
  const Bytes whole = read_file(folder / "index");
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{kHeaderBytes}, whole.size() / 2}) {
    SCOPED_TRACE(bytes);
    write_file(folder / "index", whole);
    const Index index = Index::open(folder / "index"),
                touched = Index::open(folder / "index", {.verify = Verify::touched});
    ASSERT_EQ(::truncate((folder / "index").c_str(), static_cast<off_t>(bytes)), 0);
    const std::vector<std::string> parts = {(folder / "index").string(), "truncated"};
    if (bytes > kHeaderBytes)
      expect_error(Errc::io, parts, [&] { index.warm(Resident::all); });  // what a search reads may still be there
    ASSERT_NO_FATAL_FAILURE(expect_every_call_to_throw(index, asked, Errc::io, parts, folder / "copy"));
    expect_error(Errc::io, parts, [&] { asked.search_exact(touched); });
    overwrite_file(folder / "index", whole);
    expect_every_call_to_throw(index, asked, Errc::io, parts, folder / "copy");
    const Index again = index.reopen();
    EXPECT_TRUE(again.same_content(index));
    again.verify();
    EXPECT_EQ(asked.search(again), asked.search(Index::open(folder / "index")));
  }
}

void overwrite_under_a_reader(const fs::path& folder, const auto& params) {
  const Asked asked = write_index(params, folder / "index"), other = write_index(params, folder / "other", 2);
  const Index index = Index::open(folder / "index");
  asked.search(index);
  overwrite_file(folder / "index", read_file(folder / "other"));
  const std::vector<std::string> parts = {(folder / "index").string(), "changed in place"};
  ASSERT_NO_FATAL_FAILURE(expect_every_call_to_throw(index, asked, Errc::corrupt, parts, folder / "copy"));
  const Index fresh = index.reopen();
  EXPECT_FALSE(fresh.same_content(index));
  fresh.verify();
  EXPECT_EQ(other.search(fresh), other.search(Index::open(folder / "other")));
  EXPECT_TRUE(fresh.reopen().same_content(fresh));
  expect_error(Errc::corrupt, parts, [&] { asked.search(index); });
  Bytes damaged = read_file(folder / "other");
  damaged[100] ^= std::byte{1};
  overwrite_file(folder / "index", damaged);
  expect_error(Errc::corrupt, {"header at byte", "stays in use"}, [&] { fresh.reopen(); });
}

/// A hole of zeros in one section of a file that opens. What is hot and warmed is found by the first query, the rest by
/// those who ask for it.
void leave_holes(const fs::path& folder, const auto& params) {
  const Asked asked = write_index(params, folder / "index");
  const Bytes whole = read_file(folder / "index");
  const Index right = Index::open(folder / "index");
  for (const SectionEntry& section : right.manifest().sections) {
    Bytes crafted = whole;
    std::fill_n(crafted.begin() + static_cast<std::ptrdiff_t>(section.offset), section.length, std::byte{0});
    if (crafted == whole) continue;
    SCOPED_TRACE(section.name);
    write_file(folder / "hole", crafted);
    const std::vector<std::string> parts = {(folder / "hole").string(), "at byte "};
    if (right.file().memory().warms(section)) {
      const Index index = Index::open(folder / "hole");
      for (int i = 0; i < 2; ++i) expect_error(Errc::corrupt, parts, [&] { asked.search(index); });
      expect_error(Errc::corrupt, parts, [&] { asked.search_exact(index); });
    }
    if (section.tier == Tier::hot)
      expect_error(Errc::corrupt, parts, [&] { Index::open(folder / "hole", {.resident = Resident::hot}); });
    expect_error(Errc::corrupt, parts, [&] { Index::open(folder / "hole", {.resident = Resident::all}); });
    expect_error(Errc::corrupt, parts, [&] {
      const Index index = Index::open(folder / "hole", {.verify = Verify::touched});
      asked.search(index);
      asked.search_exact(index);
    });
    fs::rename(folder / "hole", folder / "index");
    expect_error(Errc::corrupt, {"stays in use"}, [&] { right.reopen(); });
    right.reopen({.verify = Verify::none});
    write_file(folder / "other", whole);
    fs::rename(folder / "other", folder / "index");
    const Index touched = Index::open(folder / "index", {.verify = Verify::touched});
    EXPECT_EQ(asked.search(touched), asked.search(right));
    EXPECT_EQ(asked.search_exact(touched), asked.search_exact(right));
  }
}

/// One thread writes random bytes into the file while another asks. Answers may be anything, or any error of a damaged
/// file.
void scribble_while_searching(const fs::path& folder, const auto& params) {
  const Asked asked = write_index(params, folder / "index");
  const Index index = Index::open(folder / "index");
  asked.search(index);  // what is warmed is right
  std::atomic<bool> stop = false;
  std::thread scribbler([&] {
    Random random(3);
    const int fd = ::open((folder / "index").c_str(), O_WRONLY);
    const auto& sections = index.manifest().sections;
    while (!stop) {
      const SectionEntry& section = sections[below(random, sections.size())];
      if (section.length == 0) continue;
      const std::uint64_t at = below(random, section.length), most = std::min<std::uint64_t>(section.length - at, 64);
      const Bytes bytes = random_bytes(random, 1 + below(random, most));
      EXPECT_EQ(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(section.offset + at)),
                static_cast<ssize_t>(bytes.size()));
    }
    ::close(fd);
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  while (std::chrono::steady_clock::now() < end)
    for (const auto& call :
         {std::function<void()>([&] { asked.search(index); }),
          std::function<void()>([&] { asked.search_exact(index); }), std::function<void()>([&] { index.verify(); })}) {
      try {
        call();
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
      }
    }
  stop = true;
  scribbler.join();
}

/// 32 MiB of rows.
Index long_index(const fs::path& path) {
  constexpr std::size_t kLongRows = 1 << 16, kLongDim = 128;
  const std::vector<float> values(kLongRows * kLongDim, 0.5F);
  const auto stream = memory_stream("v.npy", values.data(), kLongRows, kLongDim, ElementType::f32);
  return Index::build(*stream, {.schema = {.kind = Kind::flat}}, path);
}

TEST(Verify, TellsItsProgressWhileRulesAreCheckedAndCanBeStoppedThen) {
  const TempDir folder;
  const Index index = long_index(folder / "index");
  std::uint64_t calls = 0, last = 0;
  index.verify([&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(stage, "verify");
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    last = done;
    ++calls;
  });
  EXPECT_GE(calls, 4u) << "each 16 MiB that are hashed, and each that is checked";
  struct Stop {};
  for (std::uint64_t stop = 1; stop <= calls; ++stop) {
    std::uint64_t call = 0;
    EXPECT_THROW(index.verify([&](auto...) { ++call == stop ? throw Stop() : void(); }), Stop);
  }
}

TEST(Verify, AFileThatIsTruncatedMeanwhileCannotBeRead) {
  const TempDir folder;
  const Index index = long_index(folder / "index");
  expect_error(Errc::io, {"truncated while it was in use", "20000000"}, [&] {
    index.verify([&](auto...) { ASSERT_EQ(::truncate((folder / "index").c_str(), 20'000'000), 0); });
  });
}

TEST(SigbusGuard, IsSwitchedOffByAChoiceOfOpen) {
  for (const bool guard : {true, false}) {
    const TempDir folder;
    const Asked asked = write_index({.schema = {.kind = Kind::flat}}, folder / "index");
    Child child([&] {
      const Index index = Index::open(folder / "index", {.sigbus_guard = guard});
      if (::truncate((folder / "index").c_str(), kHeaderBytes) != 0) return 2;
      expect_error(Errc::io, {"truncated"}, [&] { asked.search(index); });
      return ::testing::Test::HasFailure() ? 1 : 0;
    });
    const int end = child.wait();
    EXPECT_EQ(end == 0, guard) << end;  // sanitizers end it in their own way
  }
}

TEST(Verify, TouchedBlocksAreCheckedOnceAndOthersNot) {
  const TempDir folder;
  long_index(folder / "index");
  Bytes whole = read_file(folder / "index");
  whole[20'000'000] ^= std::byte{1};
  write_file(folder / "index", whole);
  const Index index = Index::open(folder / "index", {.verify = Verify::touched});
  const auto rows = index.file().section("codes.rows");
  index.file().touch(rows.bytes.first(10'000'000));
  index.file().check_intact();
  whole[10'000] ^= std::byte{1};
  overwrite_file(folder / "index", whole);  // of a block that was checked
  index.file().touch(rows.bytes.first(10'000'000));
  index.file().check_intact();
  index.file().touch(rows.bytes.subspan(10'000'000, 15'000'000));
  expect_error(Errc::corrupt, {"section 'codes.rows' at byte 19992576"}, [&] { index.file().check_intact(); });
}

TEST_P(ChangedKind, TruncatedUnderAReader) { truncate_under_a_reader(TempDir().path(), GetParam()); }
TEST_P(ChangedKind, OverwrittenUnderAReader) { overwrite_under_a_reader(TempDir().path(), GetParam()); }
TEST_P(ChangedKind, HolesAreFoundWhereTheyAreUsed) { leave_holes(TempDir().path(), GetParam()); }
TEST_P(ChangedKind, ScribbledWhileSearching) { scribble_while_searching(TempDir().path(), GetParam()); }
TEST_P(ChangedMultivector, TruncatedUnderAReader) { truncate_under_a_reader(TempDir().path(), GetParam()); }
TEST_P(ChangedMultivector, OverwrittenUnderAReader) { overwrite_under_a_reader(TempDir().path(), GetParam()); }
TEST_P(ChangedMultivector, HolesAreFoundWhereTheyAreUsed) { leave_holes(TempDir().path(), GetParam()); }
TEST_P(ChangedMultivector, ScribbledWhileSearching) { scribble_while_searching(TempDir().path(), GetParam()); }

CASSATA_FOR_CASES(ChangedKind, all_cases());

std::vector<MultivectorCase> few_multivector_cases() {
  std::vector<MultivectorCase> cases = multivector_cases();
  std::erase_if(cases, [](const MultivectorCase& c) {
    return c.graph != BuildParams().schema.graph || (c.first != Encoding::f32 && c.first != Encoding::sparse_f16);
  });
  return cases;
}

CASSATA_FOR_CASES(ChangedMultivector, few_multivector_cases());

}  // namespace
}  // namespace cassata::file_changes_test
