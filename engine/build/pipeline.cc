#include "engine/build/pipeline.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "engine/build/graph_builder.h"
#include "engine/graph/reorder.h"
#include "format/publish.h"

namespace cassata {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

void encode_all(VectorStream& vectors, const Encoder& encoder, const Progress& progress, const std::function<void(std::span<const std::byte>)>& write) {
  const std::size_t dim = vectors.dim(), chunk = std::max<std::size_t>(1, kChunkBytes / (dim * sizeof(float)));
  std::vector<float> rows(std::min<std::uint64_t>(chunk, vectors.size()) * dim);
  std::vector<std::byte> codes(rows.size() / dim * encoder.row_bytes());
  std::uint64_t done = 0;
  while (const std::size_t n = vectors.next(rows)) {
    const std::span<std::byte> out(codes.data(), n * encoder.row_bytes());
    encoder.encode({rows.data(), n, dim}, vectors.name(), done, out);
    write(out);
    done += n;
    if (progress) progress("read", done, vectors.size());
  }
}

/// The vectors' codes in an unnamed file, searchable where they lie.
struct Spool {
  Mapping mapping;
  Section section;

  Spool(VectorStream& vectors, const Encoder& encoder, const Progress& progress, const std::filesystem::path& folder) {
    PendingFile file = PendingFile::unnamed(folder);
    std::uint64_t offset = 0;
    encode_all(vectors, encoder, progress, [&](std::span<const std::byte> codes) {
      file.write(codes, offset);
      offset += codes.size();
    });
    mapping = file.map();
    Mapping::advise(mapping.bytes(), Advice::huge_pages);
    section = {.file = "temporary file", .name = kRowsSection, .offset = 0, .bytes = mapping.bytes()};
  }
};

/// Appends a row of max_degree() places: `list`, then kNoId.
void append_row(std::span<const Id> list, std::vector<Id>& row, FileWriter& writer) {
  std::fill(std::copy(list.begin(), list.end(), row.begin()), row.end(), kNoId);
  writer.append(std::span<const Id>(row));
}

/// Where the nodes of a graph come to stand in the file.
struct Placement {
  std::vector<Id> node_at;  // row -> node
  std::vector<Id> row_of;   // node -> row

  Placement(const BuiltGraph& graph, GraphType type) : node_at(graph.ids.size()), row_of(graph.ids.size()) {
    if (type == GraphType::permuted) node_at = reorder(graph.levels.front());
    else
      for (Id node = 0; node < node_at.size(); ++node) node_at[graph.ids[node]] = node;
    for (Id row = 0; row < row_of.size(); ++row) row_of[node_at[row]] = row;
  }
};

void write_ground(const NeighborLists& level, const Placement& place, FileWriter& writer) {
  writer.begin(kEdgesSection, Tier::hot, level.size() * level.max_degree() * sizeof(Id));
  std::vector<Id> list, row(level.max_degree());
  for (const Id node : place.node_at) {
    list.clear();
    for (const Id neighbor : level.list(node)) list.push_back(place.row_of[neighbor]);
    append_row(list, row, writer);
  }
}

void write_upper(const BuiltGraph& graph, const Placement& place, FileWriter& writer) {
  const std::size_t count = graph.level_sizes.empty() ? 0 : graph.level_sizes.front();
  writer.begin(kUpperNodesSection, Tier::hot, count * sizeof(Id));
  writer.append(std::span<const Id>(place.row_of).first(count));
  writer.begin(kUpperEdgesSection, Tier::hot);
  for (std::size_t l = 1; l < graph.levels.size(); ++l) {
    const NeighborLists& level = graph.levels[l];
    std::vector<Id> row(level.max_degree());
    for (Id position = 0; position < level.size(); ++position) append_row(level.list(position), row, writer);
  }
}

/// Writes the rows of `spool` in the order `ids`.
void write_rows(const Spool& spool, std::span<const Id> ids, std::size_t row_bytes, const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kRowsAReport = 65536;
  writer.begin(kRowsSection, Tier::hot, spool.section.bytes.size());
  for (std::size_t row = 0; row < ids.size(); ++row) {
    writer.append(spool.section.bytes.subspan(ids[row] * row_bytes, row_bytes));
    if (progress && ((row + 1) % kRowsAReport == 0 || row + 1 == ids.size())) progress("write", row + 1, ids.size());
  }
}

}  // namespace

void write_flat(VectorStream& vectors, const Encoder& encoder, const Progress& progress, FileWriter& writer) {
  writer.begin(kRowsSection, Tier::hot, vectors.size() * encoder.row_bytes());
  encode_all(vectors, encoder, progress, [&](std::span<const std::byte> codes) { writer.append(codes); });
}

GraphEntry write_graph(VectorStream& vectors, const Encoder& encoder, const GraphParams& params, GraphType type, const std::filesystem::path& folder,
                       FileWriter& writer) {
  const Spool spool(vectors, encoder, params.progress, folder);
  const BuiltGraph graph = build_graph(*encoder.open(spool.section, vectors.size()), params);
  const Placement place(graph, type);
  std::vector<Id> ids;
  for (const Id node : place.node_at) ids.push_back(graph.ids[node]);
  write_ground(graph.levels.front(), place, writer);
  write_upper(graph, place, writer);
  if (type == GraphType::permuted) {
    writer.begin(kIdsSection, Tier::hot, ids.size() * sizeof(Id));
    writer.append(std::span<const Id>(ids));
  }
  write_rows(spool, ids, encoder.row_bytes(), params.progress, writer);
  return {.type = type, .m = params.m, .ef_construction = params.ef_construction, .level_sizes = graph.level_sizes};
}

}  // namespace cassata
