// Distances between a query and dense rows, dispatched at run time to the widest instruction set of the machine.
//
// The metrics are those of metric-inl.h whose structs dense_distance.cc lists; smaller distances are closer. All
// functions sum a distance in the same order, so they give the same bits on one machine. Rows are tightly packed bytes
// of any alignment; no read goes past the last row. The query is f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cassata/types.h"

namespace cassata::kernels::dense {

/// The kernels of one metric and element type. They neither allocate nor throw.
struct Kernels {
  /// out[i] = distance to row ids[i] of `rows`, i < n. Prefetches each row ahead of its use, except the first ones,
  /// which the caller prefetches (prefetch_rows()).
  void (*gather)(const float* query, const void* rows, std::size_t dim, const Id* ids, std::size_t n, float* out);
  /// out[i] = distance to row first + i of `rows`, i < n.
  void (*range)(const float* query, const void* rows, std::size_t dim, std::size_t first, std::size_t n, float* out);
};

/// The kernels for rows of `type`, which is f32 or f16.
Kernels dispatch(Metric metric, ElementType type);

/// Converts n values. Rounds to nearest even; a value beyond the range of f16 becomes an infinity.
void f32_to_f16(const float* from, std::uint16_t* to, std::size_t n);
/// Converts n values, which may have any alignment.
void f16_to_f32(const void* from, float* to, std::size_t n);

/// Highway's name of the instruction set in use.
std::string_view target_name();

}  // namespace cassata::kernels::dense
