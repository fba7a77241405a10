// A random rotation in time n log n. It spreads a vector evenly over all coordinates, so that no coordinate needs more
// bits than the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cassata {

/// Four rounds. Each flips the signs of some coordinates and applies a Hadamard transform to the largest power of two
/// of them that fits, alternately the first ones and the last ones (Ailon and Chazelle, STOC 2006; rounds over parts:
/// Gao et al., SIGMOD 2025).
class Rotation {
 public:
  static constexpr std::size_t kRounds = 4;

  /// kRounds x dim random signs, 1 or -1. They depend on dim alone.
  static std::vector<std::int8_t> random_signs(std::size_t dim);

  /// `signs`: kRounds x dim numbers; a negative one flips its coordinate. Borrowed.
  Rotation(std::span<const std::int8_t> signs, std::size_t dim);

  /// Rotates dim values in place.
  void apply(float* values) const;
  /// The inverse of apply().
  void undo(float* values) const;

 private:
  void flip(std::size_t round, float* values) const;
  float* part(std::size_t round, float* values) const { return round % 2 == 0 ? values : values + (dim_ - length_); }

  std::span<const std::int8_t> signs_;
  std::size_t dim_;
  std::size_t length_;  // of a transform: the largest power of two up to dim
};

}  // namespace cassata
