// Inverted lists: approximate search, and exact search of sparse vectors.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/parallel.h"
#include "engine/graph/row_order.h"
#include "engine/index/searcher.h"
#include "engine/search/object_pool.h"
#include "engine/search/posting_search.h"
#include "engine/search/row_filter.h"
#include "engine/search/scan.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

const PostingsEntry& postings_entry(const MappedFile& file) {
  const auto& postings = file.manifest().postings;
  if (!postings) corrupt(file.manifest_place() + "inverted lists without an entry for them");
  if (postings->n_knn > ListParams::kMaxKnn)
    corrupt(file.manifest_place() + "n_knn is " + std::to_string(postings->n_knn) + ", expected 0 to " +
            std::to_string(ListParams::kMaxKnn));
  return *postings;
}

/// Whether sums bound scores: lists have all entries and block maxima, and the rows hold the lists' values, nearly.
bool is_complete(Encoding encoding, const PostingsEntry& entry) {
  return (encoding == Encoding::sparse_f32 || encoding == Encoding::sparse_f16) && entry.n_postings == 0 &&
         entry.summary_energy >= 1;
}

class PostingsSearcher final : public Searcher {
 public:
  PostingsSearcher(const MappedFile& file, const Codes& codes, const PostingsEntry& entry, bool exact)
      : codes_(codes),
        exact_(exact),
        complete_(exact || is_complete(file.manifest().schema.first.encoding, entry)),
        lists_(file.section(kListsSection), file.section(kDirectorySection), file.section(kBucketsSection), entry.lists,
               entry.bucket_shift, codes.size(), codes.dim()),
        permutation_(file.section(kIdsSection), codes.size()) {
    if (entry.n_knn == 0) return;
    neighbors_section_ = file.section(kNeighborsSection);
    neighbors_ = {neighbors_section_.as<Id>(codes.size() * entry.n_knn), entry.n_knn};
  }

  void search(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    const std::size_t candidates = std::max(params.k, params.ef_search);
    if (!exact_ && candidates > codes_.size() / 2)
      return search_exact(queries, params, kAnyDistance, best);  // lists would score most rows
    // Rows that pass may be in none of the strongest lists of a query; the bounds of all lists find them.
    const bool filtered = complete_ && std::ranges::any_of(params.filters, [](const Bitmap* one) { return one; });
    search_lists(queries, params, exact_ || filtered, candidates, kAnyDistance, best);
  }

  void search_exact(const Batch& queries, const SearchParams& params, float farthest,
                    std::span<std::vector<Candidate>> best) const override {
    if (complete_ && farthest != kAnyDistance)  // the bounds hold, and skip most rows
      search_lists(queries, params, true, farthest < 0 ? params.ef_search : std::max(params.k, params.ef_search),
                   farthest, best);
    else
      search_by_scan(codes_, Metric::dot_product, permutation_.ids(), queries, params, farthest, best);
  }

  std::size_t sure_results(const SearchParams& params) const override {
    return complete_ || kScannedPerCandidate * params.ef_search > codes_.size()
               ? 0
               : std::max<std::size_t>(params.ef_search / kCandidatesPerResult, 1);
  }

  void verify(const Reading& reading) const override {
    lists_.verify(reading);
    permutation_.verify(reading);
    for (std::size_t i = 0; i < neighbors_.rows.size(); ++i) {
      reading(std::as_bytes(neighbors_.rows.subspan(i, 1)));
      if (neighbors_.rows[i] >= codes_.size() && neighbors_.rows[i] != kNoId)
        throw neighbors_section_.damaged(i * sizeof(Id), "neighbour " + std::to_string(neighbors_.rows[i]) +
                                                             ", expected a row below " + std::to_string(codes_.size()));
    }
  }

 private:
  /// If at most this many rows for each candidate pass a filter, they are scanned: the lists take as long.
  static constexpr std::size_t kScanned = 4;
  /// Candidates for each result of a range search, and rows whose scan takes as long as a candidate
  /// (docs/decisions/range-searches-widen.md).
  static constexpr std::size_t kCandidatesPerResult = 2, kScannedPerCandidate = 20;

  /// Workspace of one thread, kept for the next search, because it is as long as the collection.
  struct Work {
    PostingSearch search;
    std::unique_ptr<Scorer> scorer;
  };

  /// Searches the lists, or scans if they do not decide or `candidates` is many of the rows that pass.
  void search_lists(const Batch& queries, const SearchParams& params, bool exact, std::size_t candidates,
                    float farthest, std::span<std::vector<Candidate>> best) const {
    const PostingParams wanted{.k = params.k,
                               .exact = exact,
                               .farthest = farthest,
                               .candidates = candidates,
                               .query_cut = params.query_cut,
                               .heap_factor = params.heap_factor};
    const BatchFilters filters(params.filters,
                               [this](const Bitmap& ids) { return RowFilter(ids, permutation_.ids()); });
    parallel_for(
        params.num_threads, queries.rows, 1 + queries.rows / 256, [&](std::size_t begin, std::size_t end, unsigned) {
          std::unique_ptr<Work> work = idle_.take([this] {
            return std::make_unique<Work>(
                Work{PostingSearch(lists_, permutation_.ids(), neighbors_), codes_.scorer(Metric::dot_product)});
          });
          RowFilter own;
          for (std::size_t i = begin; i < end; ++i) {
            const RowFilter* const filter = filters.of(i, own);
            PostingParams of_query = wanted;
            of_query.rows = filter == nullptr ? nullptr : &filter->rows();
            work->scorer->bind(queries.row(i));
            const bool few = filter != nullptr && filter->count() <= kScanned * wanted.candidates;
            if (few || !work->search.find(queries.row(i), *work->scorer, of_query, best[i]))
              scan({&work->scorer, 1}, codes_.size(), permutation_.ids(), params.k, best.subspan(i, 1),
                   {&of_query.rows, 1}, farthest);
          }
          idle_.give(std::move(work));
        });
  }

  const Codes& codes_;
  bool exact_;     // searches are
  bool complete_;  // sums bound scores
  PostingLists lists_;
  Permutation permutation_;
  Section neighbors_section_;
  RowNeighbors neighbors_;
  mutable Pool<Work> idle_;
};

}  // namespace

std::unique_ptr<Searcher> open_postings(const MappedFile& file, const StoredCodes& codes) {
  return std::make_unique<PostingsSearcher>(file, *codes.first, postings_entry(file),
                                            file.manifest().schema.kind == Kind::flat);
}

}  // namespace cassata
