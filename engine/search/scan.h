// Exhaustive search: every vector is scored.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/search/workspace.h"

namespace cassata {

/// The k best of the vectors in rows 0 to size - 1 for each scorer's query, best first, ties by lower id: best[i] for
/// scorers[i]. `ids` are those of the rows; empty: their numbers. Rows are read once for all queries.
void scan(std::span<const std::unique_ptr<Scorer>> scorers, std::uint64_t size, std::span<const Id> ids, std::size_t k,
          std::span<std::vector<Candidate>> best);

}  // namespace cassata
