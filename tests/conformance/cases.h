// Every kind of index that the registry can build, with every metric, and what tests ask of them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cassata/index.h"
#include "engine/index/registry.h"
#include "format/input/sparse_files.h"
#include "tests/support/brute_force.h"
#include "tests/support/sparse_index.h"

namespace cassata::test {

/// Indexes of a class whose first stage stores vectors so.
inline std::vector<IndexSchema> schemas_of(const ClassRow& row, Encoding first, Metric metric) {
  const IndexSchema schema{.kind = row.kind,
                           .vector_kind = row.vector_kind(),
                           .metric = metric,
                           .first = {.encoding = first, .role = row.first}};
  const auto with = [&](Stage second, double prune_percentage = 100) {
    IndexSchema out = schema;
    out.second = second;
    out.first.prune_percentage = prune_percentage;
    return out;
  };
  const Role residual = metric == Metric::dot_product ? Role::residual : Role::rerank;
  if (row.seconds.empty()) return {schema};
  if (row.tokens()) return {};  // joined, not built: multivector_index_test.cc
  if (row.first == Role::traversal)
    return {with({.encoding = first == Encoding::dense_int4 ? Encoding::f16 : Encoding::f32, .role = Role::rerank})};
  if (row.vector_kind() == VectorKind::dense) {
    if (first != Encoding::rabitq) return {with({.encoding = Encoding::f16, .role = Role::rerank})};
    return {with({.encoding = Encoding::rabitq, .code = {.bits = 7}, .role = residual})};
  }
  return {with({.encoding = Encoding::sparse_f16, .role = Role::rerank}, 70),
          with({.encoding = Encoding::sparse_f32, .role = Role::residual}, 70),
          with({.encoding = Encoding::sparse_f32, .role = Role::rerank})};
}

/// What a build may be asked for, over small collections: graphs of every type for the first encoding of a class, of
/// the usual one for the others, since lists of neighbours know nothing of encodings.
inline std::vector<BuildParams> all_cases() {
  std::vector<BuildParams> cases;
  for (const ClassRow& row : class_rows())
    for (const Encoding encoding : row.encodings)
      for (const Metric metric : metrics_of(row_of(encoding).distances))
        for (const GraphTypeRow& type : graph_type_rows())
          for (IndexSchema schema : schemas_of(row, encoding, metric)) {
            const bool every_type = row.kind == Kind::graph && encoding == row.encodings.front();
            if (type.guided && (row.kind != Kind::graph || row.first != Role::traversal)) continue;
            // Codes know nothing of normalization.
            if (row_of(metric).normalized && (!every_type || type.type != IndexSchema().graph)) continue;
            if (!has_metric(row.distances, metric) || (!every_type && type.type != IndexSchema().graph)) continue;
            schema.first.code = {.m_pq = encoding == Encoding::pq ? 5U : 0U,
                                 .bits = encoding == Encoding::rabitq ? 3U : 0U,
                                 .rotated = encoding == Encoding::pq && type.type == GraphType::permuted};
            schema.graph = type.type;
            cases.push_back(
                {.schema = schema, .graph = {.m = 8, .ef_construction = 60}, .num_threads = 1, .progress = {}});
            if (row.kind != Kind::postings || encoding != Encoding::sparse_f16) continue;
            cases.push_back(cases.back());
            cases.back().lists = {.n_postings = 2000, .summary_energy = 0.9F, .n_knn = 3};
          }
  return cases;
}

inline std::string name_of_case(const BuildParams& params) {
  const bool sparse = row_of(params.schema.first.encoding).vector_kind == VectorKind::sparse;
  std::string name = std::string(name_of(params.schema.kind)) + (sparse ? "_sparse_" : "_") +
                     std::string(name_of(params.schema.first.encoding)) + "_" +
                     std::string(name_of(params.schema.metric));
  if (params.lists.n_knn != 0) name += "_knn";
  if (params.schema.kind == Kind::graph) name += "_" + std::string(name_of(params.schema.graph));
  if (params.schema.second)
    name += (params.schema.traversal_only() ? "_exact_" : "_rerank_") +
            std::string(name_of(params.schema.second->encoding)) +
            (params.schema.has(Role::residual)            ? "_residual"
             : params.schema.first.prune_percentage < 100 ? "_pruned"
                                                          : "");
  return name;
}

/// Whether the scores that a search returns are those of the vectors as given, if these hold small whole numbers.
inline bool exact_scores(const BuildParams& params) {
  return exact_on_whole_numbers(params.schema.metric) &&
         !row_of(params.schema.second ? params.schema.second->encoding : params.schema.first.encoding).compact;
}

/// An index over the vectors, sparse ones if the encoding is for such; of no more subspaces than they have dimensions.
inline Index build(const Vectors& vectors, BuildParams params, const std::filesystem::path& path = {}) {
  params.schema.first.code.m_pq = std::min(params.schema.first.code.m_pq, static_cast<std::uint32_t>(vectors.dim));
  if (row_of(params.schema.first.encoding).vector_kind == VectorKind::sparse) {
    const SparseVectors sparse = sparse_of(vectors);
    const auto stream = sparse_memory_stream("vectors.bin", sparse.components, sparse.values, sparse.offsets);
    return Index::build(*stream, params, path);
  }
  const auto stream =
      memory_stream("vectors.npy", vectors.values.data(), vectors.size(), vectors.dim, ElementType::f32);
  return Index::build(*stream, params, path);
}

/// Asks one of the index's searches, with sparse queries if its vectors are such, and with the queries' tokens if there
/// are any.
template <class Search>
Answers answers(const Index& index, const Vectors& queries, const SearchParams& params, Search search,
                const TokenBatch& tokens = {}) {
  Answers out{std::vector<std::int64_t>(queries.size() * params.k, -7),
              std::vector<float>(queries.size() * params.k, -7)};
  const SparseVectors sparse = sparse_of(queries);
  Batch batch =
      index.manifest().schema.vector_kind == VectorKind::sparse ? sparse.batch(queries.dim) : queries.matrix();
  batch.tokens = tokens;
  (index.*search)(batch, params, Hits{out.ids, out.scores});
  return out;
}

/// Scores again, if there are second codes, as many as a walk keeps.
inline Answers search(const Index& index, const Vectors& queries, SearchParams params, const TokenBatch& tokens = {}) {
  params.k_candidates = std::max(params.k, params.ef_search);
  return answers(index, queries, params, &Index::search, tokens);
}

inline Answers search_exact(const Index& index, const Vectors& queries, const SearchParams& params,
                            const TokenBatch& tokens = {}) {
  return answers(index, queries, params, &Index::search_exact, tokens);
}

/// The same by definition, with -1 and the worst score in places without a result.
inline Answers brute_force(const Vectors& vectors, Metric metric, const Vectors& queries, std::size_t k) {
  Answers out;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    for (const Candidate& c : brute_force(vectors, metric, queries.row(q), k)) {
      out.ids.push_back(c.id);
      out.scores.push_back(score_of(metric, c.distance));
    }
    out.ids.resize((q + 1) * k, -1);
    out.scores.resize((q + 1) * k, score_of(metric, std::numeric_limits<float>::infinity()));
  }
  return out;
}

/// What a case is an example of: its role of second codes with its encoding, graph type and metric, and what else a
/// build may be asked for. A new row of the registry is a new trait.
inline std::set<std::string> traits_of(const BuildParams& params) {
  const IndexSchema& schema = params.schema;
  const std::string vectors = schema.vector_kind == VectorKind::sparse ? "sparse " : "dense ";
  std::string role = "one stage";
  if (schema.second) role = schema.traversal_only() ? "traversal" : schema.has(Role::residual) ? "residual" : "rerank";
  std::set<std::string> traits = {
      role + ", " + std::string(class_of(schema)->name),
      role + ", encoding " + std::string(name_of(schema.first.encoding)),
      vectors + std::string(name_of(schema.kind)) + ", metric " + std::string(name_of(schema.metric)),
      "knn " + std::to_string(params.lists.n_knn)};
  if (schema.kind == Kind::graph) traits.insert(role + ", graph " + std::string(name_of(schema.graph)));
  if (schema.second)
    traits.insert("second stage " + std::string(name_of(schema.second->encoding)) +
                  (schema.first.prune_percentage < 100 ? " of pruned rows" : ""));
  return traits;
}

/// Cases in two parts: those that together are examples of every trait, and the others.
template <class Case>
struct Cover {
  std::vector<Case> covering, others;
};

/// Takes the case that adds most traits, until none adds any. Every test of the program waits for it, so traits are
/// numbers here.
template <class Case>
Cover<Case> cover_of(std::vector<Case> cases) {
  std::map<std::string, std::size_t> numbers;
  std::vector<std::vector<std::size_t>> traits;  // of each case
  for (const Case& one : cases) {
    std::vector<std::size_t>& of_one = traits.emplace_back();
    for (const std::string& trait : traits_of(one))
      of_one.push_back(numbers.try_emplace(trait, numbers.size()).first->second);
  }
  std::vector<bool> covered(numbers.size()), taken(cases.size());
  const auto added = [&](std::size_t i) {
    return std::ranges::count_if(traits[i], [&](std::size_t trait) { return !covered[trait]; });
  };
  Cover<Case> cover;
  while (!cases.empty()) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < cases.size(); ++i)
      if (added(i) > added(best)) best = i;
    if (added(best) == 0) break;
    for (const std::size_t trait : traits[best]) covered[trait] = true;
    taken[best] = true;
    cover.covering.push_back(cases[best]);
  }
  for (std::size_t i = 0; i < cases.size(); ++i)
    if (!taken[i]) cover.others.push_back(cases[i]);
  return cover;
}

/// The cases that `fits`.
template <class Fits>
std::vector<BuildParams> cases_that(Fits fits) {
  std::vector<BuildParams> cases = all_cases();
  std::erase_if(cases, [&](const BuildParams& params) { return !fits(params); });
  return cases;
}

/// Tests over cases, each named after its case.
class EveryKind : public ::testing::TestWithParam<BuildParams> {};

/// Instantiates a suite over a covering part of the cases, and, as exhaustive tests, over the others: see
/// docs/testing.md.
#define CASSATA_FOR_CASES(Suite, cases)                                                               \
  const auto k##Suite##Cases = ::cassata::test::cover_of(cases);                                      \
  INSTANTIATE_TEST_SUITE_P(Covering, Suite, ::testing::ValuesIn(k##Suite##Cases.covering),            \
                           [](const auto& one) { return ::cassata::test::name_of_case(one.param); }); \
  INSTANTIATE_TEST_SUITE_P(Exhaustive, Suite, ::testing::ValuesIn(k##Suite##Cases.others),            \
                           [](const auto& one) { return ::cassata::test::name_of_case(one.param); })

}  // namespace cassata::test

namespace cassata {

/// How GoogleTest names a case in its messages.
inline void PrintTo(const BuildParams& params, std::ostream* out) { *out << test::name_of_case(params); }

}  // namespace cassata
