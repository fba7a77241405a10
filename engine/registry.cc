#include "engine/registry.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "engine/codes/dense.h"
#include "engine/codes/pruned.h"
#include "engine/codes/sparse.h"
#include "engine/codes/sparse_packed.h"
#include "engine/index.h"
#include "format/error.h"

namespace cassata {
namespace {

constexpr MetricRow kMetrics[] = {{Metric::dot_product, "dotproduct"}, {Metric::euclidean, "euclidean"}};

constexpr GraphTypeRow kGraphTypes[] = {{GraphType::standard, "standard"}, {GraphType::permuted, "permuted"}};

constexpr Metric kAllMetrics[] = {Metric::dot_product, Metric::euclidean}, kDotProduct[] = {Metric::dot_product};

constexpr EncodingRow kEncodings[] = {
    {Encoding::f32, "f32", Shape::dense, kAllMetrics, open_dense_f32, encoder_dense_f32},
    {Encoding::f16, "f16", Shape::dense, kAllMetrics, open_dense_f16, encoder_dense_f16},
    {Encoding::sparse_f16, "f16", Shape::sparse, kAllMetrics, open_sparse_f16, encoder_sparse_f16},
    {Encoding::sparse_f32, "f32", Shape::sparse, kAllMetrics, open_sparse_f32, encoder_sparse_f32},
    {Encoding::sparse_fixed8, "fixedu8", Shape::sparse, kAllMetrics, open_sparse_fixed8, encoder_sparse_fixed8},
    {Encoding::sparse_fixed16, "fixedu16", Shape::sparse, kAllMetrics, open_sparse_fixed16, encoder_sparse_fixed16},
    {Encoding::sparse_packed, "dotvbyte", Shape::sparse, kDotProduct, open_sparse_packed, encoder_sparse_packed},
};

constexpr KindRow kKinds[] = {
    {Kind::flat, "flat", open_flat, build_flat},
    {Kind::graph, "hnsw", open_graph, build_graph},
    {Kind::postings, "postings", open_postings, build_postings},
};

constexpr Encoding kDensePlain[] = {Encoding::f32, Encoding::f16};
constexpr Encoding kSparseExact[] = {Encoding::sparse_f32, Encoding::sparse_f16};
constexpr Encoding kSparsePlain[] = {Encoding::sparse_f16, Encoding::sparse_f32};
constexpr Encoding kFixedU8[] = {Encoding::sparse_fixed8}, kFixedU16[] = {Encoding::sparse_fixed16}, kDotVByte[] = {Encoding::sparse_packed};
constexpr Encoding kSparseCodes[] = {Encoding::sparse_f16, Encoding::sparse_f32, Encoding::sparse_fixed8, Encoding::sparse_fixed16,
                                     Encoding::sparse_packed};

// A row a line.
// clang-format off
constexpr ClassRow kClasses[] = {
    {"DenseFlatIndex", Kind::flat, kDensePlain, false, kAllMetrics},
    {"DensePlainHNSW", Kind::graph, kDensePlain, false, kAllMetrics},
    {"SparseFlatIndex", Kind::flat, kSparseExact, false, kDotProduct},
    {"SparsePostingsIndex", Kind::postings, kSparseCodes, false, kDotProduct},
    {"SparsePlainHNSW", Kind::graph, kSparsePlain, false, kAllMetrics},
    {"SparseFixedU8HNSW", Kind::graph, kFixedU8, false, kAllMetrics},
    {"SparseFixedU16HNSW", Kind::graph, kFixedU16, false, kAllMetrics},
    {"SparseDotVByteHNSW", Kind::graph, kDotVByte, false, kDotProduct},
    {"SparseRerankHNSW", Kind::graph, kSparseCodes, true, kDotProduct},
};
// clang-format on

/// The row whose `field` is `value`; the manifest's reader has let no other value through.
template <class Row, std::size_t n, class Field, class Value>
const Row& find(const Row (&rows)[n], Field field, Value value) {
  for (const Row& row : rows)
    if (row.*field == value) return row;
  throw Error(Errc::incompatible, "value " + std::to_string(static_cast<int>(value)) + " has no row in the registry");
}

template <class Row>
const Row& parse(const char* what, std::span<const Row> rows, std::string_view text) {
  std::string choices;
  for (const Row& row : rows) {
    if (row.name == text) return row;
    choices += (choices.empty() ? "'" : ", '") + std::string(row.name) + "'";
  }
  invalid_argument(std::string(what) + ": '" + std::string(text) + "' given, expected one of " + choices);
}

}  // namespace

std::span<const MetricRow> metric_rows() noexcept { return kMetrics; }
std::span<const GraphTypeRow> graph_type_rows() noexcept { return kGraphTypes; }
std::span<const EncodingRow> encoding_rows() noexcept { return kEncodings; }
std::span<const KindRow> kind_rows() noexcept { return kKinds; }
std::span<const ClassRow> class_rows() noexcept { return kClasses; }

Shape ClassRow::shape() const { return row_of(encodings.front()).shape; }

const ClassRow* class_of(Kind kind, Encoding encoding, bool reranks) noexcept {
  for (const ClassRow& row : kClasses)
    if (row.kind == kind && row.reranks == reranks && std::ranges::count(row.encodings, encoding) != 0) return &row;
  return nullptr;
}

const ClassRow* class_of(const Manifest& manifest) noexcept {
  return class_of(manifest.kind, manifest.codes.front().encoding, manifest.codes.size() > 1);
}

const ClassRow* class_of(const BuildParams& params) noexcept { return class_of(params.kind, params.encoding, params.rerank.has_value()); }

const EncodingRow& row_of(Encoding encoding) { return find(kEncodings, &EncodingRow::encoding, encoding); }
const KindRow& row_of(Kind kind) { return find(kKinds, &KindRow::kind, kind); }

std::vector<std::unique_ptr<Encoder>> encoders_of(const BuildParams& params, std::size_t dim) {
  std::vector<std::unique_ptr<Encoder>> out;
  out.push_back(row_of(params.encoding).encoder(dim));
  if (!params.rerank) return out;
  out.push_back(row_of(params.rerank->encoding).encoder(dim));
  const double percentage = params.rerank->prune_percentage;
  if (percentage < 100) out[0] = part_encoder(std::move(out[0]), percentage, Part::kept);
  if (params.rerank->residual) out[1] = part_encoder(std::move(out[1]), percentage, Part::pruned);
  return out;
}

std::string_view name_of(Metric metric) noexcept { return find(kMetrics, &MetricRow::metric, metric).name; }
std::string_view name_of(GraphType type) noexcept { return find(kGraphTypes, &GraphTypeRow::type, type).name; }
std::string_view name_of(Encoding encoding) noexcept { return row_of(encoding).name; }
std::string_view name_of(Kind kind) noexcept { return row_of(kind).name; }
Metric parse_metric(std::string_view text) { return parse("metric", metric_rows(), text).metric; }
GraphType parse_graph_type(std::string_view text) { return parse("graph_type", graph_type_rows(), text).type; }
Encoding parse_encoding(std::string_view text, Shape shape) {
  std::vector<EncodingRow> rows;
  std::ranges::copy_if(kEncodings, std::back_inserter(rows), [&](const EncodingRow& row) { return row.shape == shape; });
  return parse("dtype", std::span<const EncodingRow>(rows), text).encoding;
}
Kind parse_kind(std::string_view text) { return parse("kind", kind_rows(), text).kind; }

}  // namespace cassata
