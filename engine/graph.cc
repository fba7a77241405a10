// The graph kind: a walk from the upper levels to the ground.
#include <algorithm>
#include <limits>
#include <string>

#include "engine/build/parallel.h"
#include "engine/build/pipeline.h"
#include "engine/graph/levels.h"
#include "engine/search/beam.h"
#include "engine/searcher.h"

namespace cassata {
namespace {

/// Rows of a permuted file to the ids that the caller knows.
class Permutation {
 public:
  Permutation() = default;
  Permutation(const Section& section, std::uint64_t size) : section_(section), ids_(section.as<Id>(size)) {}

  /// Of the rows; empty if they stand in the order of their ids.
  std::span<const Id> ids() const noexcept { return ids_; }
  Id id(Id row) const noexcept { return ids_.empty() ? row : ids_[row]; }

  void verify() const {
    std::vector<bool> seen(ids_.size());
    for (std::size_t row = 0; row < ids_.size(); ++row) {
      if (ids_[row] >= ids_.size() || seen[ids_[row]])
        throw section_.damaged(row * sizeof(Id), "id " + std::to_string(ids_[row]) + ", expected a new one below " + std::to_string(ids_.size()));
      seen[ids_[row]] = true;
    }
  }

 private:
  Section section_;
  std::span<const Id> ids_;
};

const GraphEntry& graph_entry(const MappedFile& file) {
  const auto& graph = file.manifest().graph;
  if (!graph) corrupt(file.manifest_place() + "a graph index without an entry for its graph");
  if (graph->m == 0 || graph->m > BuildParams::kMaxM)
    corrupt(file.manifest_place() + "m is " + std::to_string(graph->m) + ", expected 1 to " + std::to_string(BuildParams::kMaxM));
  return *graph;
}

class GraphSearcher final : public Searcher {
 public:
  GraphSearcher(const MappedFile& file, const Codes& codes, const GraphEntry& entry)
      : codes_(codes),
        metric_(file.manifest().metric),
        ground_(file.section(kEdgesSection), codes.size(), 2 * entry.m),
        levels_(file.section(kUpperNodesSection), file.section(kUpperEdgesSection), entry.level_sizes, entry.m, codes.size()) {
    if (entry.type == GraphType::permuted) permutation_ = Permutation(file.section(kIdsSection), codes.size());
  }

  void search(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    const std::size_t width = std::max(params.k, std::min<std::size_t>(params.ef_search, codes_.size()));
    if (params.k == 0) return;
    if (width > codes_.size() / 2) return search_exact(queries, params, best);  // a walk would see most vectors, and more slowly
    std::vector<std::unique_ptr<Scorer>> scorers(threads_of(params.num_threads));
    parallel_for(params.num_threads, queries.rows, 1 + queries.rows / 256, [&](std::size_t begin, std::size_t end, unsigned thread) {
      std::unique_ptr<Scorer>& scorer = scorers[thread];
      if (!scorer) scorer = codes_.scorer(metric_);
      static thread_local Workspace work;
      for (std::size_t i = begin; i < end; ++i) {
        scorer->bind(queries.row(i));
        descend(levels_, *scorer, codes_.size(), width, work, work.entries);
        beam_search(ground_, *scorer, work.entries, width, params.early_exit_threshold, work);
        best[i] = work.beam.entries();
        finish(best[i], params.k);
      }
    });
  }

  void search_exact(const Batch& queries, const SearchParams& params, std::span<std::vector<Candidate>> best) const override {
    search_by_scan(codes_, metric_, permutation_.ids(), queries, params, best);
  }

  void verify() const override {
    ground_.verify();
    levels_.verify();
    permutation_.verify();
  }

 private:
  /// Rows become ids, in whose order ties stand.
  void finish(std::vector<Candidate>& candidates, std::size_t k) const {
    for (Candidate& c : candidates) c.id = permutation_.id(c.id);
    std::sort(candidates.begin(), candidates.end());
    if (candidates.size() > k) candidates.resize(k);
  }

  const Codes& codes_;
  Metric metric_;
  RowAdjacency ground_;
  Levels levels_;
  Permutation permutation_;
};

}  // namespace

std::unique_ptr<Searcher> open_graph(const MappedFile& file, const Codes& codes) {
  return std::make_unique<GraphSearcher>(file, codes, graph_entry(file));
}

void build_graph(const BuildTask& task) {
  const BuildParams& p = task.params;
  const GraphParams graph{.metric = p.metric, .m = p.m, .ef_construction = p.ef_construction, .num_threads = p.num_threads, .progress = p.progress};
  task.manifest.graph = write_graph(task.vectors, task.encoder, graph, p.graph_type, task.folder, task.writer);
}

}  // namespace cassata
