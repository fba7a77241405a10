// Inverted lists of sparse rows, searched where they lie.
//
// Rows stand in blocks of kBlockRows, similar ones together. A list holds the entries of one component and one sign, by
// block: a run (a u32 mask of the block's rows, then a u8 code for each, lowest first) for each block that has any. A
// code stands for a value up to code * step; step is the list's. Few runs lie one after another, each after its block's
// u32 number, and are summed whole. A list that has a run in at least one of kSparseBlocks blocks has a table before
// its runs, without numbers: the largest code of each block, u8, then where its run begins, u16 beyond the u64 of each
// 64 blocks. The largest codes are the list's summary: summed over a query's lists they bound what a block's rows can
// score. docs/format.md draws it all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "cassata/types.h"
#include "engine/kernels/posting_blocks.h"
#include "format/file/section.h"

namespace cassata {

/// What the file says of one list: where it lies in the section kListsSection.
struct ListEntry {
  std::uint32_t component;
  std::uint32_t flags;  ///< kNegative, kHasBlockMaxima
  std::uint64_t offset;
  std::uint64_t length;  ///< in bytes
  std::uint32_t entries;
  float step;

  static constexpr std::uint32_t kNegative = 1;        ///< of the values below 0: codes stand for absolute values
  static constexpr std::uint32_t kHasBlockMaxima = 2;  ///< has a table
};
static_assert(sizeof(ListEntry) == 32);

inline constexpr std::string_view kListsSection = "postings.lists";
inline constexpr std::string_view kDirectorySection =
    "postings.directory";  ///< a ListEntry for each list, by component, positive ones first
inline constexpr std::string_view kBucketsSection =
    "postings.buckets";  ///< u32: the first list of each bucket of components, and their number
inline constexpr std::string_view kNeighborsSection =
    "postings.neighbors";  ///< n x n_knn u32: rows, nearest first, then kNoId

inline constexpr std::size_t kSparseBlocks = 4;
/// Zeros at the end of kListsSection, so that kernels may read past a run.
inline constexpr std::size_t kListsPadding = 64;
inline constexpr std::uint32_t kMaxBuckets = 65536;

/// Number of blocks of `rows` rows, and of the places that a table has for them.
inline std::size_t blocks_of(std::uint64_t rows) noexcept {
  return (rows + kernels::posting_blocks::kBlockRows - 1) / kernels::posting_blocks::kBlockRows;
}
inline std::size_t table_places(std::size_t blocks) noexcept { return (blocks + 63) / 64 * 64; }
/// Length in bytes of a table for so many blocks.
inline std::size_t table_bytes(std::size_t blocks) noexcept {
  return table_places(blocks) * (sizeof(std::uint8_t) + sizeof(std::uint16_t)) +
         table_places(blocks) / 64 * sizeof(std::uint64_t);
}
/// Components c and d are in one bucket if c >> shift == d >> shift: the smallest shift that gives at most kMaxBuckets.
std::uint32_t bucket_shift(std::size_t dim) noexcept;
inline std::size_t buckets_of(std::size_t dim, std::uint32_t shift) noexcept { return ((dim - 1) >> shift) + 1; }

/// The lists of a file, borrowed. Immutable; any number of threads.
class PostingLists {
 public:
  /// Throws Error(corrupt) if the sections' lengths are not those of `lists` lists of `rows` rows of `dim` components.
  PostingLists(const Section& lists, const Section& directory, const Section& buckets, std::uint64_t list_count,
               std::uint32_t shift, std::uint64_t rows, std::size_t dim);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t blocks() const noexcept { return blocks_; }
  /// The lists of a component's values above and below 0, if there are any. Copies: the file may change while it is
  /// searched.
  struct Found {
    std::optional<ListEntry> positive, negative;
  };
  Found find(std::uint32_t component) const noexcept;
  /// The bytes of its runs, of an entry that find() returned.
  std::span<const std::byte> runs(const ListEntry& list) const noexcept;
  /// The table of such a list that has one, with the runs it is about.
  kernels::posting_blocks::RunTable table(const ListEntry& list) const noexcept;
  /// Checks every rule of the lists. Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const;

 private:
  bool inside(const ListEntry& list) const noexcept;
  /// How far a check has come in a list.
  struct Walk {
    std::uint64_t at;
    std::uint64_t entries;
  };
  void verify_list(std::size_t number, const Reading& reading) const;
  void verify_run(std::size_t number, const ListEntry& list, std::size_t block, std::uint64_t at, std::uint8_t bound,
                  Walk& walk) const;
  void verify_buckets() const;

  Section section_, directory_section_, buckets_section_;
  std::span<const ListEntry> directory_;
  std::span<const std::uint32_t> buckets_;
  std::uint32_t shift_;
  std::size_t rows_, blocks_, dim_;
};

}  // namespace cassata
