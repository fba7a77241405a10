#include "engine/build/pipeline.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/build/graph_builder.h"
#include "engine/build/graph_reorder.h"
#include "engine/build/page_planner.h"
#include "engine/build/region_build.h"
#include "engine/build/staging.h"
#include "engine/graph/delta_adjacency.h"
#include "engine/graph/duplicates.h"

namespace cassata {
std::vector<StagingFile> stage_all(VectorStream& vectors, std::span<const std::unique_ptr<Encoder>> encoders,
                                   const GraphParams& params, const std::function<PendingFile(std::size_t i)>& file) {
  std::vector<StagingFile> staged;
  for (const auto& encoder : encoders) staged.emplace_back(*encoder, file(staged.size()));
  read_all(vectors, params.progress, [&](const Batch& batch, std::uint64_t first) {
    for (std::size_t i = 0; i < staged.size(); ++i)
      if (!encoders[i]->trains()) staged[i].append(batch, vectors.name(), first);
  });
  for (std::size_t i = 0; i < staged.size(); ++i)
    if (!encoders[i]->trains()) staged[i].finish();
  for (std::size_t i = 0; i < staged.size(); ++i) {
    if (!encoders[i]->trains()) continue;
    const std::unique_ptr<Codes> exact = encoders[0]->open(staged[0].sections(), vectors.size());
    encoders[i]->train(*exact, params.num_threads, params.progress);
    staged[i].fill(*exact, params.num_threads, params.progress);
  }
  return staged;
}

BuildCodes::BuildCodes(const BuildEncoders& encoders, std::span<const StagingFile> staged, std::uint64_t size) {
  pruning_ = encoders.all[encoders.pruning]->open(staged[encoders.pruning].sections(), size);
  if (encoders.traversal != encoders.pruning)
    traversal_ = encoders.all[encoders.traversal]->open(staged[encoders.traversal].sections(), size);
}

namespace {

GraphParts build_at_once(VectorStream& vectors, const BuildEncoders& encoders, const GraphParams& params,
                         const WorkFiles& files) {
  std::vector<StagingFile> staged =
      stage_all(vectors, encoders.all, params, [&](std::size_t) { return files.unnamed(); });
  for (const StagingFile& staged : staged) staged.advise(Advice::huge_pages);
  const BuildCodes codes(encoders, staged, vectors.size());
  BuiltGraph graph = build_graph(codes.traversal(), codes.pruning(), params);
  std::vector<Id> rows = graph.ids, all(vectors.size());
  std::iota(all.begin(), all.end(), Id{0});
  return {.lists = {},
          .graph = std::move(graph),
          .staged = std::move(staged),
          .rows = std::move(rows),
          .regions = {std::move(all)}};
}

/// Writes rows of ids of nodes below `size`, of `degree` places; unused ones have all bits set. (RowAdjacency reads
/// them.)
class RowsOut {
 public:
  RowsOut(std::size_t size, std::size_t degree, FileWriter& writer)
      : narrow_(size <= kMaxNarrowSize), row_(degree), writer_(writer) {}

  std::size_t row_bytes() const noexcept { return row_.size() * (narrow_ ? sizeof(std::uint16_t) : sizeof(Id)); }
  void append(std::span<const Id> list) {
    std::fill(std::copy(list.begin(), list.end(), row_.begin()), row_.end(), kNoId);
    if (!narrow_) return writer_.append(std::span<const Id>(row_));
    halves_.assign(row_.begin(), row_.end());
    writer_.append(std::span<const std::uint16_t>(halves_));
  }

 private:
  bool narrow_;
  std::vector<Id> row_;
  std::vector<std::uint16_t> halves_;
  FileWriter& writer_;
};

/// A graph's duplicates that are stored byte for byte as their representative, in the codes that come into the file,
/// are copies. A representative gets the lowest id of its copies: of rows with the same score the lowest come first.
/// Returns whether each is a copy.
std::vector<bool> find_copies(GraphParts& parts, const BuildEncoders& encoders) {
  std::vector<Id>& ids = parts.graph.ids;
  std::vector<bool> copies;
  for (const auto& [node, representative] : parts.graph.duplicates) {
    const auto stored_alike = [&, node = node, representative = representative](std::size_t encoder) {
      return std::ranges::equal(parts.staged[encoder].row(parts.rows[node]),
                                parts.staged[encoder].row(parts.rows[representative]));
    };
    copies.push_back(std::ranges::all_of(encoders.stored, stored_alike));
    if (copies.back() && ids[node] < ids[representative]) std::swap(ids[node], ids[representative]);
  }
  return copies;
}

/// Where the nodes of a graph come to stand in the file.
struct Placement {
  std::vector<Id> node_at;  // row -> node
  std::vector<Id> row_of;   // node -> row

  Placement(const GraphParts& parts, GraphType type, const GraphParams& params) : row_of(parts.graph.ids.size()) {
    if (type == GraphType::standard) {
      node_at.resize(row_of.size());
      for (Id node = 0; node < node_at.size(); ++node) node_at[parts.graph.ids[node]] = node;
    } else {
      for (const std::vector<Id>& region : parts.regions) {
        const std::vector<Id> order = reorder(parts.graph.levels.front(), region, params.num_threads, params.progress);
        node_at.insert(node_at.end(), order.begin(), order.end());
      }
    }
    put(std::move(node_at));
    if (type != GraphType::standard && !parts.graph.duplicates.empty()) put_last(parts.graph);
  }
  /// Duplicates come after all others, those of a representative together.
  void put_last(const BuiltGraph& graph) {
    std::vector<bool> apart(node_at.size());
    std::vector<std::pair<Id, Id>> last;  // row of the representative, node
    for (const auto& [node, representative] : graph.duplicates) {
      apart[node] = true;
      last.emplace_back(row_of[representative], node);
    }
    std::ranges::sort(last, {}, [&](const auto& pair) { return std::pair(pair.first, graph.ids[pair.second]); });
    std::erase_if(node_at, [&](Id node) { return apart[node]; });
    for (const auto& [row, node] : last) node_at.push_back(node);
    put(std::move(node_at));
  }
  /// What `of_node` has for each node, in the order of rows.
  std::vector<Id> by_row(std::span<const Id> of_node) const {
    std::vector<Id> out;
    for (const Id node : node_at) out.push_back(of_node[node]);
    return out;
  }
  void put(std::vector<Id> nodes) {
    node_at = std::move(nodes);
    for (Id row = 0; row < row_of.size(); ++row) row_of[node_at[row]] = row;
  }
};

void write_section(std::string_view name, std::span<const std::byte> bytes, FileWriter& writer) {
  writer.begin(name, Tier::hot, bytes.size());
  writer.append(bytes);
}

void write_duplicates(const BuiltGraph& graph, const std::vector<bool>& copies, const Placement& place,
                      FileWriter& writer) {
  if (copies.empty()) return;
  std::vector<Duplicate> all;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto& [node, representative] = graph.duplicates[i];
    all.push_back({graph.ids[representative], place.row_of[node], copies[i]});
  }
  std::ranges::sort(all, {}, [&](const Duplicate& one) {
    return std::tuple(one.representative, !one.copy, graph.ids[place.node_at[one.row]]);
  });
  write_section(kDuplicatesSection, Duplicates::write(all), writer);
}

std::uint64_t near_copies(const std::vector<bool>& copies) {
  return static_cast<std::uint64_t>(std::ranges::count(copies, false));
}

void write_base(const NeighborLists& level, std::size_t nodes, const Placement& place, GraphType type,
                const Progress& progress, FileWriter& writer) {
  constexpr Id kRowsAReport = 65536;
  const auto list_of = [&](Id row, std::vector<Id>& list) {
    if (progress && (row + 1) % kRowsAReport == 0) progress("write", row + 1, nodes);
    for (const Id neighbor : level.list(place.node_at[row])) list.push_back(place.row_of[neighbor]);
    if (type != GraphType::standard) std::sort(list.begin(), list.end());
  };
  if (type == GraphType::compressed) {
    writer.begin(kEdgesSection, Tier::hot, nodes * level.max_degree());  // about a byte a neighbour
    const std::vector<std::byte> places =
        compress(nodes, list_of, [&](std::span<const std::byte> bytes) { writer.append(bytes); });
    return write_section(kPlacesSection, places, writer);
  }
  RowsOut rows(nodes, level.max_degree(), writer);
  writer.begin(kEdgesSection, Tier::hot, nodes * rows.row_bytes());
  std::vector<Id> list;
  for (Id row = 0; row < nodes; ++row) {
    list.clear();
    list_of(row, list);
    rows.append(list);
  }
}

void write_upper(const BuiltGraph& graph, const Placement& place, FileWriter& writer) {
  const std::size_t count = graph.level_sizes.empty() ? 0 : graph.level_sizes.front();
  writer.begin(kUpperNodesSection, Tier::hot, count * sizeof(Id));
  writer.append(std::span<const Id>(place.row_of).first(count));
  writer.begin(kUpperEdgesSection, Tier::hot);
  for (std::size_t l = 1; l < graph.levels.size(); ++l) {
    const NeighborLists& level = graph.levels[l];
    RowsOut rows(count, level.max_degree(), writer);
    for (Id position = 0; position < level.size(); ++position) rows.append(level.list(position));
  }
}

/// The same in pages, which hold the first codes, and those of neighbours.
GraphEntry write_paged(const GraphParts& parts, const std::vector<bool>& copies, Placement place,
                       const BuildEncoders& encoders, const GraphParams& params, bool from_disk, FileWriter& writer) {
  const BuiltGraph& graph = parts.graph;
  const NeighborLists& base = graph.levels.front();
  const std::size_t own = encoders.stored[0], exact = encoders.stored[1], links = *encoders.links;
  const PagePlan plan = plan_pages(base, place.node_at, place.node_at.size() - copies.size(),
                                   encoders.all[own]->row_bytes(), encoders.all[links]->row_bytes());
  place.put(plan.node_at);
  const std::vector<Id> ids = place.by_row(graph.ids), rows = place.by_row(parts.rows);
  write_section(kPageRowsSection, std::as_bytes(std::span(plan.first_rows)), writer);
  write_upper(graph, place, writer);
  write_rows(parts.staged[links], std::span(parts.rows).first(graph.upper()), kUpperCodesSection, Tier::hot, from_disk,
             {}, writer);
  write_section(kIdsSection, std::as_bytes(std::span(ids)), writer);
  write_duplicates(graph, copies, place, writer);
  write_rows(parts.staged[own], {}, kRowsSection, Tier::hot, false, {}, writer);
  write_pages(base, plan, place.row_of, rows, parts.staged[own], parts.staged[links], params.progress, writer);
  write_rows(parts.staged[exact], rows, kRerankSection, Tier::cold, from_disk, params.progress, writer);
  return {.type = GraphType::paged,
          .m = params.m,
          .ef_construction = params.ef_construction,
          .level_sizes = graph.level_sizes,
          .page_bytes = static_cast<std::uint32_t>(plan.shape.page_bytes),
          .duplicates = copies.size(),
          .near_copies = near_copies(copies),
          .near_radius = near_copies(copies) == 0 ? 0 : graph.near_radius};
}

}  // namespace

void write_flat(VectorStream& vectors, const Encoder& encoder, const Progress& progress, FileWriter& writer) {
  writer.begin(kRowsSection, Tier::hot, vectors.size() * encoder.row_bytes());
  EncodedRows rows;
  read_all(vectors, progress, [&](const Batch& batch, std::uint64_t first) {
    encode(encoder, batch, vectors.name(), first, rows);
    writer.append(std::span<const std::byte>(rows.bytes));
  });
}

GraphEntry write_graph(VectorStream& vectors, const BuildEncoders& encoders, const GraphParams& params, GraphType type,
                       std::uint64_t budget, WorkFiles& files, FileWriter& writer) {
  GraphParts parts = budget != 0 ? build_in_regions(vectors, encoders, params, budget, files)
                                 : build_at_once(vectors, encoders, params, files);
  const BuiltGraph& graph = parts.graph;
  const std::vector<bool> copies = find_copies(parts, encoders);
  Placement place(parts, type, params);
  if (type == GraphType::paged)
    return write_paged(parts, copies, std::move(place), encoders, params, budget != 0, writer);
  const std::vector<Id> ids = place.by_row(graph.ids), rows = place.by_row(parts.rows);
  const std::size_t nodes = type == GraphType::standard ? graph.ids.size() : graph.ids.size() - copies.size();
  write_base(graph.levels.front(), nodes, place, type, params.progress, writer);
  write_upper(graph, place, writer);
  if (type != GraphType::standard) write_section(kIdsSection, std::as_bytes(std::span(ids)), writer);
  write_duplicates(graph, copies, place, writer);
  for (std::size_t i = 0; i < encoders.stored.size(); ++i)
    write_rows(parts.staged[encoders.stored[i]], rows, i == 0 ? kRowsSection : kRerankSection,
               i == 0 ? Tier::hot : Tier::cold, budget != 0, params.progress, writer);
  return {.type = type,
          .m = params.m,
          .ef_construction = params.ef_construction,
          .level_sizes = graph.level_sizes,
          .page_bytes = 0,
          .duplicates = copies.size(),
          .near_copies = near_copies(copies),
          .near_radius = near_copies(copies) == 0 ? 0 : graph.near_radius};
}

}  // namespace cassata
