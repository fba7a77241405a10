// The flat kind: every vector is scored.
#include <algorithm>
#include <array>

#include "engine/base/parallel.h"
#include "engine/index/searcher.h"
#include "engine/search/row_filter.h"
#include "engine/search/scan.h"

namespace cassata {

void search_by_scan(const Codes& codes, Metric metric, std::span<const Id> ids, const Batch& queries,
                    const SearchParams& params, float farthest, std::span<std::vector<Candidate>> best) {
  constexpr std::size_t kQueries = 16;  // queries that share one read of the rows
  std::vector<std::vector<std::unique_ptr<Scorer>>> scorers_of(threads_of(params.num_threads));
  const BatchFilters filters(params.filters, [ids](const Bitmap& passing) { return RowFilter(passing, ids); });
  parallel_for(params.num_threads, queries.rows, grain_of(params.num_threads, queries.rows, kQueries),
               [&](std::size_t begin, std::size_t end, unsigned thread) {
                 auto& scorers = scorers_of[thread];
                 for (std::size_t first = begin; first < end; first += kQueries) {
                   const std::size_t count = std::min(kQueries, end - first);
                   while (scorers.size() < count) scorers.push_back(codes.scorer(metric));
                   for (std::size_t i = 0; i < count; ++i) scorers[i]->bind(queries.row(first + i));
                   std::array<RowFilter, kQueries> own;
                   std::array<const Bitmap*, kQueries> rows;
                   for (std::size_t i = 0; i < count; ++i) {
                     const RowFilter* const filter = filters.of(first + i, own[i]);
                     rows[i] = filter == nullptr ? nullptr : &filter->rows();
                   }
                   scan(std::span(scorers).first(count), codes.size(), ids, params.k, best.subspan(first, count),
                        std::span<const Bitmap* const>(rows).first(count), farthest);
                 }
               });
}

namespace {

class FlatSearcher final : public Searcher {
 public:
  FlatSearcher(const Codes& codes, Metric metric) : codes_(codes), metric_(metric) {}

  void search(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    search_by_scan(codes_, metric_, {}, queries, params, kAnyDistance, best);
  }
  void search_exact(const Batch& queries, const SearchParams& params, float farthest,
                    std::span<std::vector<Candidate>> best) const override {
    search_by_scan(codes_, metric_, {}, queries, params, farthest, best);
  }
  std::size_t sure_results(const SearchParams&) const override { return 0; }
  void verify(const Reading&) const override {}

 private:
  const Codes& codes_;
  Metric metric_;
};

}  // namespace

Access scan_access(const IndexSchema&) noexcept { return Access::sequential; }

std::unique_ptr<Searcher> open_flat(const MappedFile& file, const StoredCodes& codes) {
  if (file.manifest().schema.vector_kind == VectorKind::sparse) return open_postings(file, codes);
  return std::make_unique<FlatSearcher>(*codes.first, file.manifest().schema.distance());
}

}  // namespace cassata
