// The graph kind: a walk from the upper levels to the ground.
#include <algorithm>
#include <limits>
#include <string>

#include "engine/parallel.h"
#include "engine/build/pipeline.h"
#include "engine/graph/compressed.h"
#include "engine/graph/levels.h"
#include "engine/graph/permutation.h"
#include "engine/search/beam.h"
#include "engine/search/rerank.h"
#include "engine/search/scan.h"
#include "engine/searcher.h"

namespace cassata {
namespace {

const GraphEntry& graph_entry(const MappedFile& file) {
  const auto& graph = file.manifest().graph;
  if (!graph) corrupt(file.manifest_place() + "a graph index without an entry for its graph");
  if (graph->m == 0 || graph->m > BuildParams::kMaxM)
    corrupt(file.manifest_place() + "m is " + std::to_string(graph->m) + ", expected 1 to " + std::to_string(BuildParams::kMaxM));
  return *graph;
}

std::unique_ptr<Adjacency> open_ground(const MappedFile& file, const GraphEntry& entry, std::size_t size) {
  const Section edges = file.section(kEdgesSection);
  if (entry.type == GraphType::compressed) return std::make_unique<CompressedAdjacency>(edges, file.section(kPlacesSection), size, 2 * entry.m);
  return std::make_unique<RowAdjacency>(edges, size, 2 * entry.m);
}

class GraphSearcher final : public Searcher {
 public:
  GraphSearcher(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry)
      : codes_(*codes.first),
        second_(codes.second.get()),
        navigates_(codes.navigation),
        summed_(codes.residual ? std::make_unique<SummedCodes>(*codes.first, *codes.second) : nullptr),
        metric_(file.manifest().metric),
        ground_(open_ground(file, entry, codes_.size())),
        levels_(file.section(kUpperNodesSection), file.section(kUpperEdgesSection), entry.level_sizes, entry.m, codes_.size()) {
    if (entry.type != GraphType::standard) permutation_ = Permutation(file.section(kIdsSection), codes_.size());
  }

  void search(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    const std::size_t kept = std::min<std::size_t>(params.ef_search, codes_.size());
    const std::size_t wanted = navigates_ ? std::max(kept, params.k) : second_ ? std::min<std::size_t>(params.k_candidates, codes_.size()) : params.k;
    const std::size_t width = std::max(wanted, kept);
    if (params.k == 0 || wanted == 0) return;
    const bool scans = width > codes_.size() / 2;  // a walk would see most vectors, and more slowly
    if (scans && (!second_ || navigates_)) return search_exact(queries, params, best);
    const RerankParams rest = navigates_ ? RerankParams{.k = params.k, .beta = kPatience}
                                         : RerankParams{.k = params.k, .alpha = params.alpha, .beta = params.beta, .sum = summed_ != nullptr};
    std::vector<std::unique_ptr<Scorer>> firsts(threads_of(params.num_threads)), seconds(firsts.size());
    parallel_for(params.num_threads, queries.rows, 1 + queries.rows / 256, [&](std::size_t begin, std::size_t end, unsigned thread) {
      std::unique_ptr<Scorer>&first = firsts[thread], &second = seconds[thread];
      if (!first) first = codes_.scorer(metric_);
      if (!second && second_) second = second_->scorer(metric_);
      for (std::size_t i = begin; i < end; ++i) {
        first->bind(queries.row(i));
        scans ? scan({&first, 1}, codes_.size(), {}, wanted, best.subspan(i, 1)) : walk(*first, width, params.early_exit_threshold, best[i]);
        if (!second_) {
          finish(best[i], params.k);
          continue;
        }
        best[i].resize(std::min(wanted, best[i].size()));
        second->bind(queries.row(i));
        rerank(best[i], *second, permutation_.ids(), rest);
      }
    });
  }

  void search_exact(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    const Codes& whole = summed_ ? *summed_ : second_ ? *second_ : codes_;
    search_by_scan(whole, metric_, permutation_.ids(), queries, params, best);
  }

  void verify() const override {
    ground_->verify();
    levels_.verify();
    permutation_.verify();
  }

 private:
  /// The `width` best rows met on the way to what the scorer is bound to, best first.
  void walk(Scorer& scorer, std::size_t width, float relax, std::vector<Candidate>& best) const {
    static thread_local Workspace work;
    descend(levels_, scorer, codes_.size(), width, work, work.entries);
    beam_search(*ground_, scorer, work.entries, width, relax, work);
    best = work.beam.entries();
  }

  /// Rows become ids, in whose order ties stand.
  void finish(std::vector<Candidate>& candidates, std::size_t k) const {
    std::size_t end = std::min(k, candidates.size());
    while (end != 0 && end < candidates.size() && candidates[end].distance == candidates[end - 1].distance) ++end;
    candidates.resize(end);
    for (Candidate& c : candidates) c.id = permutation_.id(c.id);
    std::sort(candidates.begin(), candidates.end());
    candidates.resize(std::min(k, candidates.size()));
  }

  /// Where the first codes only guide the walk: candidates in a row that are none of the best, after which the others are taken for worse.
  static constexpr std::size_t kPatience = 16;

  const Codes& codes_;
  const Codes* second_;            // null: there are none
  bool navigates_;                 // the first ones only guide the walk
  std::unique_ptr<Codes> summed_;  // both, where the second ones hold what the first leave out
  Metric metric_;
  std::unique_ptr<Adjacency> ground_;
  Levels levels_;
  Permutation permutation_;
};

}  // namespace

std::unique_ptr<Searcher> open_graph(const MappedFile& file, const StoredCodes& codes) {
  return std::make_unique<GraphSearcher>(file, codes, graph_entry(file));
}

void build_graph(const BuildTask& task) {
  const BuildParams& p = task.params;
  const GraphParams graph{.metric = p.metric, .m = p.m, .ef_construction = p.ef_construction, .num_threads = p.num_threads, .progress = p.progress};
  task.manifest.graph = write_graph(task.vectors, task.encoders, graph, p.graph_type, task.folder, task.writer);
}

}  // namespace cassata
