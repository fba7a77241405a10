// Random numbers from a seed.
#pragma once

#include <cstddef>
#include <random>

namespace cassata::test {

using Random = std::mt19937_64;

/// 0 to n - 1.
inline std::size_t below(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

}  // namespace cassata::test
