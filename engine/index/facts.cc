#include "cassata/facts.h"

#include <cstdint>
#include <optional>

#include "cassata/payload.h"
#include "format/base/text.h"
#include "format/file/mapped_file.h"

namespace cassata {
namespace {

Value text(std::string_view known) { return std::string(known); }
Value number(std::uint64_t value) { return value; }
Value number_or_none(std::uint64_t value) { return value == 0 ? Value() : Value(value); }
std::string_view name_of(Tier tier) { return tier == Tier::hot ? "hot" : "cold"; }

template <class T>
std::vector<Fact> list(const std::vector<T>& values, Fact (*fact_of)(const T&)) {
  std::vector<Fact> out;
  out.reserve(values.size());
  for (const T& value : values) out.push_back(fact_of(value));
  return out;
}

/// The facts of an entry; none without one.
template <class T>
Fact of(const std::optional<T>& entry, Facts (*facts_of)(const T&)) {
  return entry ? Fact(facts_of(*entry)) : Fact(Value());
}

Fact graph(const Manifest& manifest) {
  const std::optional<GraphEntry>& entry = manifest.graph;
  if (!entry) return Value();
  return Facts{
      {"graph_type", text(name_of(manifest.schema.graph))},
      {"m", number(entry->m)},
      {"ef_construction", number(entry->ef_construction)},
      {"level_sizes", list<std::uint64_t>(entry->level_sizes, [](const auto& size) -> Fact { return number(size); })},
      {"duplicates", number(entry->duplicates)},
      {"near_copies", number(entry->near_copies)}};
}

Fact rerank(const IndexSchema& schema) {
  if (!schema.second || schema.traversal_only()) return Value();
  const CodeParams& code = schema.second->code;
  const Value dtype = text(name_of(schema.second->encoding));
  if (schema.has(Role::maxsim))
    return Facts{{"dtype", dtype}, {"token_dim", number(code.token_dim)}, {"m_pq", number_or_none(code.m_pq)}};
  return Facts{{"dtype", dtype},
               {"bits", number_or_none(code.bits)},
               {"prune_percentage", Value(schema.first.prune_percentage)},
               {"residual", Value(schema.has(Role::residual))}};
}

Facts postings(const PostingsEntry& entry) {
  return {{"lists", number(entry.lists)},
          {"n_postings", number(entry.n_postings)},
          {"summary_energy", Value(double{entry.summary_energy})},
          {"n_knn", number(entry.n_knn)}};
}

Facts documents(const DocumentsEntry& entry) {
  return {{"text", Value(entry.text)},
          {"bytes", number(entry.bytes)},
          {"largest", number(entry.largest)},
          {"block_bytes", number(entry.block_bytes)}};
}

Fact section(const SectionEntry& entry) {
  return Facts{{"name", text(entry.name)},
               {"offset", number(entry.offset)},
               {"length", number(entry.length)},
               {"tier", text(name_of(entry.tier))}};
}

Facts self_check(const SelfCheck& check) {
  return {{"k", number(check.k)},           {"ef_search", number(check.ef_search)},
          {"rows", number(check.rows)},     {"recall_rows", Value(check.recall_rows)},
          {"fresh", number(check.fresh)},   {"recall_fresh", Value(check.recall_fresh)},
          {"recall", Value(check.recall())}};
}

Facts field(const Index& index, std::size_t i) {
  const FieldEntry& entry = index.fields().entries()[i];
  const bool coded = entry.type == FieldType::text || entry.type == FieldType::tags;
  return {{"name", text(entry.name)},
          {"type", text(name_of(entry.type))},
          {"unit", entry.type == FieldType::timestamp ? text(name_of(entry.unit)) : Value()},
          {"nulls", Value(entry.nulls)},
          {"dictionary_size", coded ? number(index.fields().dictionary_size(i)) : Value()}};
}

Fact fields(const Index& index) {
  std::vector<Fact> out;
  for (std::size_t i = 0; i < index.fields().entries().size(); ++i) out.emplace_back(field(index, i));
  return out;
}

Fact input(const InputEntry& entry) {
  return Facts{{"name", text(entry.name)},
               {"rows", number(entry.rows)},
               {"bytes", number(entry.bytes)},
               {"xxh3", number(entry.xxh3)}};
}

Facts provenance(const Provenance& held) {
  Facts parameters;
  for (const auto& [name, value] : held.parameters) parameters.emplace_back(name, text(value));
  return {{"library_version", text(held.library_version)},
          {"inputs", list(held.inputs, input)},
          {"parameters", parameters},
          {"self_check", of(held.self_check, self_check)}};
}

/// Adds the amounts of a part.
Facts with_amounts(Facts facts, const SectionResidency& part) {
  facts.insert(facts.end(), {{"bytes", number(part.bytes)},
                             {"resident_bytes", part.resident ? number(*part.resident) : Value()},
                             {"share", part.share() ? Value(*part.share()) : Value()}});
  return facts;
}

std::string uuid_text(const Header& header) {
  std::string text;
  for (const std::uint8_t byte : header.uuid) {
    if (text.size() == 8 || text.size() == 13 || text.size() == 18 || text.size() == 23) text += '-';
    text += hex(byte).substr(14);
  }
  return text;
}

}  // namespace

Facts identity_of(const Index& index) {
  const Header& header = index.file().header();
  const IndexSchema& schema = index.manifest().schema;
  return {{"class", text(index.class_name())},
          {"kind", text(name_of(schema.kind))},
          {"n", number(index.size())},
          {"dim", number(index.dim())},
          {"metric", text(name_of(schema.metric))},
          {"dtype", text(name_of(schema.stored().encoding))},
          {"navigation", schema.traversal_only() ? text(name_of(schema.first.encoding)) : Value()},
          {"bits", number_or_none(schema.first.code.bits)},
          {"m_pq", number_or_none(schema.first.code.m_pq)},
          {"opq", Value(schema.first.code.rotated)},
          {"file_size", number(header.file_length)},
          {"uuid", text(uuid_text(header))}};
}

Facts facts_of(const Index& index) {
  const Header& header = index.file().header();
  const Manifest& manifest = index.manifest();
  const BlockHashesEntry& hashes = manifest.block_hashes;
  Facts out = identity_of(index);
  out.insert(
      out.end(),
      {{"format_version", std::vector<Fact>{number(header.format_major), number(header.format_minor)}},
       {"features", Facts{{"incompatible", number(header.incompatible_features)},
                          {"compatible", number(header.compatible_features)}}},
       {"graph", graph(manifest)},
       {"rerank", rerank(manifest.schema)},
       {"postings", of(manifest.postings, postings)},
       {"ef_search", number_or_none(manifest.ef_search)},
       {"ids", manifest.external_ids ? text(name_of(*manifest.external_ids)) : Value()},
       {"fields", fields(index)},
       {"documents", of(manifest.documents, documents)},
       {"sections", list(manifest.sections, section)},
       {"block_hashes",
        Facts{{"offset", number(hashes.offset)}, {"count", number(hashes.count)}, {"xxh3", number(hashes.xxh3)}}},
       {"manifest", Facts{{"offset", number(header.manifest_offset)},
                          {"length", number(header.manifest_length)},
                          {"xxh3", number(header.manifest_hash)}}},
       {"provenance", provenance(manifest.provenance)}});
  return out;
}

SectionResidency summed(const std::vector<SectionResidency>& parts, std::optional<Tier> tier) {
  SectionResidency sum{
      .name = std::string(tier ? name_of(*tier) : "all"), .tier = tier.value_or(Tier::hot), .bytes = 0, .resident = 0};
  for (const SectionResidency& part : parts) {
    if (tier && part.tier != *tier) continue;
    sum.bytes += part.bytes;
    sum.resident = sum.resident && part.resident ? std::optional(*sum.resident + *part.resident) : std::nullopt;
  }
  return sum;
}

Facts residency_of(const Index& index) {
  const std::vector<SectionResidency> parts = index.residency();
  Facts out = {{"sections", list<SectionResidency>(parts, [](const SectionResidency& part) -> Fact {
                  return with_amounts({{"name", text(part.name)}, {"tier", text(name_of(part.tier))}}, part);
                })}};
  for (const std::optional<Tier> tier : {std::optional(Tier::hot), std::optional(Tier::cold), std::optional<Tier>()}) {
    const SectionResidency sum = summed(parts, tier);
    out.emplace_back(sum.name, with_amounts({}, sum));
  }
  return out;
}

}  // namespace cassata
