// Sums over posting lists whose rows stand in blocks of kBlockRows, dispatched at run time.
//
// A run is what a list holds of one block: a u32 mask of its rows, lowest first, then a u8 code for each of them. A
// code adds code * weight / 256, rounded down, to its row's u16 sum, which stops at 65,535. A read goes up to
// kBlockRows bytes past the beginning of a run's codes: the caller sees to it that there are as many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cassata::kernels::posting_blocks {

inline constexpr std::size_t kBlockRows = 32;

/// Where the runs of a list lie that can be looked up by block: that of block b begins at records + bases[b / 64] +
/// offsets[b], unless offsets[b] is kNoRun. maxima[b] bounds its codes.
struct RunTable {
  static constexpr std::uint16_t kNoRun = 65535;

  const std::uint8_t* maxima = nullptr;
  const std::uint16_t* offsets = nullptr;
  const std::uint64_t* bases = nullptr;
  const std::byte* records = nullptr;
  std::size_t bytes = 0;  ///< of the records; what does not begin below is passed over
};

struct Kernels {
  /// Adds all runs of [begin, end), each after the u32 number of its block; sums has kBlockRows places a block, touched
  /// one. Stops at a number that is not below `blocks`.
  void (*add_runs)(const std::byte* begin, const std::byte* end, std::size_t blocks, std::uint16_t weight,
                   std::uint16_t* sums, std::uint8_t* touched);
  /// Adds the runs of the blocks in `chosen`.
  void (*add_chosen)(const RunTable& runs, std::span<const std::uint32_t> chosen, std::uint16_t weight,
                     std::uint16_t* sums);
  /// Adds maxima[b] as a code to bounds[b], b < count, a multiple of 32.
  void (*add_maxima)(const std::uint8_t* maxima, std::size_t count, std::uint16_t weight, std::uint16_t* bounds);
  /// out[i] = the largest sum of block chosen[i].
  void (*block_maxima)(const std::uint16_t* sums, std::span<const std::uint32_t> chosen, std::uint16_t* out);
  /// Writes the places i < count, a multiple of 32, where least <= values[i] <= most to `out`, which has room for all;
  /// returns how many.
  std::size_t (*within)(const std::uint16_t* values, std::size_t count, std::uint16_t least, std::uint16_t most,
                        std::uint32_t* out);
  /// The same for the rows of the blocks in `chosen`, by their sums.
  std::size_t (*rows_within)(const std::uint16_t* sums, std::span<const std::uint32_t> chosen, std::uint16_t least,
                             std::uint16_t most, std::uint32_t* out);
};

const Kernels& dispatch();

}  // namespace cassata::kernels::posting_blocks
