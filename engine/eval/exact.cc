#include "cassata/exact.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/build/staging.h"
#include "engine/index/answers.h"
#include "engine/index/registry.h"
#include "engine/index/searcher.h"

namespace cassata {
namespace {

/// Merges `more` into `best`, both best first, and keeps the k best.
void merge(std::vector<Candidate>& best, const std::vector<Candidate>& more, std::size_t k) {
  const auto middle = static_cast<std::ptrdiff_t>(best.size());
  best.insert(best.end(), more.begin(), more.end());
  std::inplace_merge(best.begin(), best.begin() + middle, best.end());
  if (best.size() > k) best.resize(k);
}

}  // namespace

void search_exact(VectorStream& vectors, Metric metric, const Batch& queries, const SearchParams& params,
                  const Hits& out, const Progress& progress) {
  params.check();
  check_search(queries, {.vector_kind = vectors.vector_kind(), .dim = vectors.dim(), .name = vectors.name()}, params.k,
               out);
  const SearchedQueries searched(queries, metric);
  const Metric distance = row_of(metric).distance;
  std::unique_ptr<VectorStream> holder;
  const Encoding whole = vectors.vector_kind() == VectorKind::sparse ? Encoding::sparse_f32 : Encoding::f32;
  const std::unique_ptr<Encoder> encoder = row_of(whole).encoder({.dim = vectors.dim(), .metric = distance});
  std::vector<std::vector<Candidate>> best(queries.rows), found(queries.rows);
  EncodedRows rows;
  std::vector<std::uint64_t> offsets;
  std::vector<Id> ids;
  read_all(stream_for(metric, vectors, holder), progress, [&](const Batch& batch, std::uint64_t first) {
    encode(*encoder, batch, vectors.name(), first, rows);
    offsets.assign(1, 0);
    offsets.insert(offsets.end(), rows.ends.begin(), rows.ends.end());
    ids.resize(batch.rows);
    std::iota(ids.begin(), ids.end(), static_cast<Id>(first));
    const RowSections sections{
        .rows = {.file = vectors.name(), .name = "rows", .bytes = rows.bytes},
        .offsets = {.file = vectors.name(), .name = "offsets", .bytes = std::as_bytes(std::span(offsets))}};
    const std::unique_ptr<Codes> codes = encoder->open(sections, batch.rows);
    SearchParams bounded = params;
    bounded.k = std::min(params.k, batch.rows);
    search_by_scan(*codes, distance, ids, searched.batch(), bounded, kAnyDistance, found);
    for (std::size_t i = 0; i < queries.rows; ++i) merge(best[i], found[i], params.k);
  });
  put_hits(best, queries, metric, params.k, out);
}

}  // namespace cassata
