#include "engine/codec/rotation.h"

#include <bit>
#include <cmath>
#include <random>

namespace cassata {
namespace {

/// The Walsh-Hadamard transform of a power of two of values, scaled so that lengths stay; its own inverse.
void transform(float* values, std::size_t length) {
  for (std::size_t half = 1; half < length; half *= 2)
    for (std::size_t begin = 0; begin < length; begin += 2 * half)
      for (std::size_t i = begin; i < begin + half; ++i) {
        const float a = values[i], b = values[i + half];
        values[i] = a + b;
        values[i + half] = a - b;
      }
  const float scale = 1 / std::sqrt(static_cast<float>(length));
  for (std::size_t i = 0; i < length; ++i) values[i] *= scale;
}

}  // namespace

std::vector<std::int8_t> Rotation::random_signs(std::size_t dim) {
  std::mt19937_64 random(dim);  // of which the standard says what it gives
  std::vector<std::int8_t> signs(kRounds * dim);
  for (std::int8_t& sign : signs) sign = random() % 2 == 0 ? 1 : -1;
  return signs;
}

Rotation::Rotation(std::span<const std::int8_t> signs, std::size_t dim)
    : signs_(signs), dim_(dim), length_(std::bit_floor(dim)) {}

void Rotation::flip(std::size_t round, float* values) const {
  const std::int8_t* const signs = signs_.data() + round * dim_;
  for (std::size_t i = 0; i < dim_; ++i) values[i] = signs[i] < 0 ? -values[i] : values[i];
}

void Rotation::apply(float* values) const {
  for (std::size_t round = 0; round < kRounds; ++round) {
    flip(round, values);
    transform(part(round, values), length_);
  }
}

void Rotation::undo(float* values) const {
  for (std::size_t round = kRounds; round-- > 0;) {
    transform(part(round, values), length_);
    flip(round, values);
  }
}

}  // namespace cassata
