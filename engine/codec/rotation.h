// A random rotation in time n log n: vectors whose coordinates are all alike, whatever they were, so that few bits hold
// any of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cassata {

/// Four rounds, each of which flips the signs of some coordinates and applies a Hadamard transform to as many of them
/// as a power of two allows, at the front and at the back in turns (Ailon and Chazelle, STOC 2006; rounds over parts:
/// Gao et al., SIGMOD 2025).
class Rotation {
 public:
  static constexpr std::size_t kRounds = 4;

  /// Signs that are the same in every build.
  static std::vector<std::int8_t> random_signs(std::size_t dim);

  /// `signs`: kRounds x dim numbers, those below 0 flip a coordinate. Borrowed.
  Rotation(std::span<const std::int8_t> signs, std::size_t dim);

  /// In place, dim values.
  void apply(float* values) const;
  /// Back to where apply() came from.
  void undo(float* values) const;

 private:
  void flip(std::size_t round, float* values) const;
  float* part(std::size_t round, float* values) const { return round % 2 == 0 ? values : values + (dim_ - length_); }

  std::span<const std::int8_t> signs_;
  std::size_t dim_;
  std::size_t length_;  // of a transform: the largest power of two that is no more than dim
};

}  // namespace cassata
