// The graph kind, with neighbor lists and codes in sections of their own.
#include <memory>
#include <string>
#include <utility>

#include "engine/graph/delta_adjacency.h"
#include "engine/graph/hierarchy.h"
#include "engine/index/graph_searcher.h"
#include "engine/index/registry.h"
#include "engine/index/searcher.h"
#include "engine/search/beam_walk.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

const GraphEntry& graph_entry(const MappedFile& file) {
  const auto& graph = file.manifest().graph;
  if (!graph) corrupt(file.manifest_place() + "a graph index without an entry for its graph");
  if (graph->m < GraphParams::kMinM || graph->m > GraphParams::kMaxM)
    corrupt(file.manifest_place() + "m is " + std::to_string(graph->m) + ", expected " +
            std::to_string(GraphParams::kMinM) + " to " + std::to_string(GraphParams::kMaxM));
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

class MemoryWalk final : public Walk {
 public:
  MemoryWalk(const Codes& codes, Metric metric, const UpperLayers& levels, const Adjacency& base)
      : scorer_(codes.scorer(metric)), descent_(levels, base, *scorer_, work_) {}

  void start(const VectorView& query, std::size_t width, float relax, const RowFilter* filter) override {
    scorer_->bind(query);
    descent_.start(width, relax, filter);
  }
  bool step() override { return descent_.step(); }
  bool pending() const noexcept override { return descent_.pending(); }
  const std::vector<Candidate>& found() const noexcept override { return work_.beam.entries(); }
  bool cut_short() const noexcept override { return descent_.cut_short(); }
  Scorer* scorer() noexcept override { return scorer_.get(); }

 private:
  std::unique_ptr<Scorer> scorer_;
  Workspace work_;
  Descent descent_;
};

/// Neighbor lists and codes in sections of their own, in memory once they are warm.
class MemoryLayout final : public GraphLayout {
 public:
  MemoryLayout(const MappedFile& file, const Codes& codes, const GraphEntry& entry)
      : codes_(codes),
        metric_(file.manifest().schema.distance()),
        base_(open_base(file, entry, codes.size())),
        levels_(file.section(kUpperNodesSection), file.section(kUpperEdgesSection), entry.level_sizes, entry.m,
                codes.size()) {}

  /// 2 to 4 running walks are equally fast, 8 slower (docs/decisions).
  Interleaving interleaving() const noexcept override { return {.running = 3, .waiting = 3}; }
  std::unique_ptr<Walk> walk() const override { return std::make_unique<MemoryWalk>(codes_, metric_, levels_, *base_); }
  std::size_t nodes() const noexcept override { return base_->size(); }
  std::size_t scanned_rows(std::size_t width) const noexcept override { return kScannedPerBeamPlace * width; }
  void verify(const Reading& reading) const override {
    base_->verify(reading);
    levels_.verify(reading);
  }

 private:
  const Codes& codes_;
  Metric metric_;
  std::unique_ptr<Adjacency> base_;
  UpperLayers levels_;
};

}  // namespace

Access graph_access(const IndexSchema& schema) noexcept {
  return schema.graph == GraphType::paged ? Access::preloaded : Access::resident;
}

std::unique_ptr<Searcher> open_graph(const MappedFile& file, const StoredCodes& codes) {
  const GraphEntry& entry = graph_entry(file);
  auto layout = file.manifest().schema.graph == GraphType::paged
                    ? open_pages(file, entry)
                    : std::make_unique<MemoryLayout>(file, *codes.first, entry);
  return graph_searcher(file, codes, entry, std::move(layout));
}

}  // namespace cassata
