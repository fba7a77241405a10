#include "engine/build/pipeline.h"

#include <algorithm>
#include <functional>
#include <numeric>
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

void write_ground(const NeighborLists& graph, std::span<const Id> order, std::span<const Id> row_of, FileWriter& writer) {
  writer.begin("graph.edges", Tier::hot, graph.size() * graph.max_degree() * sizeof(Id));
  std::vector<Id> list, row(graph.max_degree());
  for (const Id id : order) {
    list.clear();
    for (const Id neighbor : graph.list(id)) list.push_back(row_of[neighbor]);
    append_row(list, row, writer);
  }
}

void write_upper(const BuiltGraph& graph, std::span<const Id> row_of, FileWriter& writer) {
  std::vector<Id> nodes;
  for (const Id id : graph.levels.nodes) nodes.push_back(row_of[id]);
  writer.begin("graph.upper_nodes", Tier::hot, nodes.size() * sizeof(Id));
  writer.append(std::span<const Id>(nodes));
  writer.begin("graph.upper_edges", Tier::hot);
  for (const NeighborLists& level : graph.upper) {
    std::vector<Id> row(level.max_degree());
    for (Id position = 0; position < level.size(); ++position) append_row(level.list(position), row, writer);
  }
}

void write_rows(const Spool& spool, std::span<const Id> order, std::size_t row_bytes, const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kRowsAReport = 65536;
  writer.begin(kRowsSection, Tier::hot, spool.section.bytes.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    writer.append(spool.section.bytes.subspan(order[i] * row_bytes, row_bytes));
    if (progress && ((i + 1) % kRowsAReport == 0 || i + 1 == order.size())) progress("write", i + 1, order.size());
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
  std::vector<Id> order(vectors.size()), row_of(vectors.size());  // row -> id, id -> row
  std::iota(order.begin(), order.end(), Id{0});
  if (type == GraphType::permuted) order = reorder(graph.ground);
  for (Id row = 0; row < order.size(); ++row) row_of[order[row]] = row;
  write_ground(graph.ground, order, row_of, writer);
  write_upper(graph, row_of, writer);
  if (type == GraphType::permuted) {
    writer.begin("ids", Tier::hot, order.size() * sizeof(Id));
    writer.append(std::span<const Id>(order));
  }
  write_rows(spool, order, encoder.row_bytes(), params.progress, writer);
  return {.type = type, .m = params.m, .ef_construction = params.ef_construction, .level_sizes = graph.levels.sizes};
}

}  // namespace cassata
