// Every kind of index with token vectors that the registry has, over small collections, and what a search of it must
// find.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "format/input/token_files.h"
#include "tests/conformance/cases.h"
#include "tests/support/temp_dir.h"
#include "tests/support/token_files.h"

namespace cassata::test {

struct MultivectorCase {
  Encoding first = Encoding::sparse_f16;
  GraphType graph = GraphType::permuted;
  TokenLayout layout = TokenLayout::plain;
};

inline std::vector<MultivectorCase> multivector_cases() {
  std::vector<MultivectorCase> cases;
  for (const ClassRow& row : class_rows())
    if (row.tokens())
      for (const Encoding encoding : row.encodings)
        for (const GraphTypeRow& type : graph_type_rows())
          if (!type.guided)
            cases.push_back(
                {encoding, type.type,
                 row.seconds.front() == Encoding::tokens_f16 ? TokenLayout::plain : TokenLayout::two_level});
  return cases;
}

inline std::string name_of_case(const MultivectorCase& c) {
  return std::string(row_of(c.first).vector_kind == VectorKind::sparse ? "sparse_" : "dense_") +
         std::string(name_of(c.first)) + "_" + std::string(name_of(c.graph)) +
         (c.layout == TokenLayout::plain ? "_plain" : "_two_level");
}

/// How the graph of the documents' vectors is built.
inline BuildParams first_params(const MultivectorCase& c) {
  return {
      .schema = {.first = {.encoding = c.first, .code = {.m_pq = c.first == Encoding::pq ? 4U : 0U}}, .graph = c.graph},
      .graph = {.m = 8, .ef_construction = 60},
      .num_threads = 1};
}

/// Tokens of documents, in both layouts: small whole numbers, so that both stand for the same and every MaxSim is exact
/// in f32.
struct Tokens {
  std::size_t dim = 0, m_pq = 0;
  std::vector<std::uint64_t> offsets = {0};
  std::vector<float> values;
  std::vector<float> centroids, pq_centroids;
  std::vector<std::uint32_t> assignment;
  std::vector<std::uint8_t> codes;

  std::size_t documents() const { return offsets.size() - 1; }
  std::uint64_t size() const { return offsets.back(); }
  std::size_t n_centroids() const { return centroids.size() / dim; }

  void write(const std::filesystem::path& folder, TokenLayout layout) const {
    std::vector<std::uint64_t> doclens;
    for (std::size_t i = 0; i < documents(); ++i) doclens.push_back(offsets[i + 1] - offsets[i]);
    write_file(folder / "doclens.npy", npy_of("<i4", {documents()}, doclens));
    if (layout == TokenLayout::plain) return write_file(folder / "documents.npy", npy_of("<f4", {size(), dim}, values));
    write_file(folder / "centroids.npy", npy_of("<f4", {n_centroids(), dim}, centroids));
    write_file(folder / "pq_centroids.npy", npy_of("<f4", {m_pq, 256, dim / m_pq}, pq_centroids));
    write_file(folder / "index_assignment.npy", npy_of("<u4", {size()}, assignment));
    write_file(folder / "residuals.npy", npy_of("|u1", {size(), m_pq}, codes));
  }

  /// By definition: 0 for a query without tokens, -infinity for a document without.
  double max_sim(std::span<const float> query, std::size_t document) const {
    double score = 0;
    for (std::size_t q = 0; q < query.size(); q += dim) {
      double largest = -std::numeric_limits<double>::infinity();
      for (std::uint64_t t = offsets[document]; t < offsets[document + 1]; ++t)
        largest =
            std::max(largest, -exact_distance(Metric::dot_product, query.data() + q, values.data() + t * dim, dim));
      score += largest;
    }
    return score;
  }
};

/// A quarter of the documents have no tokens, others up to `longest`.
inline Tokens random_tokens(Random& random, std::size_t documents, std::size_t m_pq, std::size_t width,
                            std::size_t n_centroids, std::size_t longest) {
  Tokens out;
  out.dim = m_pq * width;
  out.m_pq = m_pq;
  out.centroids = whole_vectors(random, n_centroids, out.dim).values;
  out.pq_centroids = whole_vectors(random, 256, out.dim).values;
  for (std::size_t i = 0; i < documents; ++i)
    out.offsets.push_back(out.offsets.back() + (random() % 4 == 0 ? 0 : below(random, longest + 1)));
  for (std::uint64_t t = 0; t < out.size(); ++t) {
    out.assignment.push_back(
        static_cast<std::uint32_t>(random() % 9 == 0 ? n_centroids - 1 : below(random, n_centroids)));
    for (std::size_t s = 0; s < m_pq; ++s) out.codes.push_back(static_cast<std::uint8_t>(random()));
    for (std::size_t j = 0; j < out.dim; ++j) {
      const std::size_t s = j / width, code = out.codes[t * m_pq + s];
      out.values.push_back(out.centroids[out.assignment[t] * out.dim + j] +
                           out.pq_centroids[(s * 256 + code) * width + j % width]);
    }
  }
  return out;
}

/// Whole numbers, too: of each query up to `longest` tokens, of the first none.
inline TokenQueries random_token_queries(Random& random, std::size_t queries, std::size_t dim, std::size_t longest) {
  TokenQueries out;
  out.dim = dim;
  for (std::size_t i = 0; i < queries; ++i)
    out.offsets.push_back(out.offsets.back() + (i == 0 ? 0 : below(random, longest + 1)));
  out.values = whole_vectors(random, out.offsets.back(), dim).values;
  return out;
}

inline Index join(const Index& first, const Tokens& tokens, TokenLayout layout,
                  const std::filesystem::path& path = {}) {
  const TempDir folder;
  tokens.write(folder.path(), layout);
  return Index::join(first, folder.path(), {}, path);
}

inline std::set<std::string> traits_of(const MultivectorCase& c) {
  const std::string layout = c.layout == TokenLayout::plain ? "plain" : "two level";
  return {layout + ", encoding " + std::string(name_of(c.first)), layout + ", graph " + std::string(name_of(c.graph))};
}

class EveryMultivector : public ::testing::TestWithParam<MultivectorCase> {};

}  // namespace cassata::test

namespace cassata {

/// How GoogleTest names a case in its messages.
inline void PrintTo(const test::MultivectorCase& c, std::ostream* out) { *out << test::name_of_case(c); }

}  // namespace cassata
