// Many rows times some vectors, dispatched at run time: MaxSim of token vectors, and the row nearest to each vector.
//
// MaxSim (Khattab and Zaharia, SIGIR 2020): for each query token the largest dot product with a document's tokens,
// summed over the query's tokens. All sums are f32; a dot product is summed in the same order wherever its row stands.
// Rows lie at any byte; no read goes past the last one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "cassata/types.h"
#include "engine/kernels/table_lookup.h"

namespace cassata::kernels::maxsim {

using table_lookup::kCentroids;

/// Memory that begins a cache line, for whole registers.
class AlignedFloats {
 public:
  /// Makes room for `n`; what was there is lost if it has to grow.
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

/// Rows are multiplied a tile at a time, in f32, coordinates in stretches: [dim / kStretch][kTileRows][kStretch].
inline constexpr std::size_t kTileRows = 12, kStretch = 128;

/// Packed vectors and the buffers of their multiplication, as kernels see them.
struct Packed {
  std::size_t count = 0, dim = 0;
  std::size_t lanes =
      0;  ///< f32 that the dot products of a row with all of them take: `count`, rounded up to what registers hold
  float* values = nullptr;
  float* block = nullptr;
  float* largest = nullptr;  ///< a number for each lane
};

/// Vectors that rows are multiplied by, laid out for the registers of the machine. With buffers, so for one thread.
class PackedVectors {
 public:
  PackedVectors() = default;
  PackedVectors(const PackedVectors&) = delete;
  PackedVectors& operator=(const PackedVectors&) = delete;

  /// Copies `count` vectors of `dim` values, one after another.
  void pack(const float* vectors, std::size_t count, std::size_t dim);
  const Packed& parts() const noexcept { return parts_; }

 private:
  Packed parts_;
  AlignedFloats values_, block_, largest_;
};

/// Tokens that are looked up: each the sum of a row whose dot products are known and of `subspaces` pieces, by their
/// codes, times its norm.
struct CodedTokens {
  std::size_t count = 0, subspaces = 0;
  const std::uint32_t* places = nullptr;  ///< of each token's row in `products`
  const std::uint8_t* codes = nullptr;    ///< count x subspaces
  const float* products = nullptr;        ///< from products()
  const float* tables = nullptr;          ///< from fill_tables()
  const float* norms = nullptr;           ///< of each token; null: all are 1
};

/// MaxSim step by step: forget(), raise() by parts of a document in any number, sum(). All are noexcept in effect.
struct Kernels {
  /// No token was seen.
  void (*forget)(const Packed& query);
  /// Counts in `n` tokens, one after another.
  void (*raise_f16)(const Packed& query, const void* tokens, std::size_t n);
  void (*raise_f32)(const Packed& query, const void* tokens, std::size_t n);
  void (*raise_coded)(const Packed& query, const CodedTokens& tokens);
  /// The largest product of each query token, summed.
  float (*sum)(const Packed& query);

  /// out[i * lanes] and the numbers after it = the dot products of row ids[i] of `rows` with the query tokens, i < n.
  void (*products)(const Packed& query, const float* rows, const std::uint32_t* ids, std::size_t n, float* out);
  /// tables[(s * kCentroids + c) * lanes] and the numbers after it = the dot products of centroid c of subspace s with
  /// that part of the query tokens. `codebooks` are those of lookup.h, one after another, each `width` wide.
  void (*fill_tables)(const Packed& query, const float* codebooks, std::size_t subspaces, std::size_t width,
                      float* tables);
};

Kernels dispatch();

/// For each of `n` vectors the row among `count` >= 1 for which dot(row, vector) - bias[row] is largest, of equals the
/// first: `best` gets that number and `which` the row's. The row nearest by L2 has bias |row|^2 / 2. Vectors and rows
/// have `dim` values, one after another. Numbers that are NaN are passed over; where all are, or are -infinity, the row
/// is 0.
void nearest_rows(const float* vectors, std::size_t n, std::size_t dim, const float* rows, const float* bias,
                  std::size_t count, float* best, std::uint32_t* which);

}  // namespace cassata::kernels::maxsim
