// The tables of all metrics, encodings and kinds of index. Names that users write, choices and openers come only
// from here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/metric.h"
#include "engine/codec/codes.h"
#include "engine/index/searcher.h"

namespace cassata {

struct GraphTypeRow {
  GraphType type;
  std::string_view name;
  bool guided = false;  ///< only with traversal-only codes
};

struct EncodingRow {
  Encoding encoding;
  std::string_view name;
  std::string_view help;  ///< in a few words
  VectorKind vector_kind;
  std::span<const Metric> distances;  ///< metrics whose distances the encoding computes
  bool compact;                       ///< a trained encoding of dense vectors: it has a model
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
  /// The codec of a row at any address; null if rows differ in length.
  std::unique_ptr<RowCodec> (*codec)(const RowSections& sections, const CodesSpec& spec);
  std::unique_ptr<Encoder> (*encoder)(const CodesSpec& spec);  ///< null for token vectors, which need no encoder
};

struct KindRow {
  Kind kind;
  std::string_view name;
  Access (*access)(const IndexSchema& schema) noexcept;  ///< of hot sections, declared before any is read
  std::unique_ptr<Searcher> (*open)(const MappedFile& file, const StoredCodes& codes);
};

/// A class: a kind of index with the encodings and roles of its stages.
struct ClassRow {
  std::string_view name;
  Kind kind;
  std::span<const Encoding> encodings;  ///< of the first stage; encodings[0] is the class's default
  std::span<const Encoding> seconds;    ///< of the second stage; seconds[0] is the default; empty: one stage
  std::span<const Metric> distances;    ///< metrics whose distances searches can use
  Role first = Role::search;            ///< of the first stage

  VectorKind vector_kind() const;
  /// Whether the second stage holds token vectors.
  bool tokens() const { return !seconds.empty() && holds_tokens(seconds.front()); }
  /// Whether the second stage holds the vectors again, in an encoding of the caller's choice.
  bool reranks() const { return !seconds.empty() && first != Role::traversal && !tokens(); }
};

std::span<const MetricRow> metric_rows() noexcept;
/// Whether `metric` compares by one of these distances, and all metrics that do.
bool has_metric(std::span<const Metric> distances, Metric metric);
std::vector<Metric> metrics_of(std::span<const Metric> distances);
std::span<const GraphTypeRow> graph_type_rows() noexcept;
std::span<const EncodingRow> encoding_rows() noexcept;
std::span<const KindRow> kind_rows() noexcept;
std::span<const ClassRow> class_rows() noexcept;

/// Null if this version has no such class.
const ClassRow* class_of(const IndexSchema& schema) noexcept;
const EncodingRow& row_of(Encoding encoding);
const GraphTypeRow& row_of(GraphType type);
const KindRow& row_of(Kind kind);

}  // namespace cassata
