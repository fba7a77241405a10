// Samples of rows: one of each of as many equal stretches, so that no part of a collection is left out; anywhere in its
// stretch, so that a collection whose rows follow a pattern meets no step. The same in every build.
#pragma once

#include <cstdint>

namespace cassata {

/// SplitMix64 (Steele et al., OOPSLA 2014).
inline std::uint64_t scattered(std::uint64_t number) noexcept {
  number = (number + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
  number = (number ^ (number >> 27)) * 0x94D049BB133111EB;
  return number ^ (number >> 31);
}

/// The row that is sample `i` of `count` of `total` rows; rises with i. Requires i < count <= total.
inline std::uint64_t sampled(std::uint64_t i, std::uint64_t count, std::uint64_t total) noexcept {
  const auto begin_of = [=](std::uint64_t stretch) {
    return total / count * stretch + total % count * stretch / count;
  };
  return begin_of(i) + scattered(i) % (begin_of(i + 1) - begin_of(i));
}

}  // namespace cassata
