// Lists of rising numbers around one of their own, coded by their differences, read from bytes; dispatched at run time.
//
// A list holds the numbers that are next to the number `self`. Sorted with it, they have differences of 1 or more. Each
// has one of kClasses classes: in class c it is 1 + first[c] + what widths[c] bits tell, where first[0] is 0 and
// first[c + 1] is first[c] + 2^widths[c]. In the list's bytes stand, lowest bit first,
//
//   from the front   3 bits for each: the classes in order, kSelfClass between those before and those after `self`
//   from the back    the bits of each in order, so the first ones end with the last byte
//
// and, where 3 or more bits are left between the two, kSelfClass once more. All other bits are zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cassata/types.h"

namespace cassata::kernels::delta_lists {

inline constexpr std::size_t kClasses = 7, kClassBits = 3;
inline constexpr std::uint32_t kSelfClass = 7;
inline constexpr std::size_t kMaxWidth = 31;
/// A read goes up to so many bytes past either end of a list.
inline constexpr std::size_t kGuardBytes = 64;
/// Places that are written to beyond those of the numbers asked for.
inline constexpr std::size_t kOverrun = 31;
/// A record: a u64, then as many lengths, u8 or u16.
inline constexpr std::size_t kRecordBytes = 64, kLengthsBytes = kRecordBytes - sizeof(std::uint64_t);

/// The classes, and what the kernels look up by them: tables as long as the longest vectors, zeros after kSelfClass.
struct alignas(64) DeltaCode {
  static constexpr std::size_t kTable = 16;
  std::uint32_t widths[kTable];
  std::uint32_t bases[kTable];  // 1 + first; kSelfClass: 0
  std::uint32_t masks[kTable];
  std::uint8_t narrow_widths[kTable];
  std::uint16_t narrow_bases[kTable / 2];  // of narrow codes
  std::uint16_t narrow_masks[kTable / 2];

  /// Up to kClasses widths, each at most kMaxWidth; those that are missing are 0.
  explicit DeltaCode(std::span<const std::uint8_t> w);
  /// True if no base and no mask takes more than 16 bits.
  bool narrow() const;
};

struct Kernels {
  /// The numbers of a list, rising, and kNoId in the place of `self`. Returns how many: at most `most`, or fewer where
  /// the bytes end. Writes to out[0] to out[most + kOverrun - 1], whatever the bytes.
  std::size_t (*decode)(const DeltaCode& code, const std::byte* list, std::size_t bytes, Id self, std::size_t most,
                        Id* out);
  /// The sum of the first `count` lengths of a record, u8.
  std::size_t (*sum)(const std::byte* record, std::size_t count);
};

/// For codes of these widths.
Kernels dispatch(const DeltaCode& code);

}  // namespace cassata::kernels::delta_lists
