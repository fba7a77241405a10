// Posting lists of sparse rows, searched in the mapped file.
//
// Rows are grouped into row blocks of kBlockRows, similar rows together. A posting list holds the entries of one
// component and one sign, as a run for each block that has any: a u32 mask of the block's rows, then a u8 code for
// each, lowest row first. A code represents values of at most code * step, where step is the list's. A short list
// stores its runs one after another, each after the u32 number of its block, and is summed whole. A list with runs in
// at least one of kSparseBlocks blocks has a table before its runs, which then carry no numbers: the largest code of
// each block (u8), and where its run begins (u16, relative to a u64 for each 64 blocks). These block maxima, summed
// over a query's lists, bound the scores of a block's rows. docs/format.md has the exact layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "cassata/types.h"
#include "engine/kernels/posting_blocks.h"
#include "format/file/section.h"
#include "format/file/sections.h"

namespace cassata {

/// Directory entry of one list.
struct ListEntry {
  std::uint32_t component;
  std::uint32_t flags;    ///< kNegative, kHasBlockMaxima
  std::uint64_t offset;   ///< in section kListsSection, in bytes
  std::uint64_t length;   ///< in bytes
  std::uint32_t entries;  ///< number of entries
  float step;

  static constexpr std::uint32_t kNegative = 1;        ///< the values are negative; codes represent absolute values
  static constexpr std::uint32_t kHasBlockMaxima = 2;  ///< the list has a table
};
static_assert(sizeof(ListEntry) == 32);

/// A list has a table if at least one of this many blocks has a run.
inline constexpr std::size_t kSparseBlocks = 4;
/// Zero bytes at the end of kListsSection, because kernels may read past a run.
inline constexpr std::size_t kListsPadding = 64;
inline constexpr std::uint32_t kMaxBuckets = 65536;

/// Number of blocks of `rows` rows.
inline std::size_t blocks_of(std::uint64_t rows) noexcept {
  return (rows + kernels::posting_blocks::kBlockRows - 1) / kernels::posting_blocks::kBlockRows;
}
/// Number of places in a table for `blocks` blocks: `blocks` rounded up to a multiple of 64.
inline std::size_t table_places(std::size_t blocks) noexcept { return (blocks + 63) / 64 * 64; }
/// Length of a table for `blocks` blocks, in bytes.
inline std::size_t table_bytes(std::size_t blocks) noexcept {
  return table_places(blocks) * (sizeof(std::uint8_t) + sizeof(std::uint16_t)) +
         table_places(blocks) / 64 * sizeof(std::uint64_t);
}
/// Bucket of component c: c >> shift. The smallest shift that gives at most kMaxBuckets buckets.
std::uint32_t bucket_shift(std::size_t dim) noexcept;
/// Number of buckets of `dim` >= 1 components.
inline std::size_t buckets_of(std::size_t dim, std::uint32_t shift) noexcept { return ((dim - 1) >> shift) + 1; }

/// The posting lists of a file, borrowed. Immutable; any number of threads.
class PostingLists {
 public:
  /// Throws Error(corrupt) if the sections' lengths do not match `list_count` lists over `rows` rows of `dim`
  /// components.
  PostingLists(const Section& lists, const Section& directory, const Section& buckets, std::uint64_t list_count,
               std::uint32_t shift, std::uint64_t rows, std::size_t dim);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t blocks() const noexcept { return blocks_; }
  /// The lists of a component's positive and negative values, if it has any. Copies, because the file may change while
  /// it is searched.
  struct Found {
    std::optional<ListEntry> positive, negative;
  };
  Found find(std::uint32_t component) const noexcept;
  /// The bytes of a list, table included. `list` must come from find().
  std::span<const std::byte> runs(const ListEntry& list) const noexcept;
  /// The table and the runs of a list with kHasBlockMaxima. `list` must come from find().
  kernels::posting_blocks::RunTable table(const ListEntry& list) const noexcept;
  /// Checks every rule of the lists. Calls `reading` with each part before it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const;

 private:
  /// True if the entry's bytes lie in the section and its step is positive and finite.
  bool inside(const ListEntry& list) const noexcept;
  /// Progress of the verification of a list: bytes and entries.
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
