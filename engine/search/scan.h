// Exhaustive search: scores every vector.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Puts the k best of the rows 0 to size - 1 for the query of scorers[i] in best[i], by distance, then by id. `ids` are
/// the ids of rows; empty: ids equal rows. Reads rows once for all queries.
void scan(std::span<const std::unique_ptr<Scorer>> scorers, std::uint64_t size, std::span<const Id> ids, std::size_t k,
          std::span<std::vector<Candidate>> best);

}  // namespace cassata
