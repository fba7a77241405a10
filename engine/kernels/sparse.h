// Distances between a query that lies scattered in a table and sparse rows, dispatched at run time.
//
// Dot product gives -dot; euclidean the squared L2 distance less the query's squared norm, which the caller adds. A row is its components,
// then its values, of any alignment; a read never goes past either.
#pragma once

#include <cstddef>
#include <cstdint>

#include "format/types.h"

namespace cassata::kernels {

/// Distance to the row of `count` entries. `table[c]` is the query's value at component c, for c < limit, and table[limit] is 0: components
/// from there on count as absent. For u16 components the table has 65,536 places and `limit` is not looked at.
using SparseKernel = float (*)(const float* table, std::uint32_t limit, const void* components, const void* values, std::size_t count);

/// `component_bytes` is 2 or 4; `value_type` is f32 or f16.
SparseKernel sparse_kernel(Metric metric, std::size_t component_bytes, ElementType value_type);

}  // namespace cassata::kernels
