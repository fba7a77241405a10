// In which order sparse rows stand so that similar ones share a block.
#pragma once

#include <vector>

#include "cassata/types.h"

namespace cassata {

/// The rows' numbers in an order in which each run of `block` rows, a power of two, is similar: halves are split again
/// and again by balanced 2-means over dot products (as trees of bisections do; Dhulipala et al., KDD 2016, on why order
/// matters to inverted lists). The order does not depend on `num_threads`.
std::vector<Id> order_by_similarity(const Batch& rows, std::size_t block, unsigned num_threads,
                                    const Progress& progress);

}  // namespace cassata
