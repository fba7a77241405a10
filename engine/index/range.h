// Range search over any kind of index: all vectors within a distance, by searches for more and more of the best.
#pragma once

#include <span>
#include <vector>

#include "engine/index/searcher.h"

namespace cassata {

/// best[i] = the vectors at most `farthest` from query i that a search finds, best first, ties by lower id, the
/// params.k best at most; params.k is at most the size. Widens ef_search and k_candidates of `params` as far as the
/// results of a query need it, and ends with search_exact() where that takes no longer
/// (docs/decisions/range-searches-widen.md).
void search_range(const Searcher& searcher, const Batch& queries, const SearchParams& params, float farthest,
                  std::span<std::vector<Candidate>> best);

}  // namespace cassata
