// The table of contents of an index file as plain structs; manifest.fbs is its form on disk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cassata/types.h"

namespace cassata {

// Values and meaning as in manifest.fbs; manifest.cc asserts that they agree.
enum class Kind : std::uint8_t { flat = 0, graph = 1, postings = 2 };
enum class Shape : std::uint8_t { dense = 0, sparse = 1, tokens = 2 };  // tokens: of second codes, never of a file
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

/// How a section is used: `hot` by every query (graph, codes), `cold` for few of its bytes a query (full vectors,
/// payload).
enum class Tier : std::uint8_t { hot = 0, cold = 1 };

struct SectionEntry {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Tier tier = Tier::hot;
};

/// What some encodings leave open; 0 where there is no such choice.
struct CodeParams {
  std::uint32_t m_pq = 0;       ///< of pq and two-level tokens: subspaces
  std::uint32_t bits = 0;       ///< of rabitq: bits a dimension
  bool rotated = false;         ///< of pq: vectors are rotated first
  std::uint32_t token_dim = 0;  ///< of tokens: length of each
};

struct CodesEntry {
  Encoding encoding = Encoding::f32;
  std::string section;
  CodeParams code = {};
};

struct GraphEntry {
  GraphType type = GraphType::standard;
  std::uint32_t m = 0;
  std::uint32_t ef_construction = 0;
  std::vector<std::uint64_t> level_sizes;
  std::uint32_t page_bytes = 0;          ///< of paged: length of a page
  std::optional<CodesEntry> links = {};  ///< of paged: how neighbours' codes are stored
  std::uint64_t duplicates = 0;          ///< rows that are not nodes of the graph: copies and near copies of one
  std::uint64_t near_copies = 0;         ///< how many of them are near copies
  float near_radius = 0;                 ///< how far a near copy is from its representative at most (L2)
};

struct RerankEntry {
  double prune_percentage = 100;
  bool residual = false;
  bool navigation = false;
};

struct PostingsEntry {
  std::uint64_t lists = 0;
  std::uint32_t bucket_shift = 0;
  std::uint32_t n_postings = 0;
  float summary_energy = 1;
  std::uint32_t n_knn = 0;
};

struct InputEntry {
  std::string name;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint64_t xxh3 = 0;
};

/// How well an index answered when it was built, by default parameters, against a scan of all rows.
struct SelfCheck {
  std::uint32_t k = 0;
  std::uint32_t ef_search = 0;
  std::uint32_t rows = 0;   ///< of the collection, that were asked for
  double recall_rows = 1;   ///< share of the results whose score reaches the k-th best
  std::uint32_t fresh = 0;  ///< queries that are not in the collection
  double recall_fresh = 1;

  /// A recall below this one deserves a warning.
  static constexpr double kLow = 0.9;
  double recall() const { return std::min(recall_rows, recall_fresh); }
};

struct Provenance {
  std::string library_version;
  std::vector<InputEntry> inputs;
  std::vector<std::pair<std::string, std::string>> parameters;
  std::optional<SelfCheck> self_check = {};  ///< of approximate indexes
};

struct BlockHashesEntry {
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
  std::uint64_t xxh3 = 0;
};

struct Manifest {
  Kind kind = Kind::flat;
  Shape shape = Shape::dense;
  Metric metric = Metric::dot_product;
  std::uint64_t size = 0;
  std::uint32_t dim = 0;
  std::vector<CodesEntry> codes;
  std::optional<GraphEntry> graph;
  std::vector<SectionEntry> sections;
  BlockHashesEntry block_hashes;
  Provenance provenance;
  std::optional<RerankEntry> rerank;
  std::optional<PostingsEntry> postings;
  std::uint32_t ef_search = 0;  ///< width of a search that is asked for without one; 0: the library's default

  const SectionEntry* find(std::string_view section) const;
  /// Whether the first codes only guide a search.
  bool navigates() const { return rerank && rerank->navigation && codes.size() > 1; }
  /// How the vectors are stored that a search is by, or that a guided one ends with.
  const CodesEntry& stored() const { return codes[navigates() ? 1 : 0]; }
};

/// How messages about a file's manifest begin.
std::string manifest_place(std::string_view file, std::uint64_t offset);

/// The FlatBuffer of `manifest`; the same manifest gives the same bytes.
std::vector<std::byte> write_manifest(const Manifest& manifest);

/// Reads it back. `file` and `offset` are for messages. Throws Error(corrupt) where the bytes are not a manifest, and
/// Error(incompatible) where they use an enum value of a newer version.
Manifest read_manifest(std::span<const std::byte> bytes, const std::string& file, std::uint64_t offset);

}  // namespace cassata
