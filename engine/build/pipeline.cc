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

/// Reads all vectors; calls take() with each batch and the number of its first row.
void read_all(VectorStream& vectors, const Progress& progress, const std::function<void(const Batch&, std::uint64_t)>& take) {
  for (std::uint64_t done = 0;;) {
    const Batch batch = vectors.next_batch();
    if (batch.rows == 0) return;
    take(batch, done);
    done += batch.rows;
    if (progress) progress("read", done, vectors.size());
  }
}

/// The batch as rows, in memory that serves for the next one again.
void encode(const Encoder& encoder, const Batch& batch, std::string_view source, std::uint64_t first, EncodedRows& rows) {
  rows.bytes.clear();
  rows.ends.clear();
  encoder.encode(batch, source, first, rows);
}

/// The vectors' codes in an unnamed file, searchable where they lie.
class Spool {
 public:
  Spool(const Encoder& encoder, const std::filesystem::path& folder) : encoder_(encoder), file_(PendingFile::unnamed(folder)) {}

  void append(const Batch& batch, std::string_view source, std::uint64_t first) {
    encode(encoder_, batch, source, first, rows_);
    file_.write(rows_.bytes, length_);
    for (const std::uint64_t end : rows_.ends) offsets_.push_back(length_ + end);
    length_ += rows_.bytes.size();
  }
  /// Nothing is appended any more; now the rows can be read.
  void finish() {
    rows_ = {};
    if (length_ == 0) return;  // sparse vectors without an entry
    mapping_ = file_.map();
    Mapping::advise(mapping_.bytes(), Advice::huge_pages);
  }

  RowSections sections() const {
    return {.rows = {.file = kName, .name = kRowsSection, .offset = 0, .bytes = mapping_.bytes()},
            .offsets = {.file = kName, .name = "offsets", .offset = 0, .bytes = std::as_bytes(std::span(offsets_))}};
  }
  bool has_offsets() const noexcept { return encoder_.row_bytes() == kNoLength; }
  std::uint64_t bytes() const noexcept { return mapping_.bytes().size(); }
  std::span<const std::byte> row(Id id) const {
    if (!has_offsets()) return mapping_.bytes().subspan(id * encoder_.row_bytes(), encoder_.row_bytes());
    return mapping_.bytes().subspan(offsets_[id], offsets_[id + 1] - offsets_[id]);
  }

 private:
  static constexpr std::string_view kName = "temporary file";
  const Encoder& encoder_;
  PendingFile file_;
  EncodedRows rows_;
  std::uint64_t length_ = 0;
  std::vector<std::uint64_t> offsets_ = {0};
  Mapping mapping_;
};

std::vector<Spool> spool_all(VectorStream& vectors, std::span<const std::unique_ptr<Encoder>> encoders, const Progress& progress,
                             const std::filesystem::path& folder) {
  std::vector<Spool> spools;
  for (const auto& encoder : encoders) spools.emplace_back(*encoder, folder);
  read_all(vectors, progress, [&](const Batch& batch, std::uint64_t first) {
    for (Spool& spool : spools) spool.append(batch, vectors.name(), first);
  });
  for (Spool& spool : spools) spool.finish();
  return spools;
}

/// Writes rows of ids of nodes below `size`, of `degree` places; unused ones have all bits set. (RowAdjacency reads them.)
class RowsOut {
 public:
  RowsOut(std::size_t size, std::size_t degree, FileWriter& writer) : narrow_(size <= kMaxNarrowSize), row_(degree), writer_(writer) {}

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
  RowsOut rows(level.size(), level.max_degree(), writer);
  writer.begin(kEdgesSection, Tier::hot, level.size() * rows.row_bytes());
  std::vector<Id> list;
  for (const Id node : place.node_at) {
    list.clear();
    for (const Id neighbor : level.list(node)) list.push_back(place.row_of[neighbor]);
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

/// Writes where each row of `spool` begins, in the order `ids`, and the last ends.
template <class Number>
void write_offsets(const Spool& spool, std::span<const Id> ids, FileWriter& writer) {
  std::vector<Number> offsets = {0};
  for (const Id id : ids) offsets.push_back(static_cast<Number>(offsets.back() + spool.row(id).size()));
  writer.append(std::span<const Number>(offsets));
}

/// Writes the rows of `spool` in the order `ids` as the section `name`.
void write_rows(const Spool& spool, std::span<const Id> ids, std::string_view name, Tier tier, const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kRowsAReport = 65536;
  if (spool.has_offsets()) {
    writer.begin(std::string(name) + std::string(kOffsetsSuffix), tier);
    if (spool.bytes() <= UINT32_MAX)
      write_offsets<std::uint32_t>(spool, ids, writer);
    else
      write_offsets<std::uint64_t>(spool, ids, writer);
  }
  writer.begin(name, tier, spool.bytes());
  for (std::size_t row = 0; row < ids.size(); ++row) {
    writer.append(spool.row(ids[row]));
    if (progress && ((row + 1) % kRowsAReport == 0 || row + 1 == ids.size())) progress("write", row + 1, ids.size());
  }
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

GraphEntry write_graph(VectorStream& vectors, std::span<const std::unique_ptr<Encoder>> encoders, const GraphParams& params, GraphType type,
                       const std::filesystem::path& folder, FileWriter& writer) {
  const std::vector<Spool> spools = spool_all(vectors, encoders, params.progress, folder);
  const BuiltGraph graph = build_graph(*encoders.front()->open(spools.front().sections(), vectors.size()), params);
  const Placement place(graph, type);
  std::vector<Id> ids;
  for (const Id node : place.node_at) ids.push_back(graph.ids[node]);
  write_ground(graph.levels.front(), place, writer);
  write_upper(graph, place, writer);
  if (type == GraphType::permuted) {
    writer.begin(kIdsSection, Tier::hot, ids.size() * sizeof(Id));
    writer.append(std::span<const Id>(ids));
  }
  write_rows(spools.front(), ids, kRowsSection, Tier::hot, params.progress, writer);
  if (spools.size() > 1) write_rows(spools[1], ids, kRerankSection, Tier::cold, params.progress, writer);
  return {.type = type, .m = params.m, .ef_construction = params.ef_construction, .level_sizes = graph.level_sizes};
}

}  // namespace cassata
