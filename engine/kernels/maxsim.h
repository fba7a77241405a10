// Many rows times some vectors, dispatched at run time: MaxSim of token vectors, and the row nearest to each vector.
//
// MaxSim (Khattab and Zaharia, SIGIR 2020): for each query token the largest dot product with a document's tokens, summed over the query's
// tokens. All sums are f32; a dot product is summed in the same order wherever its row stands. Rows lie at any byte; no read goes past the
// last one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "format/types.h"

namespace cassata::kernels {

/// Memory that begins a cache line, for whole registers.
class AlignedFloats {
 public:
  /// Makes room for `n`; what was there is lost if it has to grow.
  void reserve(std::size_t n) {
    if (n > kLineFloats * lines_.size()) lines_ = std::vector<Line>((n + kLineFloats - 1) / kLineFloats);
  }
  float* data() noexcept { return lines_.data()->values; }

 private:
  static constexpr std::size_t kLineFloats = 16;
  struct alignas(64) Line {
    float values[kLineFloats];
  };
  std::vector<Line> lines_ = std::vector<Line>(1);
};

/// Rows are multiplied a block at a time, in f32, coordinates in stretches: [dim / kStretch][kBlockRows][kStretch].
inline constexpr std::size_t kBlockRows = 12, kStretch = 128;

/// Packed vectors and the buffers of their multiplication, as kernels see them.
struct Packed {
  std::size_t count = 0, dim = 0;
  std::size_t lanes = 0;  ///< f32 that the dot products of a row with all of them take: `count`, rounded up to what registers hold
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

/// MaxSim of the packed query and `n` >= 1 rows of f16, one after another.
float max_sim_f16(const Packed& query, const void* rows, std::size_t n);

/// out[i * lanes] and the numbers after it = the dot products of row ids[i] of `rows` (f32) with the packed vectors, i < n.
void row_products(const Packed& vectors, const float* rows, const std::uint32_t* ids, std::size_t n, float* out);

/// For each of `n` vectors the row among `count` >= 1 for which dot(row, vector) - bias[row] is largest, of equals the first: `best` gets that
/// number and `which` the row's. The row nearest by L2 has bias |row|^2 / 2. Vectors and rows have `dim` values, one after another. Numbers that
/// are NaN are passed over; where all are, or are -infinity, the row is 0.
void nearest_rows(const float* vectors, std::size_t n, std::size_t dim, const float* rows, const float* bias, std::size_t count, float* best,
                  std::uint32_t* which);

}  // namespace cassata::kernels
