// Orders sparse rows so that similar rows share a row block.
#pragma once

#include <vector>

#include "cassata/types.h"

namespace cassata {

/// Returns an order of the rows, as row numbers, in which each `block` consecutive rows, a power of two, are similar:
/// splits the rows recursively by balanced 2-means over dot products. (Dhulipala et al., KDD 2016, show why the order
/// matters to inverted lists.) The order does not depend on `num_threads`. Reports stage "order" to `progress`, in
/// rows.
std::vector<Id> order_by_similarity(const Batch& rows, std::size_t block, unsigned num_threads,
                                    const Progress& progress);

}  // namespace cassata
