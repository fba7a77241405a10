#include "tools/describe.h"

#include <nlohmann/json.hpp>

#include "format/base/text.h"
#include "format/file/mapped_file.h"

namespace cassata::tools {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(std::uint32_t number) { return number == 0 ? Json() : Json(number); }

Json graph(const Manifest& manifest) {
  const std::optional<GraphEntry>& entry = manifest.graph;
  if (!entry) return nullptr;
  return {{"graph_type", name_of(manifest.schema.graph)},
          {"m", entry->m},
          {"ef_construction", entry->ef_construction},
          {"level_sizes", entry->level_sizes},
          {"duplicates", entry->duplicates},
          {"near_copies", entry->near_copies}};
}

Json rerank(const IndexSchema& schema) {
  if (!schema.second || schema.traversal_only()) return nullptr;
  const CodeParams& code = schema.second->code;
  if (code.token_dim != 0)
    return {{"dtype", name_of(schema.second->encoding)},
            {"token_dim", code.token_dim},
            {"m_pq", number_or_null(code.m_pq)}};
  return {{"dtype", name_of(schema.second->encoding)},
          {"bits", number_or_null(code.bits)},
          {"prune_percentage", schema.first.prune_percentage},
          {"residual", schema.has(Role::residual)}};
}

Json postings(const std::optional<PostingsEntry>& entry) {
  if (!entry) return nullptr;
  return {{"lists", entry->lists},
          {"n_postings", entry->n_postings},
          {"summary_energy", entry->summary_energy},
          {"n_knn", entry->n_knn}};
}

Json sections(const Manifest& manifest) {
  Json list = Json::array();
  for (const SectionEntry& s : manifest.sections)
    list.push_back(
        {{"name", s.name}, {"offset", s.offset}, {"length", s.length}, {"tier", s.tier == Tier::hot ? "hot" : "cold"}});
  return list;
}

Json self_check(const std::optional<SelfCheck>& check) {
  if (!check) return nullptr;
  return {{"k", check->k},
          {"ef_search", check->ef_search},
          {"rows", check->rows},
          {"recall_rows", check->recall_rows},
          {"fresh", check->fresh},
          {"recall_fresh", check->recall_fresh},
          {"recall", check->recall()}};
}

Json provenance(const Provenance& held) {
  Json inputs = Json::array(), parameters = Json::object();
  for (const InputEntry& input : held.inputs)
    inputs.push_back({{"name", input.name}, {"rows", input.rows}, {"bytes", input.bytes}, {"xxh3", input.xxh3}});
  for (const auto& [name, value] : held.parameters) parameters[name] = value;
  return {{"library_version", held.library_version},
          {"inputs", inputs},
          {"parameters", parameters},
          {"self_check", self_check(held.self_check)}};
}

}  // namespace

Json describe_briefly(const Index& index) {
  const IndexSchema& schema = index.manifest().schema;
  return {{"path", index.file().path()},
          {"class", index.class_name()},
          {"kind", name_of(schema.kind)},
          {"n", index.size()},
          {"dim", index.dim()},
          {"metric", name_of(schema.metric)},
          {"dtype", name_of(schema.stored().encoding)},
          {"navigation", schema.traversal_only() ? Json(name_of(schema.first.encoding)) : Json()},
          {"bits", number_or_null(schema.first.code.bits)},
          {"m_pq", number_or_null(schema.first.code.m_pq)},
          {"opq", schema.first.code.rotated},
          {"file_size", index.file().header().file_length},
          {"uuid", uuid_text(index)}};
}

Json describe(const Index& index) {
  const Header& header = index.file().header();
  const Manifest& manifest = index.manifest();
  Json json = describe_briefly(index);
  json["format_version"] = {header.format_major, header.format_minor};
  json["features"] = {{"incompatible", header.incompatible_features}, {"compatible", header.compatible_features}};
  json["graph"] = graph(manifest);
  json["rerank"] = rerank(manifest.schema);
  json["postings"] = postings(manifest.postings);
  json["ef_search"] = number_or_null(manifest.ef_search);
  json["sections"] = sections(manifest);
  json["block_hashes"] = {{"offset", manifest.block_hashes.offset},
                          {"count", manifest.block_hashes.count},
                          {"xxh3", manifest.block_hashes.xxh3}};
  json["manifest"] = {
      {"offset", header.manifest_offset}, {"length", header.manifest_length}, {"xxh3", header.manifest_hash}};
  json["provenance"] = provenance(manifest.provenance);
  return json;
}

SectionResidency summed(const std::vector<SectionResidency>& parts, std::optional<Tier> tier) {
  SectionResidency sum{.name = !tier                ? "all"
                               : *tier == Tier::hot ? "hot"
                                                    : "cold",
                       .tier = tier.value_or(Tier::hot),
                       .bytes = 0,
                       .resident = 0};
  for (const SectionResidency& part : parts) {
    if (tier && part.tier != *tier) continue;
    sum.bytes += part.bytes;
    sum.resident = sum.resident && part.resident ? std::optional(*sum.resident + *part.resident) : std::nullopt;
  }
  return sum;
}

Json describe_residency(const Index& index) {
  const auto amount = [](Json json, const SectionResidency& part) {
    const double all = static_cast<double>(part.bytes);
    json["bytes"] = part.bytes;
    json["resident_bytes"] = part.resident ? Json(*part.resident) : Json();
    json["share"] = !part.resident ? Json() : Json(part.bytes == 0 ? 1.0 : static_cast<double>(*part.resident) / all);
    return json;
  };
  const std::vector<SectionResidency> parts = index.residency();
  Json sections = Json::array();
  for (const SectionResidency& part : parts)
    sections.push_back(amount({{"name", part.name}, {"tier", part.tier == Tier::hot ? "hot" : "cold"}}, part));
  Json json = {{"sections", sections}};
  for (const std::optional<Tier> tier : {std::optional(Tier::hot), std::optional(Tier::cold), std::optional<Tier>()})
    json[summed(parts, tier).name] = amount(Json::object(), summed(parts, tier));
  return json;
}

Json json_of(const Value& value) {
  return std::visit(
      [](const auto& held) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>)
          return nullptr;
        else
          return held;
      },
      value);
}

std::string to_text(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string uuid_text(const Index& index) {
  std::string text;
  for (const std::uint8_t byte : index.file().header().uuid) {
    if (text.size() == 8 || text.size() == 13 || text.size() == 18 || text.size() == 23) text += '-';
    text += hex(byte).substr(14);
  }
  return text;
}

}  // namespace cassata::tools
