// Distances between a query and dense rows, dispatched at run time to the widest instruction set of the machine.
//
// Dot product gives -dot, euclidean the squared L2 distance, manhattan the L1 distance: smaller is closer. Every
// distance to a row is summed in the same order whichever function computes it, so all give the same bits on one
// machine. Rows are raw bytes, tightly packed, of any alignment; a read never goes past the last row. The query is f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cassata/types.h"

namespace cassata::kernels::dense {

/// The kernels of one metric and element type. All are noexcept in effect: they neither allocate nor throw.
struct Kernels {
  /// Distance to the one row at `row`.
  float (*one)(const float* query, const void* row, std::size_t dim);
  /// out[i] = distance to row ids[i] of `rows`, i < n. Fetches ahead of itself but for the first rows (prefetch.h).
  void (*gather)(const float* query, const void* rows, std::size_t dim, const Id* ids, std::size_t n, float* out);
  /// out[i] = distance to row `first + i`, i < n: a scan.
  void (*range)(const float* query, const void* rows, std::size_t dim, std::size_t first, std::size_t n, float* out);
};

/// `type` is f32 or f16.
Kernels dispatch(Metric metric, ElementType type);

/// Rounds to nearest even; a value beyond f16 becomes an infinity.
void f32_to_f16(const float* from, std::uint16_t* to, std::size_t n);
void f16_to_f32(const void* from, float* to, std::size_t n);

/// Name of the instruction set in use, as Highway calls it.
std::string_view target_name();

}  // namespace cassata::kernels::dense
