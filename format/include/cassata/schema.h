// The description of an index: its kind, its vectors, their encodings and metric. Builds and files share it.
#pragma once

#include <cstdint>
#include <optional>

#include "cassata/metric.h"
#include "cassata/types.h"

namespace cassata {

// Values and meaning as in manifest.fbs; manifest.cc asserts that they agree.
enum class Kind : std::uint8_t { flat = 0, graph = 1, postings = 2 };
enum class VectorKind : std::uint8_t { dense = 0, sparse = 1, tokens = 2 };  // tokens: only in a second stage
enum class Encoding : std::uint8_t {
  f32 = 0,
  f16 = 1,
  sparse_f16 = 2,
  sparse_f32 = 3,
  sparse_fixed8 = 4,
  sparse_fixed16 = 5,
  sparse_packed = 6,
  dense_int8 = 7,
  dense_int4 = 8,
  rabitq = 9,
  pq = 10,
  tokens_f16 = 11,
  tokens_two_level = 12,
  tokens_two_level_norms = 13
};
enum class GraphType : std::uint8_t { standard = 0, permuted = 1, compressed = 2, paged = 3 };

/// Parameters of some encodings; 0 for other encodings.
struct CodeParams {
  static constexpr std::uint32_t kMaxBits = 8, kUsualBits = 4;  ///< of rabitq; the default of builds
  static constexpr std::uint32_t kUsualSubspaces = 32;          ///< of pq in the first of two stages, by default

  std::uint32_t m_pq = 0;       ///< pq and two-level tokens: number of subspaces
  std::uint32_t bits = 0;       ///< rabitq: bits per dimension
  bool rotated = false;         ///< pq: vectors are rotated first
  std::uint32_t token_dim = 0;  ///< tokens: dimension of a token vector

  bool operator==(const CodeParams&) const = default;
};

/// Purpose of the distances of a stage's codes.
enum class Role : std::uint8_t {
  search,     ///< first stage: finds results, which a second stage may score again
  traversal,  ///< first stage: traversal-only codes; the second stage holds the index's vectors, which score the
              ///< results
  rerank,     ///< second stage: scores the results of the first again
  residual,   ///< second stage: holds the residual of the first; the scores of both are summed
  maxsim,     ///< second stage: holds token vectors, which score by MaxSim
};

/// One way in which the vectors are stored.
struct Stage {
  Encoding encoding = Encoding::f32;
  CodeParams code = {};
  Role role = Role::search;
  /// Percentage of the sum of absolute values of a sparse vector, 0 to 100, that the codes of the first stage keep: the
  /// fewest entries that carry it, but at least one. 100: all.
  double prune_percentage = 100;

  bool operator==(const Stage&) const = default;
};

/// Everything that decides which code searches an index. A build gets a schema, and a file stores it.
struct IndexSchema {
  Kind kind = Kind::graph;
  /// Dense or sparse; a build takes it from its input.
  VectorKind vector_kind = VectorKind::dense;
  Metric metric = Metric::dot_product;
  Stage first = {};
  std::optional<Stage> second = {};       ///< role: rerank, residual or maxsim
  GraphType graph = GraphType::permuted;  ///< kind graph only

  /// Whether the first stage has traversal-only codes.
  bool traversal_only() const noexcept { return second && first.role == Role::traversal; }
  const Stage& last() const noexcept { return second ? *second : first; }
  /// Whether there is a second stage of that role.
  bool has(Role role) const noexcept { return second && second->role == role; }
  /// The stage that holds the index's vectors: the second if the first has traversal-only codes, else the first.
  const Stage& stored() const noexcept { return traversal_only() ? *second : first; }

  /// The metric whose distances the engine compares.
  Metric distance() const { return row_of(metric).distance; }

  bool operator==(const IndexSchema&) const = default;
};

/// Whether the encoding is one of token vectors.
constexpr bool holds_tokens(Encoding encoding) noexcept {
  return encoding == Encoding::tokens_f16 || encoding == Encoding::tokens_two_level ||
         encoding == Encoding::tokens_two_level_norms;
}

}  // namespace cassata
