// The tables of all metrics, encodings and kinds of index. Names that users write, choices and openers come from here
// alone.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/manifest.h"
#include "engine/build/pipeline.h"
#include "engine/codec/codes.h"
#include "engine/index/searcher.h"

namespace cassata {

struct MetricRow {
  Metric metric;
  std::string_view name;
  std::span<const std::string_view> aliases;  ///< what other libraries call it
};

struct GraphTypeRow {
  GraphType type;
  std::string_view name;
  bool guided = false;  ///< there is such a graph only where codes guide the walk
};

struct EncodingRow {
  Encoding encoding;
  std::string_view name;
  Shape shape;
  std::span<const Metric> metrics;  ///< that it has distances for
  bool compact;                     ///< codes that are made from dense vectors by what was learned of these: the model
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);
  std::unique_ptr<Encoder> (*encoder)(
      const CodesSpec& spec);  ///< null for token vectors, which come as they are stored
};

struct KindRow {
  Kind kind;
  std::string_view name;
  std::unique_ptr<Searcher> (*open)(const MappedFile& file, const StoredCodes& codes);
  void (*build)(const BuildTask& task);
};

/// What second codes of the vectors are for; token vectors score what was found as reranking codes do, by another kind
/// of query.
enum class Second { none, navigation, rerank, tokens, two_level_tokens };

/// The class that stands for a kind of index over vectors that are stored in a way.
struct ClassRow {
  std::string_view name;
  Kind kind;
  std::span<const Encoding> encodings;  ///< of the vectors that are searched first; encodings[0] is the class's default
  Second second;
  std::span<const Encoding> seconds;  ///< encodings of the second codes; seconds[0] is the default
  std::span<const Metric> metrics;

  Shape shape() const;
};

std::span<const MetricRow> metric_rows() noexcept;
std::span<const GraphTypeRow> graph_type_rows() noexcept;
std::span<const EncodingRow> encoding_rows() noexcept;
std::span<const KindRow> kind_rows() noexcept;
std::span<const ClassRow> class_rows() noexcept;

/// Null if this version has no such class.
const ClassRow* class_of(Kind kind, Encoding encoding, Second second) noexcept;
/// Of a file, or of the file that a build makes. The manifest has an encoding.
const ClassRow* class_of(const Manifest& manifest) noexcept;
const ClassRow* class_of(const BuildParams& params) noexcept;
const EncodingRow& row_of(Encoding encoding);
const GraphTypeRow& row_of(GraphType type);
/// "'f32', 'f16'", for a message.
std::string names_of(std::span<const Encoding> encodings);
const KindRow& row_of(Kind kind);

/// Codes of the neighbours in a graph in pages: so short that a page holds many, and so rough that its own codes must
/// be asked.
CodesEntry link_codes();

/// The encoders of a build.
BuildEncoders encoders_of(const BuildParams& params, std::size_t dim);

}  // namespace cassata
