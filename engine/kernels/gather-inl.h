// The distances to rows that lie anywhere, fetched ahead of the arithmetic.
// Compiled once per instruction set: include after highway.h, never from a header.

#if defined(CASSATA_KERNELS_GATHER_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CASSATA_KERNELS_GATHER_INL_H
#undef CASSATA_KERNELS_GATHER_INL_H
#else
#define CASSATA_KERNELS_GATHER_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "format/types.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::HWY_NAMESPACE {

/// To the second level of the cache: it has more misses under way than the first, whose few places the loads of the row in hand need.
/// Always inlined: GCC takes a function that only prefetches for one without effect, and drops calls of it.
HWY_INLINE void prefetch(const void* row, std::size_t bytes) {
  constexpr std::size_t kCacheLineBytes = 64;
  const char* line = static_cast<const char*>(row);
  for (std::size_t at = 0; at < bytes; at += kCacheLineBytes) __builtin_prefetch(line + at, 0, 2);
  __builtin_prefetch(line + bytes - 1, 0, 2);  // a row may begin anywhere in its first line
}

/// out[i] = distance(row ids[i] of `rows`), i < n.
template <class Distance>
HWY_INLINE void gather_rows(const void* rows, std::size_t row_bytes, const Id* ids, std::size_t n, float* out, Distance distance) {
  // How far it reads ahead. Measured (docs/performance.md): less leaves misses waiting, more gains nothing.
  constexpr std::size_t kBytesAhead = 24 * 1024;
  const auto row = [&](std::size_t i) { return static_cast<const char*>(rows) + std::size_t{ids[i]} * row_bytes; };
  const std::size_t fetched = std::min(row_bytes, kBytesAhead);
  const std::size_t ahead = 1 + kBytesAhead / (row_bytes + 1);
  for (std::size_t i = 0; i < n && i < ahead; ++i) prefetch(row(i), fetched);
  for (std::size_t i = 0; i < n; ++i) {
    if (i + ahead < n) prefetch(row(i + ahead), fetched);
    out[i] = distance(row(i));
  }
}

}  // namespace cassata::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
