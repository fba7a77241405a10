// When rows are requested from disk, and when requests are saved.
#include "format/file/row_reads.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <span>
#include <vector>

namespace cassata::row_reads_test {
namespace {

constexpr std::size_t kRows = 8;

/// Rows in memory, and how many of them were requested.
struct Rows {
  std::vector<std::byte> bytes = std::vector<std::byte>(kRows * 100);
  std::vector<Id> ids = {5, 0, 1, 7};
  std::size_t requested = 0;

  bool fetch(RowFetch& fetch) {
    const bool reads = fetch.fetch(ids, [this](Id id) {
      ++requested;
      return std::span<const std::byte>(bytes).subspan(id * 100, 100);
    });
    fetch.scored();
    return reads;
  }
};

TEST(RowFetch, RequestsNothingOfASectionInMemory) {
  Rows rows;
  RowFetch in_memory(nullptr);
  EXPECT_FALSE(in_memory.cold());
  EXPECT_FALSE(rows.fetch(in_memory));
  std::atomic<bool> cold = false;
  RowReads warm(cold);
  RowFetch fetch(&warm);
  EXPECT_FALSE(fetch.cold());
  EXPECT_FALSE(rows.fetch(fetch));
  EXPECT_EQ(rows.requested, 0u);
}

TEST(RowFetch, RequestsRowsOfAResidentSectionUntilItIsWarm) {
  Rows rows;
  std::atomic<bool> cold = true;
  RowReads reads(cold);
  RowFetch fetch(&reads);
  EXPECT_TRUE(fetch.cold());
  rows.fetch(fetch);
  EXPECT_EQ(rows.requested, rows.ids.size());
  cold = false;
  EXPECT_FALSE(rows.fetch(fetch));
  EXPECT_EQ(rows.requested, rows.ids.size());
}

TEST(RowFetch, SavesRequestsWhileNothingHasToBeRead) {
  Rows rows;
  RowReads reads;
  RowFetch fetch(&reads), other(&reads);
  EXPECT_FALSE(fetch.cold());
  EXPECT_FALSE(fetch.fetch({}, [](Id) { return std::span<const std::byte>(); }));
  constexpr std::size_t kMany = 10'000;
  std::size_t last = 0;
  for (std::size_t i = 0; i < kMany; ++i) {
    const std::size_t before = rows.requested;
    rows.fetch(i % 2 ? fetch : other);
    if (rows.requested != before) last = i;
  }
  EXPECT_GE(last, 100u);  // a traversal of the upper layers does not decide it
  EXPECT_LT(last, kMany - 1);
}

}  // namespace
}  // namespace cassata::row_reads_test
