#include "engine/build/pipeline.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "engine/build/graph_builder.h"
#include "engine/graph/reorder.h"
#include "format/publish.h"

namespace cassata {
namespace {

constexpr std::size_t kNoLength = 0;

/// Encodes all vectors; calls write() with each batch's rows.
void encode_all(VectorStream& vectors, const Encoder& encoder, const Progress& progress, const std::function<void(const EncodedRows&)>& write) {
  EncodedRows rows;
  for (std::uint64_t done = 0;;) {
    const Batch batch = vectors.next_batch();
    if (batch.rows == 0) return;
    rows.bytes.clear();
    rows.ends.clear();
    encoder.encode(batch, vectors.name(), done, rows);
    write(rows);
    done += batch.rows;
    if (progress) progress("read", done, vectors.size());
  }
}

/// The vectors' codes in an unnamed file, searchable where they lie.
class Spool {
 public:
  Spool(VectorStream& vectors, const Encoder& encoder, const Progress& progress, const std::filesystem::path& folder)
      : row_bytes_(encoder.row_bytes()) {
    PendingFile file = PendingFile::unnamed(folder);
    std::uint64_t offset = 0;
    encode_all(vectors, encoder, progress, [&](const EncodedRows& rows) {
      file.write(rows.bytes, offset);
      for (const std::uint64_t end : rows.ends) offsets_.push_back(offset + end);
      offset += rows.bytes.size();
    });
    if (offset == 0) return;  // sparse vectors without an entry
    mapping_ = file.map();
    Mapping::advise(mapping_.bytes(), Advice::huge_pages);
  }

  RowSections sections() const {
    return {.rows = {.file = kName, .name = kRowsSection, .offset = 0, .bytes = mapping_.bytes()},
            .offsets = {.file = kName, .name = "offsets", .offset = 0, .bytes = std::as_bytes(std::span(offsets_))}};
  }
  bool has_offsets() const noexcept { return row_bytes_ == kNoLength; }
  std::uint64_t bytes() const noexcept { return mapping_.bytes().size(); }
  std::span<const std::byte> row(Id id) const {
    if (!has_offsets()) return mapping_.bytes().subspan(id * row_bytes_, row_bytes_);
    return mapping_.bytes().subspan(offsets_[id], offsets_[id + 1] - offsets_[id]);
  }

 private:
  static constexpr std::string_view kName = "temporary file";
  std::size_t row_bytes_;
  std::vector<std::uint64_t> offsets_ = {0};
  Mapping mapping_;
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
    if (type == GraphType::permuted)
      node_at = reorder(graph.levels.front());
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
void write_rows(const Spool& spool, std::span<const Id> ids, const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kRowsAReport = 65536;
  if (spool.has_offsets()) {
    std::vector<std::uint64_t> offsets = {0};
    for (const Id id : ids) offsets.push_back(offsets.back() + spool.row(id).size());
    writer.begin(std::string(kRowsSection) + std::string(kOffsetsSuffix), Tier::hot, offsets.size() * sizeof offsets[0]);
    writer.append(std::span<const std::uint64_t>(offsets));
  }
  writer.begin(kRowsSection, Tier::hot, spool.bytes());
  for (std::size_t row = 0; row < ids.size(); ++row) {
    writer.append(spool.row(ids[row]));
    if (progress && ((row + 1) % kRowsAReport == 0 || row + 1 == ids.size())) progress("write", row + 1, ids.size());
  }
}

}  // namespace

void write_flat(VectorStream& vectors, const Encoder& encoder, const Progress& progress, FileWriter& writer) {
  writer.begin(kRowsSection, Tier::hot, vectors.size() * encoder.row_bytes());
  encode_all(vectors, encoder, progress, [&](const EncodedRows& rows) { writer.append(std::span<const std::byte>(rows.bytes)); });
}

GraphEntry write_graph(VectorStream& vectors, const Encoder& encoder, const GraphParams& params, GraphType type, const std::filesystem::path& folder,
                       FileWriter& writer) {
  const Spool spool(vectors, encoder, params.progress, folder);
  const BuiltGraph graph = build_graph(*encoder.open(spool.sections(), vectors.size()), params);
  const Placement place(graph, type);
  std::vector<Id> ids;
  for (const Id node : place.node_at) ids.push_back(graph.ids[node]);
  write_ground(graph.levels.front(), place, writer);
  write_upper(graph, place, writer);
  if (type == GraphType::permuted) {
    writer.begin(kIdsSection, Tier::hot, ids.size() * sizeof(Id));
    writer.append(std::span<const Id>(ids));
  }
  write_rows(spool, ids, params.progress, writer);
  return {.type = type, .m = params.m, .ef_construction = params.ef_construction, .level_sizes = graph.level_sizes};
}

}  // namespace cassata
