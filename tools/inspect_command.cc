// cassata inspect: header and manifest, as a table or as JSON.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cassata/facts.h"
#include "cassata/index.h"
#include "cassata/payload.h"
#include "format/file/mapped_file.h"
#include "tools/command.h"
#include "tools/describe.h"
#include "tools/table.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

/// Nodes of each layer, from the base layer up.
std::string layers(std::uint64_t base, const std::vector<std::uint64_t>& upper) {
  std::string text = grouped(base);
  for (const std::uint64_t nodes : upper) text += " > " + grouped(nodes);
  return text;
}

std::string encoding(const Stage& codes) {
  const std::string name(name_of(codes.encoding));
  if (codes.code.bits != 0) return name + ", " + std::to_string(codes.code.bits) + " bits";
  if (codes.code.m_pq == 0) return name;
  return name + ", m_pq " + std::to_string(codes.code.m_pq) + (codes.code.rotated ? ", rotated" : "");
}

std::string field(const Index& index, std::size_t i) {
  const FieldEntry& entry = index.fields().entries()[i];
  std::string out = printable(entry.name) + ": " + std::string(name_of(entry.type));
  if (entry.type == FieldType::timestamp) out += " in " + std::string(name_of(entry.unit));
  if (entry.type == FieldType::text || entry.type == FieldType::tags)
    out += ", " + grouped(index.fields().dictionary_size(i)) + " different";
  return out + (entry.nulls ? ", with nulls" : "");
}

std::string facts(const Index& index) {
  const Header& header = index.file().header();
  const Manifest& manifest = index.manifest();
  const IndexSchema& schema = manifest.schema;
  std::vector<Row> rows = {{"class", std::string(index.class_name())},
                           {"kind", std::string(name_of(schema.kind))},
                           {"vectors", grouped(index.size())},
                           {"dim", std::to_string(index.dim())},
                           {"metric", std::string(name_of(schema.metric))},
                           {"encoding", encoding(schema.stored())}};
  if (index.token_dim() != 0)
    rows.push_back({"tokens", encoding(*schema.second) + ", dim " + std::to_string(index.token_dim())});
  else if (schema.traversal_only())
    rows.push_back({"navigation", encoding(schema.first)});
  else if (schema.second)
    rows.push_back({"rerank", encoding(*schema.second) + (schema.has(Role::residual) ? ", residual" : "") +
                                  (schema.vector_kind == VectorKind::sparse
                                       ? ", over vectors pruned to " + fixed(schema.first.prune_percentage, 1) + " %"
                                       : "")});
  if (const auto& graph = manifest.graph) {
    rows.push_back({"graph", std::string(name_of(schema.graph)) + ", m " + std::to_string(graph->m) +
                                 ", ef_construction " + std::to_string(graph->ef_construction)});
    if (graph->links)
      rows.push_back({"pages", grouped(graph->page_bytes) + " bytes, links in " +
                                   encoding({.encoding = graph->links->encoding, .code = graph->links->code})});
    rows.push_back({"layers", layers(index.size() - graph->duplicates, graph->level_sizes)});
    if (graph->duplicates != 0)
      rows.push_back({"duplicates", grouped(graph->duplicates) + " rows represented by another row, " +
                                        grouped(graph->near_copies) + " of them near duplicates"});
  }
  if (const auto& postings = manifest.postings)
    rows.push_back({"lists", grouped(postings->lists) + ", n_postings " + std::to_string(postings->n_postings) +
                                 ", summary_energy " + fixed(static_cast<double>(postings->summary_energy), 2) +
                                 ", n_knn " + std::to_string(postings->n_knn)});
  if (manifest.ef_search != 0)
    rows.push_back({"ef_search", std::to_string(manifest.ef_search) + ", the default of searches"});
  if (manifest.external_ids) rows.push_back({"ids", std::string(name_of(*manifest.external_ids))});
  for (std::size_t i = 0; i < manifest.fields.size(); ++i) rows.push_back({i == 0 ? "fields" : "", field(index, i)});
  if (const auto& documents = manifest.documents)
    rows.push_back({"documents", std::string(documents->text ? "texts" : "bytes") + " of " +
                                     size_text(documents->bytes) + ", the largest of " +
                                     size_text(documents->largest)});
  rows.push_back({"file size", size_text(header.file_length) + " (" + grouped(header.file_length) + " bytes)"});
  rows.push_back({"format", std::to_string(header.format_major) + "." + std::to_string(header.format_minor)});
  rows.push_back({"features", "incompatible 0x" + hex(header.incompatible_features) + ", compatible 0x" +
                                  hex(header.compatible_features)});
  rows.push_back({"uuid", describe_briefly(index)["uuid"].get<std::string>()});
  return table(rows, {false, false});
}

/// The table of all bytes of the file. With `resident`, also how much of each section is in memory.
std::string sections(const Index& index, bool resident) {
  const Header& header = index.file().header();
  const Manifest& manifest = index.manifest();
  const std::uint64_t hashes = manifest.block_hashes.count * sizeof(std::uint64_t);
  std::uint64_t padding = header.file_length - sizeof(Header) - hashes - header.manifest_length;
  std::vector<Row> rows = {{"section", "offset", "length", "share", "tier"}};
  if (resident) rows.front().insert(rows.front().end(), {"in memory", "share"});
  const auto add = [&](const std::string& name, const std::string& offset, std::uint64_t length,
                       const std::string& tier) {
    const double share = 100.0 * static_cast<double>(length) / static_cast<double>(header.file_length);
    rows.push_back({name, offset, grouped(length), fixed(share, 1) + " %", tier});
    if (resident) rows.back().resize(rows.front().size());
  };
  const auto add_resident = [&](const SectionResidency& part) {
    if (!resident) return;
    rows.back()[5] = part.resident ? grouped(*part.resident) : "unknown";
    rows.back()[6] = part.resident ? fixed(100.0 * *part.share(), 1) + " %" : "";
  };
  const std::vector<SectionResidency> parts = resident ? index.residency() : std::vector<SectionResidency>();
  add("(header)", "0", sizeof(Header), "");
  for (const SectionEntry& s : manifest.sections) {
    add(printable(s.name), grouped(s.offset), s.length, s.tier == Tier::hot ? "hot" : "cold");
    if (resident) add_resident(parts[static_cast<std::size_t>(&s - manifest.sections.data())]);
    padding -= s.length;
  }
  add("(block hashes)", grouped(manifest.block_hashes.offset), hashes, "");
  add("(manifest)", grouped(header.manifest_offset), header.manifest_length, "");
  add("(padding)", "", padding, "");
  if (!resident) return table(rows, {false, true, true, true, false});
  for (const Tier tier : {Tier::hot, Tier::cold}) {
    const SectionResidency sum = summed(parts, tier);
    add("(" + sum.name + ")", "", sum.bytes, sum.name);
    add_resident(sum);
  }
  return table(rows, {false, true, true, true, false, true, true});
}

std::string provenance(const Provenance& held) {
  std::vector<Row> rows = {{"built by", "cassata " + printable(held.library_version)}};
  for (const InputEntry& input : held.inputs)
    rows.push_back({"from", printable(input.name) + ": " + grouped(input.rows) + " rows, " + grouped(input.bytes) +
                                " bytes, xxh3 " + hex(input.xxh3)});
  for (const auto& [name, value] : held.parameters)
    rows.push_back({"with", printable(name) + " = " + printable(value)});
  if (const auto& check = held.self_check)
    rows.push_back({"checked", "recall@" + std::to_string(check->k) + " " + fixed(check->recall_rows, 3) + " of " +
                                   std::to_string(check->rows) + " rows, " + fixed(check->recall_fresh, 3) + " of " +
                                   std::to_string(check->fresh) + " held-out queries, with default parameters"});
  return table(rows, {false, false});
}

}  // namespace

int inspect(const Words& words) {
  std::string path;
  bool json = false, resident = false;
  CommandLine line("inspect INDEX [OPTIONS]",
                   "Prints the kind, the parameters and the encodings of an index file, the places of its sections, "
                   "and its provenance.");
  line.argument("INDEX", path);
  line.flag("json", json, "print JSON, with the names of Python's Index.info");
  line.flag("resident", resident,
            "also print how much of each section is in memory: in the page cache, whichever process read it");
  if (!line.parse(words)) return kOk;
  const Index index = Index::open(path);
  if (json) {
    nlohmann::ordered_json report = describe(index);
    if (resident) report["residency"] = describe_residency(index);
    print(to_text(report));
  } else {
    print(printable(path) + "\n\n" + facts(index) + "\n" + sections(index, resident) + "\n" +
          provenance(index.manifest().provenance));
  }
  return kOk;
}

}  // namespace cassata::tools
