// Exhaustive search: scores every vector.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "cassata/bitmap.h"
#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Puts the k best of the rows 0 to size - 1 that are at most `farthest` from the query of scorers[i] in best[i], by
/// distance, then by id. `ids` are the ids of rows; empty: ids equal rows. Only rows in *filters[i] are scored; null,
/// or no filters: all rows. Reads rows once for all queries.
void scan(std::span<const std::unique_ptr<Scorer>> scorers, std::uint64_t size, std::span<const Id> ids, std::size_t k,
          std::span<std::vector<Candidate>> best, std::span<const Bitmap* const> filters = {},
          float farthest = std::numeric_limits<float>::infinity());

}  // namespace cassata
