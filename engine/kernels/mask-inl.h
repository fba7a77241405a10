// Masks as numbers.
// Compiled once per instruction set: include after highway.h, never from a header.

#if defined(CASSATA_KERNELS_MASK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CASSATA_KERNELS_MASK_INL_H
#undef CASSATA_KERNELS_MASK_INL_H
#else
#define CASSATA_KERNELS_MASK_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::HWY_NAMESPACE {

/// The lanes of a mask, at most 64: one bit each, the first one lowest. The buffer is of bytes: of a 64-bit number that
/// starts at 0, and of which StoreMaskBits() writes the lower half, gcc 12 with ThreadSanitizer left out the zeros.
template <class D>
HWY_INLINE std::uint64_t mask_bits(D d, hwy::HWY_NAMESPACE::Mask<D> mask) {
  std::uint8_t bytes[8] = {};  // as many as StoreMaskBits() may write
  hwy::HWY_NAMESPACE::StoreMaskBits(d, mask, bytes);
  std::uint64_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

}  // namespace cassata::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
