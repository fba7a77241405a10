// Results whose number differs from query to query.
#pragma once

#include <cstdint>
#include <vector>

namespace cassata {

/// Results of several queries: those of query i are limits[i] to limits[i + 1] - 1, best first, ties by lower row
/// number.
struct HitLists {
  std::vector<std::int64_t> limits = {0};  ///< one more than there are queries, from 0 on
  std::vector<float> scores;
  std::vector<std::int64_t> ids;
};

}  // namespace cassata
