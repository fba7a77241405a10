// The manifest of an index file as plain structs; manifest.fbs is its form on disk.
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

#include "cassata/schema.h"

namespace cassata {

/// Use of a section: `hot` sections are used by every query (graph, traversal codes); a query uses few bytes of `cold`
/// sections (rerank codes).
enum class Tier : std::uint8_t { hot = 0, cold = 1 };

struct SectionEntry {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Tier tier = Tier::hot;
};

/// Vectors of one encoding in a file.
struct CodesEntry {
  Encoding encoding = Encoding::f32;
  std::string section;
  CodeParams code = {};
};

struct GraphEntry {
  std::uint32_t m = 0;
  std::uint32_t ef_construction = 0;
  std::vector<std::uint64_t> level_sizes;
  std::uint32_t page_bytes = 0;          ///< paged: bytes of a page
  std::optional<CodesEntry> links = {};  ///< paged: codes of links
  std::uint64_t duplicates = 0;          ///< rows that are not nodes: exact and near duplicates of nodes
  std::uint64_t near_copies = 0;         ///< number of near duplicates among them
  float near_radius = 0;                 ///< largest length (metric.h) between a near duplicate and its representative
};

struct PostingsEntry {
  std::uint64_t lists = 0;
  std::uint32_t bucket_shift = 0;
  std::uint32_t n_postings = 0;
  float summary_energy = 1;
  std::uint32_t n_knn = 0;
};

struct DocumentsEntry {
  bool text = true;               ///< documents are UTF-8; false: any bytes
  std::uint64_t bytes = 0;        ///< length of all documents, uncompressed
  std::uint64_t largest = 0;      ///< length of the largest document
  std::uint32_t block_bytes = 0;  ///< length of a block, uncompressed; the last block may be shorter
};

struct InputEntry {
  std::string name;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint64_t xxh3 = 0;
};

/// Recall of a new index with default parameters, against exact search.
struct SelfCheck {
  std::uint32_t k = 0;
  std::uint32_t ef_search = 0;
  std::uint32_t rows = 0;   ///< number of queries that are rows of the collection
  double recall_rows = 1;   ///< their recall: share of results whose score reaches the k-th best
  std::uint32_t fresh = 0;  ///< number of held-out queries
  double recall_fresh = 1;  ///< their recall

  /// Builds warn about a lower recall.
  static constexpr double kLow = 0.9;
  double recall() const { return std::min(recall_rows, recall_fresh); }
};

struct Provenance {
  std::string library_version;
  std::vector<InputEntry> inputs;
  std::vector<std::pair<std::string, std::string>> parameters;
  std::optional<SelfCheck> self_check = {};  ///< approximate indexes only
};

/// Type of external ids.
enum class IdType : std::uint8_t { int64 = 0, text = 1 };

/// Type of the values of a field. Timestamps count units since 1970-01-01T00:00:00 UTC; tags are a set of texts.
enum class FieldType : std::uint8_t { int64 = 0, float64 = 1, boolean = 2, timestamp = 3, text = 4, tags = 5 };

/// Unit of timestamps.
enum class TimeUnit : std::uint8_t { seconds = 0, milliseconds = 1, microseconds = 2, nanoseconds = 3 };

struct FieldEntry {
  std::string name;
  FieldType type = FieldType::int64;
  TimeUnit unit = TimeUnit::seconds;
  std::uint8_t width = 0;  ///< bytes of a number, 8, or of a code, 1, 2 or 4; boolean: 0
  bool nulls = false;      ///< some rows have no value
  std::string section;     ///< beginning of the names of its sections
};

struct BlockHashesEntry {
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
  std::uint64_t xxh3 = 0;
};

struct Manifest {
  IndexSchema schema;
  std::uint64_t size = 0;
  std::uint32_t dim = 0;
  /// Name of the section of each stage's codes, or what the names of its sections begin with.
  std::string first_section, second_section;
  std::optional<GraphEntry> graph;
  std::vector<SectionEntry> sections;
  BlockHashesEntry block_hashes;
  Provenance provenance;
  std::optional<PostingsEntry> postings;
  std::uint32_t ef_search = 0;  ///< default beam width of searches; 0: the library's default
  std::optional<IdType> external_ids = {};
  std::vector<FieldEntry> fields = {};
  std::optional<DocumentsEntry> documents = {};

  const SectionEntry* find(std::string_view section) const;
  /// The codes of each stage.
  std::vector<CodesEntry> codes() const;
};

/// Beginning of messages about a file's manifest.
std::string manifest_place(std::string_view file, std::uint64_t offset);

/// The FlatBuffer of `manifest`. Equal manifests give equal bytes.
std::vector<std::byte> write_manifest(const Manifest& manifest);

/// Reads a manifest. `file` and `offset` are for messages. Throws Error: corrupt, if the bytes are not a manifest;
/// incompatible, if they use an enum value of a newer version or have more stages than this version reads.
Manifest read_manifest(std::span<const std::byte> bytes, const std::string& file, std::uint64_t offset);

}  // namespace cassata
