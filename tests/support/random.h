// Random numbers from a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>

#include "tests/support/seed.h"

namespace cassata::test {

/// A sequence of its own for each seed of a test and each seed of the run.
class Random : public std::mt19937_64 {
 public:
  explicit Random(std::uint64_t seed) : std::mt19937_64(seed + run_seed() * 0x9E3779B97F4A7C15) {}
};

/// 0 to n - 1.
inline std::size_t below(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

/// An offset that a damaged file may hold for a section of `length` bytes.
inline std::uint64_t hostile_offset(Random& random, std::size_t length) {
  const std::uint64_t numbers[] = {0,
                                   below(random, length + 1),
                                   length,
                                   length + 1 + below(random, 9999),
                                   random(),
                                   ~std::uint64_t{0},
                                   std::uint64_t{1} << 63};
  return numbers[random() % 7];
}

/// How many seeds a test tries: all with CASSATA_TEST_EXHAUSTIVE in the environment, otherwise a third of them.
/// Sanitizers, which take ten times as long over each and look at the ways through the code, always try a third.
inline unsigned seeds(unsigned usual) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return (usual + 2) / 3;
#else
  static const bool exhaustive = std::getenv("CASSATA_TEST_EXHAUSTIVE") != nullptr;
  return exhaustive ? usual : (usual + 2) / 3;
#endif
}

}  // namespace cassata::test
