// Exact answers over a collection that is no index yet.
#pragma once

#include "cassata/index.h"
#include "cassata/params.h"
#include "cassata/stream.h"
#include "cassata/types.h"

namespace cassata {

/// The best `params.k` of all `vectors`, as they are given, for each row of `queries`: what approximate answers are
/// judged by. Reads the stream once; memory holds a batch of it. `out` as of Index::search; of `params`, k and
/// num_threads count. Throws Error(invalid_argument): the queries are of another shape or dimension, NaN, infinity or a
/// length (L2) that is neither 0 nor 1e-15 to 2e18 on either side.
void search_exact(VectorStream& vectors, Metric metric, const Batch& queries, const SearchParams& params,
                  const Hits& out, const Progress& progress = {});

}  // namespace cassata
