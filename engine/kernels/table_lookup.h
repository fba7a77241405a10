// Kernels of product quantization, dispatched at run time: nearest centroids, distance tables, and distances by table
// lookup.
//
// A codebook holds the kCentroids centroids of one subspace as dims x kCentroids f32: the first coordinate of every
// centroid, then the second, and so on. A row has one code, a byte, per subspace; its distance is the sum of one table
// entry per subspace (Jegou et al., PAMI 2011, III). All functions sum it in the same order. Rows may have any
// alignment; no read goes past the last row. Every value of a byte is a valid code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cassata/types.h"

namespace cassata::kernels::table_lookup {

inline constexpr std::size_t kCentroids = 256;

/// The kernels of one metric. They neither allocate nor throw.
struct Kernels {
  /// table[c] = the part of the distance that code c adds, c < kCentroids. `query` has the `dims` values of a subspace.
  void (*fill)(const float* query, std::size_t dims, const float* codebook, float* table);
  /// out[i] = distance to row ids[i] of `rows`, i < n. `tables` has kCentroids entries for each subspace. Prefetches
  /// each row ahead of its use, except the first ones, which the caller prefetches (prefetch_rows()).
  void (*gather)(const float* tables, std::size_t subspaces, const std::uint8_t* rows, const Id* ids, std::size_t n,
                 float* out);
  /// out[i] = distance to row first + i of `rows`, i < n.
  void (*range)(const float* tables, std::size_t subspaces, const std::uint8_t* rows, std::size_t first, std::size_t n,
                float* out);
};

Kernels dispatch(Metric metric);

/// codes[i] = the centroid nearest to vector i by squared L2, the first one of equals, i < n. Coordinate j of vector i
/// is vectors[j * stride + i]. Centroids at an infinite or NaN distance are ignored; if all are, the code is 0.
void nearest_centroids(const float* vectors, std::size_t stride, std::size_t n, std::size_t dims, const float* codebook,
                       std::uint8_t* codes);

}  // namespace cassata::kernels::table_lookup
