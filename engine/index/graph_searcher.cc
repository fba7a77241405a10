#include "engine/index/graph_searcher.h"

#include <algorithm>
#include <utility>

#include "engine/base/parallel.h"
#include "engine/graph/row_order.h"
#include "engine/search/duplicate_expansion.h"
#include "engine/search/interleave.h"
#include "engine/search/object_pool.h"
#include "engine/search/rerank.h"
#include "engine/search/row_filter.h"
#include "engine/search/scan.h"
#include "engine/search/subset.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

Duplicates open_duplicates(const MappedFile& file, const GraphEntry& entry) {
  if (entry.duplicates >= file.manifest().size || entry.near_copies > entry.duplicates)
    corrupt(file.manifest_place() + std::to_string(entry.duplicates) + " duplicates, " +
            std::to_string(entry.near_copies) + " of them near copies, among " + std::to_string(file.manifest().size) +
            " rows, expected fewer");
  if (entry.duplicates == 0) return {};
  return Duplicates(file.section(kDuplicatesSection), entry.duplicates);
}

Permutation open_permutation(const MappedFile& file) {
  if (file.manifest().schema.graph == GraphType::standard) return {};
  return Permutation(file.section(kIdsSection), file.manifest().size);
}

class GraphSearcher final : public Searcher {
 public:
  GraphSearcher(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry,
                std::unique_ptr<GraphLayout> layout)
      : memory_(file.memory()),
        schema_(file.manifest().schema),
        size_(file.manifest().size),
        entry_(entry),
        layout_(std::move(layout)),
        permutation_(open_permutation(file)),
        duplicates_(open_duplicates(file, entry)),
        expansion_(duplicates_, permutation_, entry, schema_.distance(), size_),
        first_(codes.first.get()),
        second_(codes.second.get()),
        results_(second_ ? second_ : first_),
        result_ids_(permutation_.ids()),
        near_by_first_(schema_.has(Role::maxsim) || (second_ && schema_.vector_kind == VectorKind::sparse)) {
    if (schema_.has(Role::residual)) {
      summed_ = std::make_unique<SummedCodes>(*first_, *second_);
      results_ = summed_.get();
    }
    if (schema_.has(Role::maxsim)) {
      result_ids_ = {};  // token vectors are stored by id, and scanned in that order
      if (!permutation_.ids().empty()) {
        second_by_row_ = std::make_unique<SubsetCodes>(*second_, permutation_.ids());
        second_ = second_by_row_.get();
      }
    }
  }

  void search(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    const Plan plan = plan_of(params);
    if (plan.k == 0 || plan.candidates == 0) return;
    if (plan.scans && (!second_ || schema_.traversal_only())) return search_exact(queries, params, kAnyDistance, best);
    const BatchFilters filters(params.filters, [&](const Bitmap& ids) { return filter_of(ids, plan); });
    const GraphLayout::Interleaving in_flight = layout_->interleaving();
    const std::size_t slots_a_thread = in_flight.running + in_flight.waiting;
    std::vector<std::unique_ptr<InFlightQuery>> slots(threads_of(params.num_threads) * slots_a_thread);
    const auto make = [this] { return idle_.take([this] { return std::make_unique<InFlightQuery>(*this); }); };
    const std::size_t grain = grain_of(params.num_threads, queries.rows, 8 + queries.rows / 256);
    parallel_for(params.num_threads, queries.rows, grain, [&](std::size_t begin, std::size_t end, unsigned thread) {
      const auto mine = std::span(slots).subspan(thread * slots_a_thread, slots_a_thread);
      const auto start = [&](InFlightQuery& query, std::size_t number) {
        query.number = number;
        query.plan = plan;
        query.widened = false;
        query.filter = filters.of(number, query.own_filter);
        if (query.filter != nullptr && query.filter->count() == size_) query.filter = nullptr;
        find(query, queries);
      };
      const auto finish = [&](const InFlightQuery& query) {  // copied, because whole beams would fill the memory
        best[query.number].assign(query.found.begin(), query.found.end());
      };
      interleave<InFlightQuery>(
          mine, in_flight.running, begin, end, make, start, [&](InFlightQuery& query) { return step(query, queries); },
          finish);
    });
    for (auto& query : slots) idle_.give(std::move(query));
  }

  void search_exact(const Batch& queries, const SearchParams& params, float farthest,
                    std::span<std::vector<Candidate>> best) const override {
    search_by_scan(*results_, schema_.distance(), result_ids_, queries, params, farthest, best);
  }

  std::size_t sure_results(const SearchParams& params) const override {
    SearchParams any = params;
    any.k = 0;
    const Plan plan = plan_of(any);
    if (!second_ || schema_.traversal_only())
      return kScannedPerBeamPlace * plan.width > size_ ? 0 : std::max<std::size_t>(plan.width / kPlacesPerResult, 1);
    if (plan.rerank.sum && !summed_ && plan.candidates == size_) return size_;  // no scan sums the stages of tokens
    const bool scan = schema_.has(Role::maxsim) ? plan.candidates > size_ / 2 && !plan.rerank.sum
                                                : kScannedPerBeamPlace * plan.width > size_;
    return scan ? 0 : std::max<std::size_t>(plan.candidates / kCandidatesPerResult, 1);
  }

  void verify(const Reading& reading) const override {
    layout_->verify(reading);
    permutation_.verify(reading);
    duplicates_.verify(permutation_, entry_, size_, reading);
  }

 private:
  /// Places of the beam, and candidates of a given number, for each result of a range search: with fewer, the farthest
  /// ones are missed (docs/decisions/range-searches-widen.md).
  static constexpr std::size_t kPlacesPerResult = 2, kCandidatesPerResult = 4;

  /// The plan of a search, from its parameters.
  struct Plan {
    std::size_t k;
    std::size_t width;       // beam width of the traversal
    std::size_t candidates;  // most candidates that the second stage scores
    bool scans;              // scan instead of traversing: a traversal would visit most nodes, and more slowly
    float relax;
    RerankParams rerank;
  };

  Plan plan_of(const SearchParams& params) const {
    const std::size_t kept = std::min<std::size_t>(params.ef_search, size_);
    Plan plan{.k = params.k,
              .width = kept,
              .candidates = params.k,
              .scans = false,
              .relax = params.early_exit_threshold,
              .rerank = {.k = params.k}};
    if (schema_.traversal_only()) {
      plan.candidates = std::max(kept, params.k);
    } else if (second_) {
      plan.candidates = std::min<std::size_t>(params.k_candidates, size_);
      plan.rerank = {.k = params.k,
                     .alpha = params.alpha,
                     .beta = params.beta,
                     .sum = summed_ || (schema_.has(Role::maxsim) && params.sum_stages)};
    }
    plan.width = std::max(plan.width, plan.candidates);
    plan.scans = plan.width > size_ / 2;
    return plan;
  }

  enum class Stage { traversal, rerank, done };

  struct InFlightQuery {
    explicit InFlightQuery(const GraphSearcher& s)
        : walk(s.layout_->walk()), second(s.second_ ? s.second_->scorer(s.schema_.distance()) : nullptr) {}

    std::unique_ptr<Walk> walk;
    std::unique_ptr<Scorer> second;
    std::unique_ptr<Scorer> scanning, exact, summed;  // made when they are needed
    std::vector<Candidate> found;
    Rerank rerank;
    std::size_t number = 0;
    Plan plan = {};
    Stage stage = Stage::traversal;
    bool scanned = false;               // the first stage was a scan
    bool widened = false;               // it is not the first one
    bool of_nodes = true;               // it found nodes, which stand for their duplicates, too
    const RowFilter* filter = nullptr;  // of this query; null: all rows pass
    RowFilter own_filter;
  };

  /// At most as many rows are scanned under a filter, rather than traversed to.
  std::size_t scanned_rows(const Plan& plan) const { return layout_->scanned_rows(plan.width); }

  RowFilter filter_of(const Bitmap& ids, const Plan& plan) const {
    RowFilter filter(ids, permutation_.ids());
    const bool walks = !plan.scans && filter.count() > scanned_rows(plan);
    if (walks || scans_nodes(filter, plan)) filter.ready(duplicates_, layout_->nodes());
    return filter;
  }

  bool scans(const InFlightQuery& query) const {
    return query.plan.scans || (query.filter != nullptr && query.filter->count() <= scanned_rows(query.plan));
  }

  /// Starts the first stage, a traversal or a scan.
  void find(InFlightQuery& query, const Batch& queries) const {
    if (scans(query)) return find_by_scan(query, queries);
    query.stage = Stage::traversal;
    memory_.warm_on();
    query.walk->start(queries.row(query.number), query.plan.width, query.plan.relax, query.filter);
  }

  /// Whether a scan of the rows that pass reads the codes that score results at once: the others would choose among as
  /// many rows as are scored again, or choose worse in about as much time.
  bool scans_exactly(const RowFilter& filter, const Plan& plan) const {
    if (!second_ || !first_) return true;
    return schema_.traversal_only() ? filter.count() <= plan.candidates : !schema_.has(Role::maxsim);
  }

  /// Whether a scan of what passes reads nodes, as a traversal does, and not rows: copies of one vector would take the
  /// candidates' places.
  bool scans_nodes(const RowFilter& filter, const Plan& plan) const {
    return !duplicates_.empty() && !scans_exactly(filter, plan);
  }

  /// The first stage as a scan, then the second stage; or, without one, a scan by the codes that score results.
  void find_by_scan(InFlightQuery& query, const Batch& queries) const {
    const Plan& plan = query.plan;
    const bool exact = query.filter != nullptr ? scans_exactly(*query.filter, plan) : !second_ || !first_;
    const bool of_nodes = query.filter != nullptr && scans_nodes(*query.filter, plan);
    query.scanned = true;
    query.of_nodes = of_nodes;
    std::unique_ptr<Scorer>& scorer = exact ? query.exact : query.scanning;
    if (!scorer) scorer = (exact ? results_ : first_)->scorer(schema_.distance());
    const VectorView vector = queries.row(query.number);
    scorer->bind(vector);
    const Bitmap* const rows = query.filter == nullptr ? nullptr
                               : of_nodes              ? &query.filter->passing_nodes()
                                                       : &query.filter->rows();
    scan({&scorer, 1}, of_nodes ? layout_->nodes() : size_, exact ? permutation_.ids() : std::span<const Id>(),
         exact ? plan.k : plan.candidates, {&query.found, 1}, {&rows, 1});
    if (exact)
      query.stage = Stage::done;
    else
      rank(vector, query, *scorer);
  }

  /// The next step of a query, in its traversal or its rerank. At the end `found` holds the results.
  StepResult step(InFlightQuery& query, const Batch& queries) const {
    const Plan& plan = query.plan;
    const VectorView vector = queries.row(query.number);
    if (query.stage == Stage::done) return StepResult::done;
    if (query.stage == Stage::traversal) {
      if (query.walk->step()) return query.walk->pending() ? StepResult::waiting : StepResult::running;
      query.found = query.walk->found();
      query.scanned = false;
      query.of_nodes = true;
      if (query.filter != nullptr && query.found.size() < std::min(plan.width, query.filter->nodes())) {
        find_by_scan(query, queries);  // some nodes that pass were not reached
        return StepResult::running;
      }
      if (query.walk->cut_short() && !query.widened &&
          !schema_.traversal_only()) {  // a rerank estimates what is missed
        widen(query, queries);
        return StepResult::running;
      }
      if (!second_) {
        to_ids(query.found, expansion_.within_reach(query.found, plan.k, vector));
        expansion_.add(Expansion::Adds::all_ids, query.found, plan.k, *query.walk->scorer(), query.filter);
        return StepResult::done;
      }
      rank(vector, query, *query.walk->scorer());
    }
    if (query.rerank.step()) return query.rerank.pending() ? StepResult::waiting : StepResult::running;
    if (query.filter != nullptr && query.rerank.ran_out()) {
      widen(query, queries);
      return StepResult::running;
    }
    if (!query.of_nodes) {
      query.found.resize(std::min(plan.k, query.found.size()));
    } else if (!near_by_first_) {
      query.found.resize(expansion_.within_reach(query.found, plan.k, vector));
      expansion_.add(Expansion::Adds::all_ids, query.found, plan.k, result_scorer(vector, query), query.filter);
    } else if (!schema_.has(Role::maxsim)) {
      expansion_.add(Expansion::Adds::copied_ids, query.found, plan.k, *query.second, query.filter);
    }
    return StepResult::done;
  }

  /// Starts the query again with more candidates. Among many rows about as far from the query as each other, the codes
  /// of the traversal do not tell which are the best.
  void widen(InFlightQuery& query, const Batch& queries) const {
    constexpr std::size_t kFactor = 4;
    query.widened = true;
    query.plan.width *= kFactor;
    query.plan.candidates *= kFactor;
    if (query.scanned || scans(query)) {
      query.plan.candidates = size_;  // the codes that score results, for all rows that pass
      return find_by_scan(query, queries);
    }
    find(query, queries);
  }

  /// Scores rows by the codes that score results.
  Scorer& result_scorer(const VectorView& vector, InFlightQuery& query) const {
    if (!summed_ || !expansion_.has_near_copies()) return *query.second;
    if (!query.summed) query.summed = summed_->scorer(schema_.distance());
    query.summed->bind(vector);
    return *query.summed;
  }

  /// Chooses the candidates among what the first stage found, whose distances `first` computes, and starts the second.
  void rank(const VectorView& vector, InFlightQuery& query, Scorer& first) const {
    const std::size_t most = query.plan.candidates;
    query.found.resize(std::min(most, query.found.size()));
    if (near_by_first_ && query.of_nodes)
      expansion_.add(schema_.has(Role::maxsim) ? Expansion::Adds::all_rows : Expansion::Adds::near_rows, query.found,
                     most, first, query.filter);
    start_ranking(vector, query);
  }

  /// Starts the second stage, which scores the rows that were found. At its end `found` holds ids, best first.
  void start_ranking(const VectorView& vector, InFlightQuery& query) const {
    const Plan& plan = query.plan;
    query.stage = Stage::rerank;
    query.second->bind(vector);
    RerankParams rerank = plan.rerank;
    if (!near_by_first_) {
      const std::size_t reach = std::max(plan.k, expansion_.within_reach(query.found, plan.k, vector));
      if (schema_.traversal_only())
        rerank = guided_rerank(reach);
      else if (!rerank.alpha && !rerank.beta)  // these are relative to the k best
        rerank.k = reach;
    }
    query.rerank.start(query.found, *query.second, permutation_.ids(), rerank);
  }

  /// Replaces rows by ids, orders ties by id, and keeps the `k` best.
  void to_ids(std::vector<Candidate>& candidates, std::size_t k) const {
    std::size_t end = std::min(k, candidates.size());
    while (end != 0 && end < candidates.size() && candidates[end].distance == candidates[end - 1].distance) ++end;
    candidates.resize(end);
    for (Candidate& c : candidates) c.id = permutation_.id(c.id);
    std::sort(candidates.begin(), candidates.end());
    candidates.resize(std::min(k, candidates.size()));
  }

  SectionMemory& memory_;
  const IndexSchema& schema_;
  std::size_t size_;
  const GraphEntry& entry_;
  std::unique_ptr<GraphLayout> layout_;
  Permutation permutation_;
  Duplicates duplicates_;
  Expansion expansion_;
  const Codes* first_;                    // null: the codes lie in pages
  const Codes* second_;                   // by row; null: one stage
  std::unique_ptr<Codes> second_by_row_;  // for codes that are stored by id
  std::unique_ptr<Codes> summed_;         // sum of both stages, for residuals
  const Codes* results_;                  // codes by which results are scored
  std::span<const Id> result_ids_;        // ids of their rows; empty: rows are ids
  bool near_by_first_;                    // near duplicates by the first codes may be far apart by the second
  mutable Pool<InFlightQuery> idle_;      // kept between searches, because each is as long as the collection
};

}  // namespace

std::unique_ptr<Searcher> graph_searcher(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry,
                                         std::unique_ptr<GraphLayout> layout) {
  return std::make_unique<GraphSearcher>(file, codes, entry, std::move(layout));
}

}  // namespace cassata
