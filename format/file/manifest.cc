#include "cassata/manifest.h"

#include <flatbuffers/flatbuffers.h>

#include <cstring>
#include <iterator>

#include "cassata/error.h"
#include "manifest_generated.h"

namespace cassata {
namespace {

template <class Ours, class Theirs>
constexpr bool same(Ours ours, Theirs theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}
static_assert(same(Kind::postings, fb::Kind_postings) && same(VectorKind::sparse, fb::Shape_sparse) &&
              same(kMetrics[std::size(kMetrics) - 1].metric, fb::Metric_MAX));
static_assert(same(Encoding::tokens_two_level_norms, fb::Encoding_tokens_two_level_norms) &&
              fb::Encoding_MAX == fb::Encoding_tokens_two_level_norms && same(GraphType::paged, fb::GraphType_paged) &&
              same(Tier::cold, fb::Tier_cold));
static_assert(same(IdType::text, fb::IdType_MAX) && same(FieldType::tags, fb::FieldType_MAX) &&
              same(TimeUnit::nanoseconds, fb::TimeUnit_MAX));

/// Converts a manifest that the FlatBuffers verifier has accepted.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& file, std::uint64_t offset)
      : file_(file), offset_(offset), text_left_(bytes.size()) {}

  Manifest read(const fb::Manifest& from) {
    Manifest m;
    m.schema = schema(from);
    m.size = from.size();
    m.dim = from.dim();
    m.first_section = text(from.codes()->Get(0)->section());
    if (m.schema.second) m.second_section = text(from.codes()->Get(1)->section());
    if (from.graph()) m.graph = graph(*from.graph());
    each(from.sections(), [&](const fb::Section& s) {
      m.sections.push_back({text(s.name()), s.offset(), s.length(), known<Tier>("tier", s.tier(), fb::Tier_MAX)});
    });
    m.block_hashes = {from.block_hashes()->offset(), from.block_hashes()->count(), from.block_hashes()->xxh3()};
    m.provenance = provenance(*from.provenance());
    if (const fb::Postings* p = from.postings())
      m.postings = {p->lists(), p->bucket_shift(), p->n_postings(), p->summary_energy(), p->n_knn()};
    m.ef_search = from.ef_search();
    if (const fb::ExternalIds* ids = from.external_ids())
      m.external_ids = known<IdType>("type of external ids", ids->type(), fb::IdType_MAX);
    each(from.fields(), [&](const fb::Field& f) {
      std::string name = text(f.name());
      m.fields.push_back({std::move(name), known<FieldType>("type of a field", f.type(), fb::FieldType_MAX),
                          known<TimeUnit>("unit of time", f.unit(), fb::TimeUnit_MAX), f.width(), f.nulls(),
                          text(f.section())});
    });
    if (const fb::Documents* d = from.documents())
      m.documents = {d->text(), d->bytes(), d->largest(), d->block_bytes()};
    return m;
  }

 private:
  template <class T, class Visit>
  static void each(const flatbuffers::Vector<flatbuffers::Offset<T>>* vector, Visit visit) {
    if (vector)
      for (const T* element : *vector) visit(*element);
  }

  IndexSchema schema(const fb::Manifest& from) const {
    const std::string place = manifest_place(file_, offset_);
    const std::size_t stages = from.codes() ? from.codes()->size() : 0;
    const fb::Rerank* const rerank = from.rerank();
    if (stages == 0) corrupt(place + "no encoding of the vectors");
    if (stages > 2 || (stages == 2 && !rerank))
      throw Error(
          Errc::incompatible,
          place + std::to_string(stages) +
              " encodings of the vectors, more than this version reads in such a file; a newer Cassata wrote it");
    if (rerank && stages != 2) corrupt(place + "an entry for reranking, but one encoding");
    IndexSchema out{.kind = known<Kind>("kind", from.kind(), fb::Kind_MAX),
                    .vector_kind = known<VectorKind>("shape", from.shape(), fb::Shape_MAX),
                    .metric = known<Metric>("metric", from.metric(), fb::Metric_MAX),
                    .first = stage(*from.codes()->Get(0))};
    if (const fb::Graph* const graph = from.graph())
      out.graph = known<GraphType>("graph type", graph->type(), fb::GraphType_MAX);
    if (!rerank) return out;
    out.first.prune_percentage = rerank->prune_percentage();
    if (rerank->navigation()) out.first.role = Role::traversal;
    out.second = stage(*from.codes()->Get(1));
    out.second->role = rerank->residual()                   ? Role::residual
                       : holds_tokens(out.second->encoding) ? Role::maxsim
                                                            : Role::rerank;
    return out;
  }

  Stage stage(const fb::Codes& from) const {
    return {.encoding = known<Encoding>("encoding", from.encoding(), fb::Encoding_MAX),
            .code = {from.m_pq(), from.bits(), from.rotated(), from.token_dim()}};
  }

  GraphEntry graph(const fb::Graph& from) {
    GraphEntry out{.m = from.m(),
                   .ef_construction = from.ef_construction(),
                   .level_sizes = {},
                   .page_bytes = from.page_bytes(),
                   .links = {},
                   .duplicates = from.duplicates(),
                   .near_copies = from.near_copies(),
                   .near_radius = from.near_radius()};
    if (const fb::Codes* const links = from.links()) {
      const Stage codes = stage(*links);
      out.links = {codes.encoding, text(links->section()), codes.code};
    }
    if (const auto* sizes = from.level_sizes(); sizes && sizes->size() != 0) {
      out.level_sizes.resize(sizes->size());
      std::memcpy(out.level_sizes.data(), sizes->Data(),
                  sizes->size() * sizeof out.level_sizes[0]);  // the verifier accepts unaligned elements
    }
    return out;
  }

  Provenance provenance(const fb::Provenance& from) {
    Provenance out{.library_version = text(from.library_version()), .inputs = {}, .parameters = {}};
    each(from.inputs(), [&](const fb::Input& i) {
      out.inputs.push_back({text(i.name()), i.rows(), i.bytes(), i.xxh3()});
    });
    each(from.parameters(), [&](const fb::Parameter& p) {
      std::string name = text(p.name());
      out.parameters.emplace_back(std::move(name), text(p.value()));
    });
    if (const fb::SelfCheck* check = from.self_check())
      out.self_check = {.k = check->k(),
                        .ef_search = check->ef_search(),
                        .rows = check->rows(),
                        .recall_rows = check->recall_rows(),
                        .fresh = check->fresh(),
                        .recall_fresh = check->recall_fresh()};
    return out;
  }

  /// Copies a string. A crafted manifest may use one long string many times, so all copies together must not be longer
  /// than the manifest.
  std::string text(const flatbuffers::String* s) {
    if (!s) return {};
    if (s->size() > text_left_) corrupt(manifest_place(file_, offset_) + "its strings are longer than the manifest");
    text_left_ -= s->size();
    return s->str();
  }

  /// Converts an enum value. Throws Error(incompatible) if this version does not know it.
  template <class Ours, class Theirs>
  Ours known(const char* field, Theirs value, Theirs last) const {
    if (value <= last) return static_cast<Ours>(value);
    throw Error(Errc::incompatible, manifest_place(file_, offset_) + field + " " + std::to_string(int{value}) +
                                        " is not known to this version, which knows 0 to " + std::to_string(int{last}) +
                                        "; a newer Cassata wrote the file");
  }

  const std::string& file_;
  std::uint64_t offset_;
  std::uint64_t text_left_;
};

flatbuffers::Offset<fb::Provenance> write_provenance(flatbuffers::FlatBufferBuilder& b, const Provenance& provenance) {
  std::vector<flatbuffers::Offset<fb::Input>> inputs;
  for (const auto& i : provenance.inputs)
    inputs.push_back(fb::CreateInput(b, b.CreateString(i.name), i.rows, i.bytes, i.xxh3));
  std::vector<flatbuffers::Offset<fb::Parameter>> parameters;
  for (const auto& [name, value] : provenance.parameters) {
    const auto name_at = b.CreateString(name);
    const auto value_at = b.CreateString(value);
    parameters.push_back(fb::CreateParameter(b, name_at, value_at));
  }
  const auto version = b.CreateString(provenance.library_version);
  const auto inputs_at = b.CreateVector(inputs);
  const auto parameters_at = b.CreateVector(parameters);
  flatbuffers::Offset<fb::SelfCheck> check_at;
  if (const auto& check = provenance.self_check)
    check_at = fb::CreateSelfCheck(b, check->k, check->ef_search, check->rows, check->recall_rows, check->fresh,
                                   check->recall_fresh);
  return fb::CreateProvenance(b, version, inputs_at, parameters_at, check_at);
}

flatbuffers::Offset<fb::Codes> write_codes(flatbuffers::FlatBufferBuilder& b, const CodesEntry& codes) {
  const CodeParams& code = codes.code;
  return fb::CreateCodes(b, static_cast<fb::Encoding>(codes.encoding), b.CreateString(codes.section), code.m_pq,
                         code.bits, code.rotated, code.token_dim);
}

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Field>>> write_fields(
    flatbuffers::FlatBufferBuilder& b, const std::vector<FieldEntry>& fields) {
  std::vector<flatbuffers::Offset<fb::Field>> written;
  for (const FieldEntry& f : fields) {
    const auto name_at = b.CreateString(f.name);
    const auto section_at = b.CreateString(f.section);
    written.push_back(fb::CreateField(b, name_at, static_cast<fb::FieldType>(f.type), static_cast<fb::TimeUnit>(f.unit),
                                      f.width, f.nulls, section_at));
  }
  return b.CreateVector(written);
}

}  // namespace

const SectionEntry* Manifest::find(std::string_view section) const {
  for (const auto& s : sections)
    if (s.name == section) return &s;
  return nullptr;
}

std::vector<CodesEntry> Manifest::codes() const {
  std::vector<CodesEntry> out = {{schema.first.encoding, first_section, schema.first.code}};
  if (schema.second) out.push_back({schema.second->encoding, second_section, schema.second->code});
  return out;
}

std::string manifest_place(std::string_view file, std::uint64_t offset) {
  return std::string(file) + ": manifest at byte " + std::to_string(offset) + ": ";
}

std::vector<std::byte> write_manifest(const Manifest& m) {
  const IndexSchema& schema = m.schema;
  flatbuffers::FlatBufferBuilder b;
  std::vector<flatbuffers::Offset<fb::Codes>> codes;
  for (const CodesEntry& c : m.codes()) codes.push_back(write_codes(b, c));
  const auto codes_at = b.CreateVector(codes);
  flatbuffers::Offset<fb::Graph> graph_at;
  if (m.graph) {
    const auto sizes = b.CreateVector(m.graph->level_sizes);
    flatbuffers::Offset<fb::Codes> links_at;
    if (m.graph->links) links_at = write_codes(b, *m.graph->links);
    graph_at =
        fb::CreateGraph(b, static_cast<fb::GraphType>(schema.graph), m.graph->m, m.graph->ef_construction, sizes,
                        m.graph->page_bytes, links_at, m.graph->duplicates, m.graph->near_copies, m.graph->near_radius);
  }
  std::vector<flatbuffers::Offset<fb::Section>> sections;
  for (const auto& s : m.sections)
    sections.push_back(fb::CreateSection(b, b.CreateString(s.name), s.offset, s.length, static_cast<fb::Tier>(s.tier)));
  const auto sections_at = b.CreateVector(sections);
  const auto hashes_at = fb::CreateBlockHashes(b, m.block_hashes.offset, m.block_hashes.count, m.block_hashes.xxh3);
  const auto provenance_at = write_provenance(b, m.provenance);
  flatbuffers::Offset<fb::Rerank> rerank_at;
  if (schema.second)
    rerank_at = fb::CreateRerank(b, schema.first.prune_percentage, schema.has(Role::residual), schema.traversal_only());
  flatbuffers::Offset<fb::Postings> postings_at;
  if (m.postings)
    postings_at = fb::CreatePostings(b, m.postings->lists, m.postings->bucket_shift, m.postings->n_postings,
                                     m.postings->summary_energy, m.postings->n_knn);
  flatbuffers::Offset<fb::ExternalIds> ids_at;
  if (m.external_ids) ids_at = fb::CreateExternalIds(b, static_cast<fb::IdType>(*m.external_ids));
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Field>>> fields_at;
  if (!m.fields.empty()) fields_at = write_fields(b, m.fields);
  flatbuffers::Offset<fb::Documents> documents_at;
  if (m.documents)
    documents_at =
        fb::CreateDocuments(b, m.documents->text, m.documents->bytes, m.documents->largest, m.documents->block_bytes);
  fb::FinishManifestBuffer(
      b, fb::CreateManifest(b, static_cast<fb::Kind>(schema.kind), static_cast<fb::Shape>(schema.vector_kind),
                            static_cast<fb::Metric>(schema.metric), m.size, m.dim, codes_at, graph_at, sections_at,
                            hashes_at, provenance_at, rerank_at, postings_at, m.ef_search, ids_at, fields_at,
                            documents_at));
  const auto bytes = std::as_bytes(std::span(b.GetBufferPointer(), b.GetSize()));
  return {bytes.begin(), bytes.end()};
}

Manifest read_manifest(std::span<const std::byte> bytes, const std::string& file, std::uint64_t offset) {
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (!fb::VerifyManifestBuffer(verifier)) corrupt(manifest_place(file, offset) + "not a well-formed manifest");
  return Reader(bytes, file, offset).read(*fb::GetManifest(bytes.data()));
}

}  // namespace cassata
