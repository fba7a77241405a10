// Sparse collections: read as they were written; invalid files are refused.
#include "format/input/sparse_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::sparse_files_test {
namespace {

using namespace test;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

std::string file_of(const SparseVectors& vectors) {
  std::string out = raw(static_cast<std::uint32_t>(vectors.size()));
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const VectorView row = vectors.view(i);
    out += sparse_row({row.components.begin(), row.components.end()}, {row.values.begin(), row.values.end()});
  }
  return out;
}

/// Reads all batches, each of which must be of bounded length, and compares.
void check(SparseStream& stream, const SparseVectors& expected) {
  ASSERT_EQ(stream.size(), expected.size());
  std::size_t row = 0;
  for (Batch batch = stream.next_batch(); batch.rows != 0; batch = stream.next_batch()) {
    ASSERT_TRUE(batch.sparse());
    ASSERT_LE(batch.rows, std::size_t{1} << 16);
    ASSERT_LE(batch.offsets[batch.rows], std::size_t{1} << 20);
    for (std::size_t i = 0; i < batch.rows; ++i, ++row) {
      const VectorView found = batch.row(i), right = expected.view(row);
      ASSERT_TRUE(std::ranges::equal(found.components, right.components)) << "row " << row;
      ASSERT_TRUE(std::ranges::equal(found.values, right.values)) << "row " << row;
      for (const std::uint32_t component : found.components) ASSERT_LT(component, stream.dim());
    }
  }
  ASSERT_EQ(row, expected.size());
  ASSERT_EQ(stream.next_batch().rows, 0u) << "after the end";
  const std::string bytes = file_of(expected).substr(4);
  ASSERT_EQ(stream.entry().rows, expected.size());
  ASSERT_EQ(stream.entry().bytes, bytes.size());
  ASSERT_EQ(stream.entry().xxh3, xxh3(std::as_bytes(std::span(bytes))));
}

TEST(SparseStream, ReadsFilesAndArraysAlike) {
  const TempDir folder;
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t dim = seed % 4 ? 1 + below(random, 300) : std::size_t{kMaxComponent} + 1;
    const SparseVectors vectors = random_sparse(random, 1 + below(random, 200), dim, 1 + below(random, 100));
    write_file(folder / "x.bin", file_of(vectors));
    const auto file = open_sparse_stream(folder / "x.bin");
    EXPECT_EQ(file->dim(), dim);
    EXPECT_TRUE(file->is_file());
    EXPECT_EQ(static_cast<int>(file->vector_kind()), static_cast<int>(VectorKind::sparse));
    ASSERT_NO_FATAL_FAILURE(check(*file, vectors));
    const auto arrays = sparse_memory_stream("values", vectors.components, vectors.values, vectors.offsets);
    EXPECT_EQ(arrays->dim(), dim);
    EXPECT_FALSE(arrays->is_file());
    ASSERT_NO_FATAL_FAILURE(check(*arrays, vectors));
  }
}

TEST(SparseStream, HoldsABatchOfALargeFile) {
  const TempDir folder;
  Random random(1);
  for (const std::size_t longest : {0, 2, 400}) {  // many rows, or many entries
    SCOPED_TRACE(longest);
    const SparseVectors vectors = random_sparse(random, longest == 400 ? 6000 : 150000, 70000, longest);
    write_file(folder / "x.bin", file_of(vectors));
    ASSERT_NO_FATAL_FAILURE(check(*open_sparse_stream(folder / "x.bin"), vectors));
  }
}

TEST(SparseStream, NoRowsOrNoEntries) {
  const TempDir folder;
  for (const std::uint32_t rows : {0u, 1u, 5u}) {
    SparseVectors vectors;
    vectors.offsets.assign(rows + 1, 0);
    write_file(folder / "x.bin", file_of(vectors));
    const auto stream = open_sparse_stream(folder / "x.bin");
    EXPECT_EQ(stream->dim(), 1u);
    ASSERT_NO_FATAL_FAILURE(check(*stream, vectors));
  }
}

TEST(SparseStream, AFileThatEndsAnywhereElseIsRefused) {
  const TempDir folder;
  Random random(3);
  const std::string whole = file_of(random_sparse(random, 12, 50, 6));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    write_file(folder / "x.bin", whole.substr(0, length));
    expect_error(Errc::invalid_argument, {"x.bin: "}, [&] { open_sparse_stream(folder / "x.bin"); });
  }
  write_file(folder / "x.bin", whole + "abc");
  expect_error(Errc::invalid_argument, {"x.bin: 3 bytes after the last of 12 rows"},
               [&] { open_sparse_stream(folder / "x.bin"); });
  expect_error(Errc::io, {"missing.bin"}, [&] { open_sparse_stream(folder / "missing.bin"); });
}

TEST(SparseStream, AHugeCountIsRefusedBeforeMemoryIsTaken) {
  const TempDir folder;
  write_file(folder / "x.bin", raw(2u) + sparse_row({1}, {1}) + raw(4294967295u) + std::string(100, 'x'));
  expect_error(Errc::invalid_argument,
               {"x.bin: row 1 at byte 16: 4294967295 entries of 8 bytes, expected at most the 100 bytes that follow"},
               [&] { open_sparse_stream(folder / "x.bin"); });
  write_file(folder / "x.bin", raw(4294967295u) + sparse_row({1}, {1}));
  expect_error(Errc::invalid_argument, {"x.bin: "}, [&] { open_sparse_stream(folder / "x.bin"); });
}

struct BadRow {
  std::vector<std::uint32_t> components;
  std::vector<float> values;
  std::vector<std::string> parts;
};

const std::vector<BadRow> kBadRows = {
    {{3, 7, 5}, {1, 1, 1}, {"row 2, entry 2: component 5 after 7", "strictly increasing"}},
    {{3, 3}, {1, 1}, {"row 2, entry 1: component 3 after 3"}},
    {{0xFFFFFFFF}, {1}, {"row 2, entry 0: component 4294967295", "at most 4294967294"}},
    {{1, 2}, {1, kNaN}, {"row 2, entry 1: nan", "finite"}},
    {{1, 2}, {-kInfinity, 0}, {"row 2, entry 0: -inf", "finite"}}};

TEST(SparseStream, BadEntriesAreToldByRowAndPlace) {
  const TempDir folder;
  for (const BadRow& bad : kBadRows) {
    const auto with_name = [&](const std::string& name) {
      std::vector<std::string> parts = bad.parts;
      parts.push_back(name);
      return parts;
    };
    write_file(folder / "x.bin",
               raw(3u) + sparse_row({1}, {1}) + sparse_row({}, {}) + sparse_row(bad.components, bad.values));
    expect_error(Errc::invalid_argument, with_name("x.bin: "), [&] { open_sparse_stream(folder / "x.bin"); });
    const std::vector<std::uint64_t> offsets = {0, 0, 0, bad.values.size()};
    expect_error(Errc::invalid_argument, with_name("values: "),
                 [&] { sparse_memory_stream("values", bad.components, bad.values, offsets)->next_batch(); });
  }
}

TEST(SparseStream, VectorsThatChangeBetweenTheReadingsAreRefused) {
  const TempDir folder;
  std::vector<std::uint32_t> long_row(600'000);  // more than is read at once
  std::iota(long_row.begin(), long_row.end(), 0);
  const std::string beginning = raw(2u) + sparse_row(long_row, std::vector<float>(long_row.size(), 1));
  const auto content = [&](std::uint32_t last, float value) { return beginning + sparse_row({0, last}, {1, value}); };
  const auto refused_after = [&](const std::string& changed, const std::vector<std::string>& parts) {
    write_file(folder / "x.bin", content(700'000, 1));
    const auto stream = open_sparse_stream(folder / "x.bin");
    std::ofstream(folder / "x.bin", std::ios::in | std::ios::binary) << changed;
    ASSERT_EQ(stream->next_batch().rows, 1u);
    expect_error(Errc::invalid_argument, parts, [&] { stream->next_batch(); });
  };
  refused_after(content(700'001, 1), {"x.bin: row 1: component 700001, expected at most 700000", "changed"});
  refused_after(content(0, 1), {"x.bin: row 1, entry 1: component 0 after 0"});
  refused_after(content(700'000, kNaN), {"x.bin: row 1, entry 1: nan"});
  std::vector<std::uint32_t> components = {3, 5};
  const std::vector<float> values = {1, 1};
  const std::vector<std::uint64_t> offsets = {0, 2};
  const auto arrays = sparse_memory_stream("values", components, values, offsets);
  components[1] = 6;
  expect_error(Errc::invalid_argument, {"values: row 0: component 6, expected at most 5"},
               [&] { arrays->next_batch(); });
}

TEST(SparseStream, OffsetsMustFit) {
  check_offsets("offsets", std::vector<std::uint64_t>{0, 2, 2, 5}, 5, 5);
  const auto refuse = [](const std::vector<std::string>& parts, const std::vector<std::uint64_t>& offsets,
                         std::uint64_t components = 5) {
    expect_error(Errc::invalid_argument, parts, [&] { check_offsets("offsets", offsets, components, 5); });
  };
  refuse({"components: 4 components, expected 5"}, {0, 5}, 4);
  refuse({"offsets: none"}, {});
  refuse({"offsets: from 1 to 5"}, {1, 5});
  refuse({"offsets: from 0 to 4"}, {0, 4});
  refuse({"offsets: from 0 to 6"}, {0, 6});
  refuse({"offsets: 2 at place 2 after 3"}, {0, 3, 2, 5});
  refuse({"offsets: 5 at place 2 after 9"}, {0, 9, 5});
}

}  // namespace
}  // namespace cassata::sparse_files_test
