#include "engine/index/schema_rules.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "cassata/index.h"
#include "engine/index/registry.h"
#include "format/base/text.h"

namespace cassata {
namespace {

std::string name_of(VectorKind kind) {
  return kind == VectorKind::dense ? "dense" : kind == VectorKind::sparse ? "sparse" : "token";
}

bool holds(const auto& range, const auto& one) { return std::ranges::find(range, one) != std::ranges::end(range); }

/// "kind 'hnsw' or 'flat'" of the names, each once.
std::string one_of(const std::string& field, const std::vector<std::string_view>& names) {
  std::vector<std::string> once;
  for (const std::string_view name : names)
    if (!holds(once, quoted(name))) once.push_back(quoted(name));
  std::string text;
  for (std::size_t i = 0; i < once.size(); ++i) text += (i == 0 ? "" : i + 1 == once.size() ? " or " : ", ") + once[i];
  return field + " " + text;
}

std::string unsupported(const std::string& what, const std::string& use) {
  return "unsupported combination: " + what + " (use " + use + ")";
}

template <class Value>
std::vector<std::string_view> names(std::span<const Value> values) {
  std::vector<std::string_view> out;
  for (const Value value : values) out.push_back(cassata::name_of(value));
  return out;
}

/// The name of the parameter that selects the encoding of `stage`.
std::string encoding_option(const IndexSchema& schema, const Stage& stage) {
  if (&stage == &schema.first) return schema.traversal_only() ? "navigation" : "dtype";
  return stage.role == Role::maxsim ? "tokens" : schema.traversal_only() ? "dtype" : "rerank";
}

/// Whether the scores of both stages can be summed: the second can hold the residual of the first, and both are linear.
bool add_up(const IndexSchema& schema) {
  return schema.vector_kind == VectorKind::sparse ||
         (schema.first.encoding != Encoding::pq && row_of(schema.second->encoding).compact);
}

/// The fault of a stage's codes, apart from the other stage.
std::string problem_with(const IndexSchema& schema, const Stage& stage) {
  const EncodingRow& encoding = row_of(stage.encoding);
  const std::string option = encoding_option(schema, stage) + " " + quoted(encoding.name);
  const VectorKind expected = stage.role == Role::maxsim ? VectorKind::tokens : schema.vector_kind;
  if (encoding.vector_kind != expected) {
    std::vector<std::string_view> known;
    for (const EncodingRow& row : encoding_rows())
      if (row.vector_kind == expected) known.push_back(row.name);
    return unsupported(
        option + " of " + name_of(encoding.vector_kind) + " vectors with " + name_of(expected) + " vectors",
        "one of " + one_of(name_of(expected), known));
  }
  if (!has_metric(encoding.distances, schema.metric))
    return unsupported("metric " + quoted(cassata::name_of(schema.metric)) + " with " + option + " of " +
                           name_of(expected) + " vectors",
                       one_of("metric", names<Metric>(metrics_of(encoding.distances))));
  const auto only_of = [&](const char* name, Encoding only) {
    return unsupported(std::string(name) + " with " + option,
                       encoding_option(schema, stage) + " " + quoted(cassata::name_of(only)));
  };
  if (stage.role == Role::maxsim) {
    const std::uint32_t dim = stage.code.token_dim;
    if (dim == 0 || dim > kMaxDim)
      return "tokens of dimension " + std::to_string(dim) + ", expected 1 to " + std::to_string(kMaxDim);
    return {};
  }
  if (stage.encoding != Encoding::pq && stage.code.m_pq != 0) return only_of("m_pq", Encoding::pq);
  if (stage.encoding != Encoding::pq && stage.code.rotated) return only_of("opq", Encoding::pq);
  if (stage.encoding != Encoding::rabitq && stage.code.bits != 0) return only_of("bits", Encoding::rabitq);
  return {};
}

/// The fault of the stages' roles.
std::string problem_with_roles(const IndexSchema& schema) {
  const Role first = schema.first.role;
  if (first != Role::search && first != Role::traversal) return "role of the first stage: expected search or traversal";
  if (!schema.second)
    return first == Role::traversal ? "navigation: given without a second stage, expected vectors in 'f32' or 'f16'"
                                    : std::string();
  const Role second = schema.second->role;
  if (second == Role::search || second == Role::traversal)
    return "role of the second stage: expected rerank, residual or maxsim";
  if (first == Role::traversal && second == Role::residual)
    return "unsupported combination: residual with navigation (its second stage holds whole vectors)";
  if (first == Role::traversal && second == Role::maxsim)
    return "unsupported combination: token vectors with navigation";
  if (second == Role::residual && holds_tokens(schema.second->encoding))
    return "unsupported combination: residual with token vectors";
  return {};
}

/// The fault of a combination that no class has: the first of kind, stages and encodings that no class combines with
/// the ones before it.
std::string problem_with_class(const IndexSchema& schema) {
  const std::string kind = "kind " + quoted(cassata::name_of(schema.kind));
  const std::string over = " with " + name_of(schema.vector_kind) + " vectors";
  const bool tokens = schema.has(Role::maxsim);
  std::vector<const ClassRow*> of_vectors, of_kind, of_stages, of_first;
  for (const ClassRow& row : class_rows()) {
    if (row.vector_kind() != schema.vector_kind) continue;
    of_vectors.push_back(&row);
    if (row.kind != schema.kind) continue;
    of_kind.push_back(&row);
    if (row.first != schema.first.role || row.seconds.empty() == schema.second.has_value() || row.tokens() != tokens)
      continue;
    of_stages.push_back(&row);
    if (holds(row.encodings, schema.first.encoding)) of_first.push_back(&row);
  }
  std::vector<std::string_view> known;
  if (of_kind.empty()) {
    for (const ClassRow* row : of_vectors) known.push_back(cassata::name_of(row->kind));
    return unsupported(kind + over, one_of("kind", known));
  }
  const std::string first = encoding_option(schema, schema.first);
  if (of_stages.empty()) {
    const char* const stages = schema.traversal_only() ? "navigation" : tokens ? "token vectors" : "rerank";
    for (const ClassRow* row : of_vectors)
      if (row->first == schema.first.role && row->seconds.empty() != schema.second.has_value() &&
          row->tokens() == tokens)
        known.push_back(cassata::name_of(row->kind));
    return known.empty() ? "unsupported combination: " + std::string(stages) + over
                         : unsupported(stages + std::string(" with ") + kind, one_of("kind", known));
  }
  const std::string codes = first + " " + quoted(cassata::name_of(schema.first.encoding));
  if (of_first.empty()) {
    for (const ClassRow* row : of_stages)
      for (const Encoding encoding : row->encodings) known.push_back(cassata::name_of(encoding));
    const bool two_stages = std::ranges::any_of(of_kind, [&](const ClassRow* row) {
      return !row->seconds.empty() && !row->tokens() && holds(row->encodings, schema.first.encoding);
    });
    return unsupported(codes + " with " + kind + (schema.second || !two_stages ? "" : " without rerank"),
                       one_of(first, known) + (schema.second || !two_stages ? "" : ", or rerank or navigation, too"));
  }
  for (const ClassRow* row : of_first)
    for (const Encoding encoding : row->seconds) known.push_back(cassata::name_of(encoding));
  const std::string second = encoding_option(schema, *schema.second);
  return unsupported(second + " " + quoted(cassata::name_of(schema.second->encoding)) + " with " + codes,
                     one_of(second, known));
}

std::string problem_with_residual(const IndexSchema& schema) {
  if (schema.distance() != Metric::dot_product)
    return unsupported("residual with metric " + quoted(cassata::name_of(schema.metric)),
                       one_of("metric", names<Metric>(metrics_of(std::array{Metric::dot_product}))));
  if (schema.vector_kind == VectorKind::sparse && schema.first.prune_percentage == 100)
    return "unsupported combination: residual with prune_percentage 100, which prunes nothing (use less)";
  if (!add_up(schema))
    return unsupported("residual with dtype " + quoted(cassata::name_of(schema.first.encoding)) + " and rerank " +
                           quoted(cassata::name_of(schema.second->encoding)),
                       "dtype 'rabitq', 'int8' or 'int4' and rerank 'rabitq'");
  return {};
}

}  // namespace

std::string problem_with(const IndexSchema& schema) {
  if (schema.vector_kind == VectorKind::tokens) return "unsupported combination: token vectors in the first stage";
  std::string problem = problem_with_roles(schema);
  if (problem.empty()) problem = problem_with(schema, schema.first);
  if (problem.empty() && schema.second) problem = problem_with(schema, *schema.second);
  if (!problem.empty()) return problem;
  const double percentage = schema.first.prune_percentage;
  if (!(percentage >= 0 && percentage <= 100))
    return "prune_percentage: " + std::to_string(percentage) + " given, expected 0 to 100";
  const ClassRow* const row = class_of(schema);
  if (row == nullptr) return problem_with_class(schema);
  if (!has_metric(row->distances, schema.metric))
    return unsupported("metric " + quoted(cassata::name_of(schema.metric)) + " with a " + std::string(row->name),
                       one_of("metric", names<Metric>(metrics_of(row->distances))));
  if (percentage != 100 && (schema.vector_kind == VectorKind::dense || !schema.second))
    return "unsupported combination: prune_percentage with " +
           std::string(schema.second ? "dense vectors (only sparse vectors are pruned)" : "one stage");
  if (schema.kind == Kind::graph && row_of(schema.graph).guided && !schema.traversal_only())
    return "unsupported combination: graph_type " + quoted(cassata::name_of(schema.graph)) +
           " without navigation (use navigation, over dense vectors)";
  if (schema.first.encoding == Encoding::pq && schema.first.code.m_pq == 0 && !schema.second)
    return "m_pq: none given, expected a whole number from 1 to the dimension of the vectors";
  return schema.has(Role::residual) ? problem_with_residual(schema) : std::string();
}

}  // namespace cassata
