// The random seed of a run of tests: all random numbers of tests depend on it.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace cassata::test {

/// CASSATA_TEST_SEED of the environment, 0 without. With 0, tests use their own seeds as they are.
inline std::uint64_t run_seed() {
  static const std::uint64_t seed = [] {
    const char* text = std::getenv("CASSATA_TEST_SEED");
    return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
  }();
  return seed;
}

}  // namespace cassata::test
