// Dot products of many rows with a few vectors, dispatched at run time: MaxSim of token vectors, and the nearest row of
// each vector.
//
// MaxSim (Khattab and Zaharia, SIGIR 2020): the sum over the query's tokens of the largest dot product with a token of
// the document. Sums are f32; the order in which a dot product is summed does not depend on the position of its row.
// Rows may have any alignment; no read goes past the last row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "cassata/types.h"
#include "engine/kernels/table_lookup.h"

namespace cassata::kernels::maxsim {

using table_lookup::kCentroids;

/// Floats aligned to a cache line, so that every vector load is aligned.
class AlignedFloats {
 public:
  /// Makes room for `n` floats. Growing loses the former contents.
  void reserve(std::size_t n) {
    const std::size_t lines = (n + kLineFloats - 1) / kLineFloats;
    if (lines > lines_) memory_ = std::make_unique_for_overwrite<Line[]>(lines);
    lines_ = std::max(lines, lines_);
  }
  float* data() noexcept { return reinterpret_cast<float*>(memory_.get()); }

 private:
  static constexpr std::size_t kLineFloats = 16;
  struct alignas(64) Line {
    float values[kLineFloats];
  };
  std::unique_ptr<Line[]> memory_;
  std::size_t lines_ = 0;
};

/// Rows are multiplied in tiles of kTileRows rows, converted to f32. A tile is laid out as
/// [ceil(dim / kStretch)][kTileRows][kStretch].
inline constexpr std::size_t kTileRows = 12, kStretch = 128;

/// The memory of PackedVectors, as the kernels see it.
struct Packed {
  std::size_t count = 0, dim = 0;
  std::size_t lanes = 0;     ///< `count`, rounded up to whole or half registers: floats for a row's dot products
  float* values = nullptr;   ///< the vectors, interleaved
  float* tile = nullptr;     ///< the rows that are being multiplied
  float* largest = nullptr;  ///< for each lane, the largest dot product so far
};

/// The vectors that rows are multiplied by, laid out for the registers of the machine, and the buffers for it. One
/// thread at a time.
class PackedVectors {
 public:
  PackedVectors() = default;
  PackedVectors(const PackedVectors&) = delete;
  PackedVectors& operator=(const PackedVectors&) = delete;

  /// Copies `count` vectors of `dim` values each, stored one after another.
  void pack(const float* vectors, std::size_t count, std::size_t dim);
  const Packed& parts() const noexcept { return parts_; }

 private:
  Packed parts_;
  AlignedFloats values_, tile_, largest_;
};

/// Two-level tokens, which are scored by table lookup: token i is a centroid plus norms[i] times a product-quantized
/// residual, so its dot product is that of the centroid plus norms[i] times the sum of one table entry per subspace.
struct CodedTokens {
  std::size_t count = 0, subspaces = 0;
  const std::uint32_t* places = nullptr;  ///< token i's centroid is row places[i] of `products`
  const std::uint8_t* codes = nullptr;    ///< count x subspaces
  const float* products = nullptr;        ///< of the centroids, from products()
  const float* tables = nullptr;          ///< from fill_tables()
  const float* norms = nullptr;           ///< one per token; null: all are 1
};

/// MaxSim of a document in steps: forget(), a raise function for each part of the document, sum(). They neither
/// allocate nor throw.
struct Kernels {
  /// Begins a document: sets the largest dot products to -infinity.
  void (*forget)(const Packed& query);
  /// Raises the largest dot products by those of `n` tokens, stored one after another.
  void (*raise_f16)(const Packed& query, const void* tokens, std::size_t n);
  void (*raise_f32)(const Packed& query, const void* tokens, std::size_t n);
  void (*raise_coded)(const Packed& query, const CodedTokens& tokens);
  /// The sum of the largest dot products over the query's tokens.
  float (*sum)(const Packed& query);

  /// out[i * lanes + t] = the dot product of row ids[i] of `rows` with query token t, i < n, t < lanes.
  void (*products)(const Packed& query, const float* rows, const std::uint32_t* ids, std::size_t n, float* out);
  /// tables[(s * kCentroids + c) * lanes + t] = the dot product of centroid c of subspace s with that subspace of query
  /// token t, t < lanes. `codebooks` holds the codebook of each subspace (table_lookup.h), each of `width` coordinates.
  void (*fill_tables)(const Packed& query, const float* codebooks, std::size_t subspaces, std::size_t width,
                      float* tables);
};

Kernels dispatch();

/// For each of `n` vectors, which[i] is the row among `count` >= 1 with the largest best[i] = dot(row, vector i) -
/// bias[row]; the first one of equals. With bias[row] = |row|^2 / 2 it is the nearest row by L2. Vectors and rows have
/// `dim` values each, stored one after another. NaNs are ignored; if all values are NaN or -infinity, the row is 0.
void nearest_rows(const float* vectors, std::size_t n, std::size_t dim, const float* rows, const float* bias,
                  std::size_t count, float* best, std::uint32_t* which);

}  // namespace cassata::kernels::maxsim
