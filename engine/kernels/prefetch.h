// Prefetches memory that is about to be read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "cassata/types.h"

namespace cassata::kernels {

/// Prefetch distance in bytes. Measured (docs/decisions/rows-are-prefetched-to-l2.md): a shorter distance leaves the
/// arithmetic waiting for memory, a longer one gains nothing.
inline constexpr std::size_t kBytesAhead = 24 * 1024;

/// Prefetch distance in rows of `row_bytes` bytes; at least 1.
constexpr std::size_t rows_ahead(std::size_t row_bytes) { return 1 + kBytesAhead / (row_bytes + 1); }

/// Prefetches `bytes` >= 1 bytes, at most kBytesAhead of them, to the second cache level: it can have more misses
/// outstanding than the first, whose few fill buffers the loads of the current row need. Always inlined, because GCC
/// treats a function that only prefetches as one without effect and drops its calls.
[[gnu::always_inline]] inline void prefetch(const void* first, std::size_t bytes) {
  constexpr std::size_t kCacheLineBytes = 64;
  const char* const begin = static_cast<const char*>(first);
  const std::size_t fetched = std::min(bytes, kBytesAhead);
  for (std::size_t at = 0; at < fetched; at += kCacheLineBytes) __builtin_prefetch(begin + at, 0, 2);
  __builtin_prefetch(begin + fetched - 1, 0, 2);  // the last line: `first` may lie anywhere in a line
}

/// Prefetches the first rows_ahead() of the rows `ids`, before a `gather` kernel is called; the kernel prefetches the
/// others itself.
[[gnu::always_inline]] inline void prefetch_rows(const void* rows, std::size_t row_bytes, std::span<const Id> ids) {
  for (const Id id : ids.first(std::min(ids.size(), rows_ahead(row_bytes))))
    prefetch(static_cast<const char*>(rows) + std::size_t{id} * row_bytes, row_bytes);
}

}  // namespace cassata::kernels
