// The tables of all metrics, encodings and kinds of index. Names that users write, choices and openers come from here alone.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "engine/codes/codes.h"
#include "engine/searcher.h"
#include "format/manifest.h"

namespace cassata {

struct MetricRow {
  Metric metric;
  std::string_view name;
};

struct GraphTypeRow {
  GraphType type;
  std::string_view name;
};

struct EncodingRow {
  Encoding encoding;
  std::string_view name;
  Shape shape;
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, std::size_t dim);
  std::unique_ptr<Encoder> (*encoder)(std::size_t dim);
};

struct KindRow {
  Kind kind;
  std::string_view name;
  std::unique_ptr<Searcher> (*open)(const MappedFile& file, const Codes& codes);
  void (*build)(const BuildTask& task);
};

/// The class that stands for a kind of index over vectors of a shape.
struct ClassRow {
  Kind kind;
  Shape shape;
  std::string_view name;
};

std::span<const MetricRow> metric_rows() noexcept;
std::span<const GraphTypeRow> graph_type_rows() noexcept;
std::span<const EncodingRow> encoding_rows() noexcept;
std::span<const KindRow> kind_rows() noexcept;
std::span<const ClassRow> class_rows() noexcept;

/// Empty if this version has no index of that kind over such vectors.
std::string_view class_of(Kind kind, Shape shape) noexcept;
const EncodingRow& row_of(Encoding encoding);
const KindRow& row_of(Kind kind);

}  // namespace cassata
