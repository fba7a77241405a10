// The graph kind, in pages: for collections of which neither vectors nor codes fit into memory.
#include <algorithm>
#include <string>

#include "engine/base/parallel.h"
#include "engine/codec/row_fetch.h"
#include "engine/graph/hierarchy.h"
#include "engine/graph/page_store.h"
#include "engine/graph/row_order.h"
#include "engine/index/registry.h"
#include "engine/index/searcher.h"
#include "engine/search/duplicate_expansion.h"
#include "engine/search/interleave.h"
#include "engine/search/object_pool.h"
#include "engine/search/page_walk.h"
#include "engine/search/rerank.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

/// How neighbours' codes are stored, which is of the upper nodes in a section.
std::unique_ptr<Codes> open_links(const MappedFile& file, const GraphEntry& entry) {
  const Manifest& m = file.manifest();
  if (!entry.links) corrupt(file.manifest_place() + "a graph in pages without an entry for its links' codes");
  const EncodingRow& encoding = row_of(entry.links->encoding);
  if (encoding.vector_kind != VectorKind::dense || !encoding.compact ||
      !has_metric(encoding.distances, m.schema.metric))
    corrupt(file.manifest_place() + "links in encoding '" + std::string(encoding.name) +
            "', which such codes have not");
  const RowSections sections{.rows = file.section(entry.links->section),
                             .offsets = {},
                             .model = file.section(entry.links->section + std::string(kModelSuffix))};
  auto codes = encoding.open(sections, entry.level_sizes.empty() ? 0 : entry.level_sizes.front(),
                             {.dim = m.dim, .metric = m.schema.distance(), .code = entry.links->code});
  if (codes->row_bytes() == 0)
    corrupt(file.manifest_place() + "links in encoding '" + std::string(encoding.name) +
            "', which such codes have not");
  return codes;
}

PageShape shape_of(const MappedFile& file, const GraphEntry& entry, const Codes& own, const Codes& links) {
  const std::uint32_t bytes = entry.page_bytes;
  if (bytes < PageShape::kLeastBytes || bytes > PageShape::kMostBytes || (bytes & (bytes - 1)) != 0)
    corrupt(file.manifest_place() + "pages of " + std::to_string(bytes) + " bytes, expected a power of two from " +
            std::to_string(PageShape::kLeastBytes) + " on");
  return {.page_bytes = bytes, .own_bytes = own.row_bytes(), .link_bytes = links.row_bytes()};
}

class PagedSearcher final : public Searcher {
 public:
  PagedSearcher(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry)
      : own_(*codes.first),
        exact_(*codes.second),
        links_(open_links(file, entry)),
        upper_codes_(file.section(entry.links->section)),
        metric_(file.manifest().schema.distance()),
        pages_(file.section(kPagesSection), file.section(kPageRowsSection), shape_of(file, entry, own_, *links_),
               exact_.size(), 2 * entry.m),
        levels_(file.section(kUpperNodesSection), file.section(kUpperEdgesSection), entry.level_sizes, entry.m,
                exact_.size()),
        permutation_(file.section(kIdsSection), exact_.size()),
        duplicates_(open_duplicates(file, entry)),
        expansion_(duplicates_, permutation_, entry, metric_, exact_.size()),
        entry_(entry) {}

  void search(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    if (params.k == 0) return;
    const std::size_t width = std::max(std::min<std::size_t>(params.ef_search, exact_.size()), params.k);
    if (width > exact_.size() / 2) return search_exact(queries, params, best);  // a walk would see most vectors
    std::vector<std::unique_ptr<InFlightQuery>> lanes(threads_of(params.num_threads) * kLanes);
    const std::size_t grain = grain_of(params.num_threads, queries.rows, 8 + queries.rows / 256);
    parallel_for(params.num_threads, queries.rows, grain, [&](std::size_t begin, std::size_t end, unsigned thread) {
      const auto mine = std::span(lanes).subspan(thread * kLanes, kLanes);
      const auto start = [&](InFlightQuery& lane, std::size_t query) {
        lane.query = query;
        lane.own->bind(queries.row(query));
        lane.links->bind(queries.row(query));
        lane.walk.start(width, params.early_exit_threshold);
      };
      const auto finish = [&](InFlightQuery& lane) {
        std::vector<Candidate>& found = best[lane.query] = lane.work.beam.entries();
        const VectorView query = queries.row(lane.query);
        lane.exact->bind(query);
        rerank(found, *lane.exact, permutation_.ids(),
               guided_rerank(std::max(params.k, expansion_.within_reach(found, params.k, query))));
        found.resize(expansion_.within_reach(found, params.k, query));
        expansion_.add(Expansion::Adds::all_ids, found, params.k, *lane.exact);
      };
      interleave<InFlightQuery>(
          mine, kLanes, begin, end,
          [this] { return idle_.take([this] { return std::make_unique<InFlightQuery>(*this); }); }, start,
          [](InFlightQuery& lane) { return lane.walk.step() ? StepResult::running : StepResult::done; }, finish);
    });
    for (auto& lane : lanes) idle_.give(std::move(lane));
  }

  void search_exact(const Batch& queries, const SearchParams& params,
                    std::span<std::vector<Candidate>> best) const override {
    search_by_scan(exact_, metric_, permutation_.ids(), queries, params, best);
  }

  void verify(const Reading& reading) const override {
    links_->verify(reading);
    levels_.verify(reading);
    pages_.verify(levels_.nodes(), upper_codes_.bytes, reading, [&](const Page& page) {
      for (std::size_t i = 0; i < page.rows(); ++i)
        own_.verify_row(pages_.section(), pages_.own_code_at(page, i), page.first() + i);
      for (std::size_t i = 0; i < page.links(); ++i)
        links_->verify_row(pages_.section(), pages_.link_code_at(page, i), page.link(i));
    });
    permutation_.verify(reading);
    duplicates_.verify(permutation_, entry_, exact_.size(), reading);
  }

 private:
  /// A query under way.
  struct InFlightQuery {
    explicit InFlightQuery(const PagedSearcher& s)
        : own(s.own_.scorer(s.metric_)),
          links(s.links_->scorer(s.metric_)),
          exact(s.exact_.scorer(s.metric_)),
          walk(s.levels_, s.pages_, *links, *own, s.residency_, work) {}

    std::unique_ptr<Scorer> own, links, exact;
    Workspace work;
    PageWalk walk;
    std::size_t query = 0;
  };

  /// Walks that take turns on a thread: while the pages of one are read, the others go on.
  static constexpr std::size_t kLanes = 4;

  const Codes& own_;  // how rows are stored in pages; it has none in a section
  const Codes& exact_;
  std::unique_ptr<Codes> links_;  // how neighbours are stored in pages, and the upper nodes in a section
  Section upper_codes_;
  Metric metric_;
  Pages pages_;
  UpperLayers levels_;
  Permutation permutation_;
  Duplicates duplicates_;
  Expansion expansion_;
  const GraphEntry& entry_;
  mutable Residency residency_;
  mutable Pool<InFlightQuery> idle_;
};

}  // namespace

std::unique_ptr<Searcher> open_paged(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry) {
  return std::make_unique<PagedSearcher>(file, codes, entry);
}

}  // namespace cassata
