// The graph kind: a walk from the upper layers to the base.
#include <algorithm>
#include <limits>
#include <string>

#include "engine/base/parallel.h"
#include "engine/graph/delta_adjacency.h"
#include "engine/graph/hierarchy.h"
#include "engine/graph/row_order.h"
#include "engine/index/registry.h"
#include "engine/index/searcher.h"
#include "engine/search/beam_walk.h"
#include "engine/search/duplicate_expansion.h"
#include "engine/search/interleave.h"
#include "engine/search/object_pool.h"
#include "engine/search/rerank.h"
#include "engine/search/scan.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

const GraphEntry& graph_entry(const MappedFile& file) {
  const auto& graph = file.manifest().graph;
  if (!graph) corrupt(file.manifest_place() + "a graph index without an entry for its graph");
  if (graph->m == 0 || graph->m > GraphParams::kMaxM)
    corrupt(file.manifest_place() + "m is " + std::to_string(graph->m) + ", expected 1 to " +
            std::to_string(GraphParams::kMaxM));
  return *graph;
}

/// Duplicates come after all nodes and have no list, unless rows stand in the order given.
std::unique_ptr<Adjacency> open_base(const MappedFile& file, const GraphEntry& entry, std::size_t size) {
  const GraphType type = file.manifest().schema.graph;
  if (type != GraphType::standard) size -= entry.duplicates;
  const Section edges = file.section(kEdgesSection);
  if (type == GraphType::compressed)
    return std::make_unique<DeltaAdjacency>(edges, file.section(kPlacesSection), size, 2 * entry.m);
  return std::make_unique<RowAdjacency>(edges, size, 2 * entry.m);
}

class GraphSearcher final : public Searcher {
 public:
  GraphSearcher(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry)
      : file_(file),
        schema_(file.manifest().schema),
        codes_(*codes.first),
        second_(codes.second.get()),
        near_first_(schema_.has(Role::maxsim) || (schema_.second && schema_.vector_kind == VectorKind::sparse)),
        summed_(schema_.has(Role::residual) ? std::make_unique<SummedCodes>(*codes.first, *codes.second) : nullptr),
        metric_(schema_.distance()),
        duplicates_(open_duplicates(file, entry)),
        base_(open_base(file, entry, codes_.size())),
        levels_(file.section(kUpperNodesSection), file.section(kUpperEdgesSection), entry.level_sizes, entry.m,
                codes_.size()),
        expansion_(duplicates_, permutation_, entry, metric_, codes_.size()),
        entry_(entry) {
    if (schema_.graph != GraphType::standard) permutation_ = Permutation(file.section(kIdsSection), codes_.size());
  }

  void search(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    const Plan plan = plan_of(params);
    if (params.k == 0 || plan.wanted == 0) return;
    if (plan.scans && (!second_ || schema_.traversal_only())) return search_exact(queries, params, best);
    constexpr std::size_t kMost = kLanes + kResting;
    std::vector<std::unique_ptr<InFlightQuery>> lanes(threads_of(params.num_threads) * kMost);
    const auto make = [this] { return idle_.take([this] { return std::make_unique<InFlightQuery>(*this); }); };
    const std::size_t grain = grain_of(params.num_threads, queries.rows, 8 + queries.rows / 256);
    parallel_for(params.num_threads, queries.rows, grain, [&](std::size_t begin, std::size_t end, unsigned thread) {
      const auto mine = std::span(lanes).subspan(thread * kMost, kMost);
      if (!plan.scans) {
        const auto start = [&](InFlightQuery& lane, std::size_t query) {
          file_.warm_on();
          lane.query = query;
          lane.first->bind(queries.row(query));
          lane.descent.start(plan.width, plan.relax, file_.cold());
          lane.ranks = false;
        };
        const auto finish = [&](const InFlightQuery& lane) {
          best[lane.query].assign(lane.found.begin(),
                                  lane.found.end());  // all that each walk kept would fill the memory
        };
        return interleave<InFlightQuery>(
            mine, kLanes, begin, end, make, start, [&](InFlightQuery& lane) { return step(lane, queries, plan); },
            finish);
      }
      if (!mine[0]) mine[0] = make();
      for (std::size_t i = begin; i < end; ++i) {
        file_.warm_on();
        mine[0]->first->bind(queries.row(i));
        scan({&mine[0]->first, 1}, codes_.size(), {}, plan.wanted, {&mine[0]->found, 1});
        std::vector<Candidate>& found = mine[0]->found;
        if (start_ranking(queries.row(i), *mine[0], plan))
          while (mine[0]->rest.step()) {
          }
        found.resize(std::min(params.k, found.size()));
        best[i] = found;
      }
    });
    for (auto& lane : lanes) idle_.give(std::move(lane));
  }

  void search_exact(const Batch& queries, const SearchParams& params,
                    std::span<std::vector<Candidate>> best) const override {
    const Codes& whole = summed_ ? *summed_ : second_ ? *second_ : codes_;
    search_by_scan(whole, metric_, schema_.has(Role::maxsim) ? std::span<const Id>() : permutation_.ids(), queries,
                   params, best);
  }

  void verify(const Reading& reading) const override {
    base_->verify(reading);
    levels_.verify(reading);
    permutation_.verify(reading);
    duplicates_.verify(permutation_, entry_, codes_.size(), reading);
  }

 private:
  /// What the parameters of a search come to.
  struct Plan {
    std::size_t k;
    std::size_t width;   // of the walk
    std::size_t wanted;  // candidates that are ranked
    bool scans;          // a walk would see most vectors, and more slowly
    float relax;
    RerankParams rest;
  };

  Plan plan_of(const SearchParams& params) const {
    const std::size_t kept = std::min<std::size_t>(params.ef_search, codes_.size());
    Plan plan{.k = params.k,
              .width = kept,
              .wanted = params.k,
              .scans = false,
              .relax = params.early_exit_threshold,
              .rest = {.k = params.k}};
    if (schema_.traversal_only()) {
      plan.wanted = std::max(kept, params.k);
      plan.rest = guided_rerank(params.k);
    } else if (second_) {
      plan.wanted = std::min<std::size_t>(params.k_candidates, codes_.size());
      plan.rest = {.k = params.k,
                   .alpha = params.alpha,
                   .beta = params.beta,
                   .sum = summed_ || (schema_.has(Role::maxsim) && params.sum_stages)};
    }
    plan.width = std::max(plan.width, plan.wanted);
    plan.scans = plan.width > codes_.size() / 2;
    return plan;
  }

  /// A query under way.
  struct InFlightQuery {
    explicit InFlightQuery(const GraphSearcher& s)
        : first(s.codes_.scorer(s.metric_)),
          second(s.second_ ? s.second_->scorer(s.metric_) : nullptr),
          descent(s.levels_, *s.base_, *first, work) {}

    std::unique_ptr<Scorer> first, second, summed;
    Workspace work;
    Descent descent;
    std::vector<Candidate> found;
    Rerank rest;
    std::size_t query = 0;
    bool ranks = false;  // what was found, which the walk ended with
  };

  /// The next step of a query: of its walk, or of ranking what was found. At the end `found` are its answers.
  StepResult step(InFlightQuery& lane, const Batch& queries, const Plan& plan) const {
    if (!lane.ranks) {
      if (lane.descent.step()) return lane.descent.pending() ? StepResult::waiting : StepResult::running;
      lane.found = lane.work.beam.entries();
      if (!second_) {
        to_ids(lane.found, expansion_.within_reach(lane.found, plan.k, queries.row(lane.query)));
        expansion_.add(Expansion::Adds::all_ids, lane.found, plan.k, *lane.first);
        return StepResult::done;
      }
      lane.found.resize(std::min(plan.wanted, lane.found.size()));
      if (near_first_)
        expansion_.add(schema_.has(Role::maxsim) ? Expansion::Adds::all_rows : Expansion::Adds::near_rows, lane.found,
                       plan.wanted, *lane.first);
      lane.ranks = start_ranking(queries.row(lane.query), lane, plan);
      if (!lane.ranks) return StepResult::done;
    }
    if (lane.rest.step()) return lane.rest.pending() ? StepResult::waiting : StepResult::running;
    if (near_first_) {
      if (!schema_.has(Role::maxsim)) expansion_.add(Expansion::Adds::copied_ids, lane.found, plan.k, *lane.second);
    } else {
      lane.found.resize(expansion_.within_reach(lane.found, plan.k, queries.row(lane.query)));
      expansion_.add(Expansion::Adds::all_ids, lane.found, plan.k, whole_scorer(queries.row(lane.query), lane));
    }
    return StepResult::done;
  }

  /// Scores rows as results are.
  Scorer& whole_scorer(const VectorView& query, InFlightQuery& lane) const {
    if (!summed_ || !expansion_.has_near_copies()) return *lane.second;
    if (!lane.summed) lane.summed = summed_->scorer(metric_);
    lane.summed->bind(query);
    return *lane.summed;
  }

  /// Has `found`, which are rows, ranked by the second codes, step by step; at the end they are the best, best first,
  /// as ids. False if nothing is left to do.
  bool start_ranking(const VectorView& query, InFlightQuery& lane, const Plan& plan) const {
    lane.second->bind(query);
    if (schema_.has(Role::maxsim))
      for (Candidate& c : lane.found) {
        c.id = permutation_.id(c.id);
        if (c.id < codes_.size()) continue;
        lane.found.assign(1, Candidate(c));  // of a damaged file: for the caller to report
        return false;
      }
    RerankParams rest = plan.rest;
    if (!near_first_) {
      const std::size_t reach = std::max(plan.k, expansion_.within_reach(lane.found, plan.k, query));
      if (schema_.traversal_only())
        rest = guided_rerank(reach);
      else if (!rest.alpha && !rest.beta)  // which are told of the k best
        rest.k = reach;
    }
    lane.rest.start(lane.found, *lane.second, schema_.has(Role::maxsim) ? std::span<const Id>() : permutation_.ids(),
                    rest);
    return true;
  }

  /// Rows become ids, in whose order ties stand. Leaves the `k` best.
  void to_ids(std::vector<Candidate>& candidates, std::size_t k) const {
    std::size_t end = std::min(k, candidates.size());
    while (end != 0 && end < candidates.size() && candidates[end].distance == candidates[end - 1].distance) ++end;
    candidates.resize(end);
    for (Candidate& c : candidates) c.id = permutation_.id(c.id);
    std::sort(candidates.begin(), candidates.end());
    candidates.resize(std::min(k, candidates.size()));
  }

  /// Walks that take turns on a thread. Measured (docs/performance.md): 2 to 4 are equally good, 8 worse.
  static constexpr std::size_t kLanes = 3;
  /// And those that wait for the disk meanwhile.
  static constexpr std::size_t kResting = 3;

  const MappedFile& file_;
  const IndexSchema& schema_;
  const Codes& codes_;
  const Codes* second_;            // null: there are none
  bool near_first_;                // rows that are near by the first codes need not be near by the second
  std::unique_ptr<Codes> summed_;  // both, where the second ones hold what the first leave out
  Metric metric_;
  Duplicates duplicates_;
  std::unique_ptr<Adjacency> base_;
  UpperLayers levels_;
  Permutation permutation_;
  Expansion expansion_;
  const GraphEntry& entry_;
  mutable Pool<InFlightQuery> idle_;  // as long as the collection, so kept from one search to the next
};

}  // namespace

Duplicates open_duplicates(const MappedFile& file, const GraphEntry& entry) {
  if (entry.duplicates >= file.manifest().size || entry.near_copies > entry.duplicates)
    corrupt(file.manifest_place() + std::to_string(entry.duplicates) + " duplicates, " +
            std::to_string(entry.near_copies) + " of them near copies, among " + std::to_string(file.manifest().size) +
            " rows, expected fewer");
  if (entry.duplicates == 0) return {};
  return Duplicates(file.section(kDuplicatesSection), entry.duplicates);
}

std::unique_ptr<Searcher> open_graph(const MappedFile& file, const StoredCodes& codes) {
  const GraphEntry& entry = graph_entry(file);
  if (file.manifest().schema.graph == GraphType::paged) return open_paged(file, codes, entry);
  return std::make_unique<GraphSearcher>(file, codes, entry);
}

}  // namespace cassata
