#include "format/manifest.h"

#include <flatbuffers/flatbuffers.h>

#include "manifest_generated.h"

namespace cassata {
namespace {

template <class Ours, class Theirs>
constexpr bool same(Ours ours, Theirs theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}
static_assert(same(Kind::graph, fb::Kind_graph) && same(Shape::dense, fb::Shape_dense) && same(Metric::euclidean, fb::Metric_euclidean));
static_assert(same(Encoding::f16, fb::Encoding_f16) && same(GraphType::permuted, fb::GraphType_permuted) && same(Tier::cold, fb::Tier_cold));

std::string text(const flatbuffers::String* s) { return s ? s->str() : std::string(); }

/// Reads enum values, refusing those that this version does not know.
struct Known {
  const std::string& file;
  template <class Ours, class Theirs>
  Ours operator()(const char* field, Theirs value, Theirs last) const {
    if (value <= last) return static_cast<Ours>(value);
    throw Error(Errc::incompatible, file + ": manifest: " + field + " " + std::to_string(int{value}) +
                                        " is not known to this version, which knows 0 to " + std::to_string(int{last}) + "; a newer Cassata wrote the file");
  }
};

GraphEntry read_graph(const fb::Graph& graph, const Known& known) {
  GraphEntry out{.type = known.operator()<GraphType>("graph type", graph.type(), fb::GraphType_MAX), .m = graph.m(), .ef_construction = graph.ef_construction(), .level_sizes = {}};
  if (graph.level_sizes()) out.level_sizes.assign(graph.level_sizes()->begin(), graph.level_sizes()->end());
  return out;
}

Provenance read_provenance(const fb::Provenance& provenance) {
  Provenance out{.library_version = text(provenance.library_version()), .inputs = {}, .parameters = {}};
  if (provenance.inputs())
    for (const auto* i : *provenance.inputs()) out.inputs.push_back({text(i->name()), i->rows(), i->bytes(), i->xxh3()});
  if (provenance.parameters())
    for (const auto* p : *provenance.parameters()) out.parameters.emplace_back(text(p->name()), text(p->value()));
  return out;
}

flatbuffers::Offset<fb::Provenance> write_provenance(flatbuffers::FlatBufferBuilder& b, const Provenance& provenance) {
  std::vector<flatbuffers::Offset<fb::Input>> inputs;
  for (const auto& i : provenance.inputs) inputs.push_back(fb::CreateInput(b, b.CreateString(i.name), i.rows, i.bytes, i.xxh3));
  std::vector<flatbuffers::Offset<fb::Parameter>> parameters;
  for (const auto& [name, value] : provenance.parameters) {
    const auto name_at = b.CreateString(name);
    const auto value_at = b.CreateString(value);
    parameters.push_back(fb::CreateParameter(b, name_at, value_at));
  }
  const auto version = b.CreateString(provenance.library_version);
  const auto inputs_at = b.CreateVector(inputs);
  const auto parameters_at = b.CreateVector(parameters);
  return fb::CreateProvenance(b, version, inputs_at, parameters_at);
}

}  // namespace

const SectionEntry* Manifest::find(std::string_view section) const {
  for (const auto& s : sections)
    if (s.name == section) return &s;
  return nullptr;
}

std::vector<std::byte> write_manifest(const Manifest& m) {
  flatbuffers::FlatBufferBuilder b;
  std::vector<flatbuffers::Offset<fb::Codes>> codes;
  for (const auto& c : m.codes) codes.push_back(fb::CreateCodes(b, static_cast<fb::Encoding>(c.encoding), b.CreateString(c.section)));
  const auto codes_at = b.CreateVector(codes);
  flatbuffers::Offset<fb::Graph> graph_at;
  if (m.graph) {
    const auto sizes = b.CreateVector(m.graph->level_sizes);
    graph_at = fb::CreateGraph(b, static_cast<fb::GraphType>(m.graph->type), m.graph->m, m.graph->ef_construction, sizes);
  }
  std::vector<flatbuffers::Offset<fb::Section>> sections;
  for (const auto& s : m.sections) sections.push_back(fb::CreateSection(b, b.CreateString(s.name), s.offset, s.length, static_cast<fb::Tier>(s.tier)));
  const auto sections_at = b.CreateVector(sections);
  const auto hashes_at = fb::CreateBlockHashes(b, m.block_hashes.offset, m.block_hashes.count, m.block_hashes.xxh3);
  const auto provenance_at = write_provenance(b, m.provenance);
  fb::FinishManifestBuffer(b, fb::CreateManifest(b, static_cast<fb::Kind>(m.kind), static_cast<fb::Shape>(m.shape), static_cast<fb::Metric>(m.metric), m.size,
                                                 m.dim, codes_at, graph_at, sections_at, hashes_at, provenance_at));
  const auto bytes = std::as_bytes(std::span(b.GetBufferPointer(), b.GetSize()));
  return {bytes.begin(), bytes.end()};
}

Manifest read_manifest(std::span<const std::byte> bytes, const std::string& file, std::uint64_t offset) {
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (!fb::VerifyManifestBuffer(verifier)) corrupt(file + ": manifest at byte " + std::to_string(offset) + ": not a well-formed manifest");
  const fb::Manifest& from = *fb::GetManifest(bytes.data());
  const Known known{file};
  Manifest m;
  m.kind = known.operator()<Kind>("kind", from.kind(), fb::Kind_MAX);
  m.shape = known.operator()<Shape>("shape", from.shape(), fb::Shape_MAX);
  m.metric = known.operator()<Metric>("metric", from.metric(), fb::Metric_MAX);
  m.size = from.size();
  m.dim = from.dim();
  if (from.codes())
    for (const auto* c : *from.codes()) m.codes.push_back({known.operator()<Encoding>("encoding", c->encoding(), fb::Encoding_MAX), text(c->section())});
  if (from.graph()) m.graph = read_graph(*from.graph(), known);
  if (from.sections())
    for (const auto* s : *from.sections())
      m.sections.push_back({text(s->name()), s->offset(), s->length(), known.operator()<Tier>("tier", s->tier(), fb::Tier_MAX)});
  m.block_hashes = {from.block_hashes()->offset(), from.block_hashes()->count(), from.block_hashes()->xxh3()};
  m.provenance = read_provenance(*from.provenance());
  return m;
}

}  // namespace cassata
