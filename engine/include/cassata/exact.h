// Exact search over a stream of vectors, without an index.
#pragma once

#include "cassata/index.h"
#include "cassata/params.h"
#include "cassata/stream.h"
#include "cassata/types.h"

namespace cassata {

/// Finds the exact `params.k` best of all `vectors` for each row of `queries`, the reference for approximate results.
/// Reads the stream once; memory holds one batch of it. `out` is as in Index::search. Of `params`, only k and
/// num_threads are used. Throws Error(invalid_argument) if queries and vectors differ in kind or dimension, or if a
/// query or a vector has a NaN or an infinity, or a length (L2) that is neither 0 nor 1e-15 to 2e18.
void search_exact(VectorStream& vectors, Metric metric, const Batch& queries, const SearchParams& params,
                  const Hits& out, const Progress& progress = {});

}  // namespace cassata
