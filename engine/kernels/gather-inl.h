// The distances to rows that lie anywhere, fetched ahead of the arithmetic.
// Compiled once per instruction set: include after highway.h, never from a header.

#if defined(CASSATA_KERNELS_GATHER_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CASSATA_KERNELS_GATHER_INL_H
#undef CASSATA_KERNELS_GATHER_INL_H
#else
#define CASSATA_KERNELS_GATHER_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "cassata/types.h"
#include "engine/kernels/prefetch.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::HWY_NAMESPACE {

/// out[i] = distance(row ids[i] of `rows`), i < n. The first rows have been fetched by prefetch_rows(), if at all.
template <class Distance>
HWY_INLINE void gather_rows(const void* rows, std::size_t row_bytes, const Id* ids, std::size_t n, float* out,
                            Distance distance) {
  const auto row = [&](std::size_t i) { return static_cast<const char*>(rows) + std::size_t{ids[i]} * row_bytes; };
  const std::size_t ahead = rows_ahead(row_bytes);
  for (std::size_t i = 0; i < n; ++i) {
    if (i + ahead < n) prefetch(row(i + ahead), row_bytes);
    out[i] = distance(row(i));
  }
}

}  // namespace cassata::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
