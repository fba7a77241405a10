// Starts to fetch memory that is about to be read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "cassata/types.h"

namespace cassata::kernels {

/// How far reading goes ahead of arithmetic. Measured (docs/performance.md): less leaves misses waiting, more gains
/// nothing.
inline constexpr std::size_t kBytesAhead = 24 * 1024;

/// Rows of these many bytes that are fetched ahead of the one in hand.
constexpr std::size_t rows_ahead(std::size_t row_bytes) { return 1 + kBytesAhead / (row_bytes + 1); }

/// To the second level of the cache: it has more misses under way than the first, whose few places the loads of what is
/// in hand need. Always inlined: GCC takes a function that only prefetches for one without effect, and drops calls of
/// it.
[[gnu::always_inline]] inline void prefetch(const void* first, std::size_t bytes) {
  constexpr std::size_t kCacheLineBytes = 64;
  const char* const begin = static_cast<const char*>(first);
  const std::size_t fetched = std::min(bytes, kBytesAhead);
  for (std::size_t at = 0; at < fetched; at += kCacheLineBytes) __builtin_prefetch(begin + at, 0, 2);
  __builtin_prefetch(begin + fetched - 1, 0, 2);  // it may begin anywhere in its first line
}

/// Of rows that lie anywhere, those that are fetched before the first is in hand; `gather` kernels fetch the others on
/// their way.
[[gnu::always_inline]] inline void prefetch_rows(const void* rows, std::size_t row_bytes, std::span<const Id> ids) {
  for (const Id id : ids.first(std::min(ids.size(), rows_ahead(row_bytes))))
    prefetch(static_cast<const char*>(rows) + std::size_t{id} * row_bytes, row_bytes);
}

}  // namespace cassata::kernels
