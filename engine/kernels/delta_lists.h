// Decodes delta-coded neighbour lists; dispatched at run time.
//
// A list holds the neighbours of row `self`. Sorted together with `self`, their differences, the deltas, are at
// least 1. Each delta has one of kClasses classes: a delta of class c is 1 + first[c] + a number of widths[c] bits,
// where first[0] is 0 and first[c + 1] is first[c] + 2^widths[c]. The bytes of a list, lowest bit first:
//
//   from the front   3 bits per delta: the classes, in order, with kSelfClass at the position of `self`
//   from the back    the numbers, in order: that of the first delta ends with the last byte
//
// and, if 3 or more bits are left between the two, kSelfClass once more. All other bits are zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cassata/types.h"

namespace cassata::kernels::delta_lists {

inline constexpr std::size_t kClasses = 7, kClassBits = 3;
inline constexpr std::uint32_t kSelfClass = 7;
inline constexpr std::size_t kMaxWidth = 31;
/// Bytes beyond either end of a list that the kernels may read.
inline constexpr std::size_t kGuardBytes = 64;
/// Places beyond those asked for that the kernels may write.
inline constexpr std::size_t kOverrun = 31;
/// A record of the lengths of lists: a u64, then kLengthsBytes bytes of lengths, u8 or u16.
inline constexpr std::size_t kRecordBytes = 64, kLengthsBytes = kRecordBytes - sizeof(std::uint64_t);

/// The widths of the classes, and the tables by class that the kernels use: as long as the longest vectors, zeros from
/// kSelfClass on.
struct alignas(64) DeltaCode {
  static constexpr std::size_t kTable = 16;
  std::uint32_t widths[kTable];
  std::uint32_t bases[kTable];  // 1 + first; kSelfClass: 0
  std::uint32_t masks[kTable];
  std::uint8_t narrow_widths[kTable];
  std::uint16_t narrow_bases[kTable / 2];  // valid if narrow()
  std::uint16_t narrow_masks[kTable / 2];

  /// Up to kClasses widths, each at most kMaxWidth; missing ones are 0.
  explicit DeltaCode(std::span<const std::uint8_t> w);
  /// True if every base and mask fits into 16 bits.
  bool narrow() const;
};

struct Kernels {
  /// Writes the neighbours in ascending order to `out`, with kNoId at the position of `self`, and returns how many
  /// places it wrote: at most `max_count`, fewer if the bytes end before. Never writes beyond out[max_count + kOverrun
  /// - 1], whatever the bytes are.
  std::size_t (*decode)(const DeltaCode& code, const std::byte* list, std::size_t bytes, Id self, std::size_t max_count,
                        Id* out);
  /// The sum of the first `count` lengths of a record of u8 lengths.
  std::size_t (*sum)(const std::byte* record, std::size_t count);
};

/// The kernels for lists of this code. They neither allocate nor throw.
Kernels dispatch(const DeltaCode& code);

}  // namespace cassata::kernels::delta_lists
