// Quantized scores of rows from posting lists over row blocks, dispatched at run time.
//
// A run is the part of a posting list that belongs to one row block: a u32 mask of the block's rows that have an entry,
// lowest bit first, then a u8 code for each of them. A code adds floor(code * weight / 256) to the u16 sum of its row;
// sums saturate at 65,535. The kernels may read kBlockRows bytes from the start of a run's codes, however few it has:
// the caller must pad the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cassata::kernels::posting_blocks {

/// Rows of a row block.
inline constexpr std::size_t kBlockRows = 32;

/// The table that finds the runs of a long list by block: the run of block b begins at records + bases[b / 64] +
/// offsets[b], unless offsets[b] is kNoRun. maxima[b] is the block maximum: no code of the run is larger.
struct RunTable {
  static constexpr std::uint16_t kNoRun = 65535;

  const std::uint8_t* maxima = nullptr;
  const std::uint16_t* offsets = nullptr;
  const std::uint64_t* bases = nullptr;
  const std::byte* records = nullptr;
  std::size_t bytes = 0;  ///< length of the records; runs that a damaged table places beyond it are skipped
};

struct Kernels {
  /// Adds all runs in [begin, end), each of which follows the u32 number of its block. `sums` has kBlockRows places per
  /// block; touched[b] is set to 1 for each block b with a run. Stops at a block number that is not below `blocks`.
  void (*add_runs)(const std::byte* begin, const std::byte* end, std::size_t blocks, std::uint16_t weight,
                   std::uint16_t* sums, std::uint8_t* touched);
  /// Adds the runs of the blocks `chosen`.
  void (*add_chosen)(const RunTable& runs, std::span<const std::uint32_t> chosen, std::uint16_t weight,
                     std::uint16_t* sums);
  /// Adds floor(maxima[b] * weight / 256) to bounds[b], b < count, which is a multiple of 32.
  void (*add_maxima)(const std::uint8_t* maxima, std::size_t count, std::uint16_t weight, std::uint16_t* bounds);
  /// out[i] = the largest sum of block chosen[i].
  void (*block_maxima)(const std::uint16_t* sums, std::span<const std::uint32_t> chosen, std::uint16_t* out);
  /// Writes every i < count with min <= values[i] <= max to `out`, in order, and returns how many. `count` is a
  /// multiple of 32; `out` has room for all.
  std::size_t (*within)(const std::uint16_t* values, std::size_t count, std::uint16_t min, std::uint16_t max,
                        std::uint32_t* out);
  /// The same for the rows of the blocks `chosen`: writes the rows whose sums are min to max.
  std::size_t (*rows_within)(const std::uint16_t* sums, std::span<const std::uint32_t> chosen, std::uint16_t min,
                             std::uint16_t max, std::uint32_t* out);
};

const Kernels& dispatch();

}  // namespace cassata::kernels::posting_blocks
