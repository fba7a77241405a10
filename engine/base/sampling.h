// Stratified samples of rows: one row from each of `count` equal strata, so that every part of a collection is
// represented, at a pseudo-random place in the stratum, so that a periodic collection is not sampled in step.
// Deterministic.
#pragma once

#include <cstdint>

namespace cassata {

/// SplitMix64 (Steele et al., OOPSLA 2014).
inline std::uint64_t scattered(std::uint64_t number) noexcept {
  number = (number + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
  number = (number ^ (number >> 27)) * 0x94D049BB133111EB;
  return number ^ (number >> 31);
}

/// Sample i of `count` samples from `total` rows; increases with i. Requires i < count <= total.
inline std::uint64_t sampled(std::uint64_t i, std::uint64_t count, std::uint64_t total) noexcept {
  const auto begin_of = [=](std::uint64_t stratum) {
    return total / count * stratum + total % count * stratum / count;
  };
  return begin_of(i) + scattered(i) % (begin_of(i + 1) - begin_of(i));
}

}  // namespace cassata
