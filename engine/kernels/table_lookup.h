// Product quantization's arithmetic, dispatched at run time: which centroid is nearest, tables of distances, sums of
// their entries.
//
// A codebook is dims x kCentroids f32: the first coordinate of every centroid, then the second, ... A row of codes is a
// byte for each subspace; its distance is the sum of the entries that they name, one from each subspace's table (Jegou
// et al., PAMI 2011, III). It is summed in the same order whichever function computes it. Rows lie at any byte; no read
// goes past the last one. A code cannot lead out of a table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cassata/types.h"

namespace cassata::kernels::table_lookup {

inline constexpr std::size_t kCentroids = 256;

/// All are noexcept in effect: they neither allocate nor throw.
struct Kernels {
  /// table[c] = what a row whose code is c adds to the distance, c < kCentroids. `query` has `dims` values.
  void (*fill)(const float* query, std::size_t dims, const float* codebook, float* table);
  /// out[i] = distance to row ids[i], i < n. `tables` has kCentroids entries for each subspace. Prefetches ahead: the
  /// rows may lie anywhere.
  void (*gather)(const float* tables, std::size_t subspaces, const std::uint8_t* rows, const Id* ids, std::size_t n,
                 float* out);
  /// out[i] = distance to row `first + i`, i < n: a scan.
  void (*range)(const float* tables, std::size_t subspaces, const std::uint8_t* rows, std::size_t first, std::size_t n,
                float* out);
};

Kernels dispatch(Metric metric);

/// codes[i] = the centroid nearest to vector i by squared L2, of equals the first, i < n. Coordinate j of vector i is
/// vectors[j * stride + i]. Distances that are not finite are passed over; where all are, the code is 0.
void nearest_centroids(const float* vectors, std::size_t stride, std::size_t n, std::size_t dims, const float* codebook,
                       std::uint8_t* codes);

}  // namespace cassata::kernels::table_lookup
