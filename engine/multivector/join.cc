#include "engine/multivector/join.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cassata/error.h"
#include "engine/build/staging.h"
#include "engine/codec/tokens.h"
#include "engine/index/registry.h"
#include "engine/index/schema_rules.h"
#include "format/file/sections.h"
#include "format/input/token_files.h"

namespace cassata {
namespace {

/// True for a graph with one encoding whose class allows token vectors, and with a metric of dot products, as MaxSim.
bool can_be_first(const Manifest& manifest) {
  if (manifest.schema.second) return false;
  IndexSchema joined = manifest.schema;
  joined.second = Stage{.encoding = Encoding::tokens_f16, .code = {.token_dim = 1}, .role = Role::maxsim};
  return problem_with(joined).empty();
}

void check_first(const Index& first) {
  const Manifest& manifest = first.manifest();
  if (can_be_first(manifest)) return;
  std::string known, metrics;
  for (const ClassRow& row : class_rows())
    if (row.seconds.empty() && row.kind == Kind::graph && row.vector_kind() == manifest.schema.vector_kind)
      known += (known.empty() ? "" : ", ") + std::string(row.name);
  for (const Metric metric : metrics_of(std::array{Metric::dot_product}))
    metrics += (metrics.empty() ? "'" : " or '") + std::string(name_of(metric)) + "'";
  invalid_argument(first.file().path() + ": holds a " + std::string(first.class_name()) +
                   (manifest.schema.second ? " with two stages and metric '" : " with metric '") +
                   std::string(name_of(manifest.schema.metric)) + "', expected one of " + known +
                   " with one stage and metric " + metrics);
}

void check_ids(const TokenFolder& tokens, const std::filesystem::path& folder, const std::filesystem::path& ids) {
  if (ids.empty()) return;
  const auto theirs = tokens.ids();
  if (!theirs)
    invalid_argument((folder / "ids.npy").string() + ": no such file, expected the ids to compare with those of " +
                     ids.string());
  check_same_ids(ids, *theirs, tokens.size());
}

/// Copies all sections, and checks every byte on the way.
void copy_sections(const Index& first, const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
  first.file().verify(progress, [&](const Reading& reading) {
    for (const SectionEntry& entry : first.manifest().sections) {
      writer.begin(entry.name, entry.tier, entry.length);
      for (auto rest = first.file().section(entry.name).bytes; !rest.empty();) {
        const auto piece = rest.first(std::min(rest.size(), kPieceBytes));
        reading(piece);  // reads it from disk once
        writer.append(piece);
        rest = rest.subspan(piece.size());
      }
    }
  });
}

/// Writes the section of the documents' offsets, and begins the section of their tokens, of `token_bytes` each.
void begin_rows(const TokenFolder& tokens, std::uint64_t token_bytes, FileWriter& writer) {
  const std::string name(kRerankSection);
  const std::uint64_t bytes = tokens.total_tokens() * token_bytes;
  writer.begin(name + std::string(kOffsetsSuffix), Tier::hot);
  const std::span<const std::uint64_t> at = tokens.offsets();
  write_offsets(
      at.size() - 1, bytes, [&](std::size_t i) { return (at[i + 1] - at[i]) * token_bytes; }, writer);
  writer.begin(name, Tier::cold, bytes);
}

std::vector<InputEntry> write_plain(const TokenFolder& tokens, CodeParams& code, const Progress& progress,
                                    FileWriter& writer) {
  const std::unique_ptr<DenseStream> stream = tokens.tokens();
  code.token_dim = static_cast<std::uint32_t>(stream->dim());
  const std::unique_ptr<Encoder> encoder = row_of(Encoding::f16).encoder({.dim = stream->dim()});
  begin_rows(tokens, encoder->row_bytes(), writer);
  EncodedRows rows;
  read_all(*stream, progress, [&](const Batch& batch, std::uint64_t at) {
    encode(*encoder, batch, stream->name(), at, rows);
    writer.append(std::span<const std::byte>(rows.bytes));
  });
  return {stream->entry()};
}

/// Assembles documents from the two-level tokens that a stream reads.
class Documents {
 public:
  Documents(const TokenFolder& tokens, std::size_t n_centroids)
      : ends_(tokens.offsets().subspan(1)), n_centroids_(n_centroids) {}

  /// Adds tokens. Returns the bytes of the documents that are complete with them; valid until the next call.
  std::span<const std::byte> add(const TwoLevelStream::Tokens& tokens, std::size_t m_pq) {
    bytes_.clear();
    for (std::size_t at = 0; at < tokens.centroids.size();) {
      while (ends_[document_] == done_) ++document_;  // skips documents without tokens
      const std::size_t count = std::min<std::uint64_t>(tokens.centroids.size() - at, ends_[document_] - done_);
      const auto centroids = tokens.centroids.subspan(at, count);
      const auto* const codes = reinterpret_cast<const std::uint8_t*>(tokens.codes.data()) + at * m_pq;
      centroids_.insert(centroids_.end(), centroids.begin(), centroids.end());
      if (!tokens.norms.empty()) {
        const auto norms = tokens.norms.subspan(at, count);
        norms_.insert(norms_.end(), norms.begin(), norms.end());
      }
      codes_.insert(codes_.end(), codes, codes + count * m_pq);
      at += count;
      done_ += count;
      if (done_ != ends_[document_]) break;
      append_two_level(centroids_, norms_, codes_, n_centroids_, bytes_);
      centroids_.clear();
      norms_.clear();
      codes_.clear();
    }
    return bytes_;
  }

 private:
  std::span<const std::uint64_t> ends_;
  std::size_t n_centroids_;
  std::size_t document_ = 0;
  std::uint64_t done_ = 0;                // tokens so far
  std::vector<std::uint32_t> centroids_;  // of the tokens of the incomplete document
  std::vector<std::uint16_t> norms_;
  std::vector<std::uint8_t> codes_;
  std::vector<std::byte> bytes_;
};

/// Bytes of one two-level token.
std::uint64_t two_level_bytes(std::size_t n_centroids, bool has_norms, std::size_t m_pq) {
  std::vector<std::byte> bytes;
  append_two_level(std::vector<std::uint32_t>(1), std::vector<std::uint16_t>(has_norms),
                   std::vector<std::uint8_t>(m_pq), n_centroids, bytes);
  return bytes.size();
}

std::vector<InputEntry> write_two_level(const TokenFolder& tokens, const TokenChoices& choices, Stage& stage,
                                        FileWriter& writer) {
  const std::unique_ptr<TwoLevelStream> stream = tokens.two_level_tokens(choices.pq_subspaces);
  if (stream->has_norms()) stage.encoding = Encoding::tokens_two_level_norms;
  CodeParams& code = stage.code;
  const std::size_t dim = stream->token_dim(), n_centroids = stream->centroids().size() / dim;
  code.token_dim = static_cast<std::uint32_t>(dim);
  code.m_pq = static_cast<std::uint32_t>(stream->m_pq());
  const std::vector<std::byte> model = two_level_model(stream->centroids(), stream->pq_centroids(), code.m_pq);
  writer.begin(std::string(kRerankSection) + std::string(kModelSuffix), Tier::hot, model.size());
  writer.append(std::span<const std::byte>(model));
  begin_rows(tokens, two_level_bytes(n_centroids, stream->has_norms(), code.m_pq), writer);
  Documents documents(tokens, n_centroids);
  std::uint64_t done = 0;
  for (auto some = stream->next(); !some.centroids.empty(); some = stream->next()) {
    writer.append(documents.add(some, code.m_pq));
    if (choices.progress) choices.progress("tokens", done += some.centroids.size(), tokens.total_tokens());
  }
  return stream->entries();
}

}  // namespace

Manifest write_multivector(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                           FileWriter& writer) {
  check_first(first);
  const TokenFolder tokens(folder, choices.layout);
  if (tokens.size() != first.size())
    invalid_argument((folder / "doclens.npy").string() + ": " + std::to_string(tokens.size()) +
                     " documents, expected " + std::to_string(first.size()) + ", as in " + first.file().path());
  check_ids(tokens, folder, choices.ids);
  if (choices.pq_subspaces && tokens.layout() == TokenLayout::plain)
    invalid_argument("pq_subspaces: " + std::to_string(*choices.pq_subspaces) +
                     " given, expected none with the plain tokens of " + folder.string());
  copy_sections(first, choices.progress, writer);
  const bool plain = tokens.layout() == TokenLayout::plain;
  Manifest manifest = first.manifest();
  manifest.sections.clear();
  manifest.provenance.self_check.reset();  // its recall is of results without rerank
  manifest.second_section = kRerankSection;
  manifest.schema.second =
      Stage{.encoding = plain ? Encoding::tokens_f16 : Encoding::tokens_two_level, .role = Role::maxsim};
  Stage& stage = *manifest.schema.second;
  const std::vector<InputEntry> read = plain ? write_plain(tokens, stage.code, choices.progress, writer)
                                             : write_two_level(tokens, choices, stage, writer);
  Provenance& provenance = manifest.provenance;
  provenance.library_version = std::string(library_version());
  provenance.inputs.push_back(tokens.doclens());
  provenance.inputs.insert(provenance.inputs.end(), read.begin(), read.end());
  provenance.parameters.emplace_back("tokens", name_of(stage.encoding));
  return manifest;
}

}  // namespace cassata
