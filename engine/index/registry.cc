#include "engine/index/registry.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "engine/codec/dense.h"
#include "engine/codec/packed_rows.h"
#include "engine/codec/product.h"
#include "engine/codec/quantized.h"
#include "engine/codec/sparse.h"
#include "engine/codec/sparse_packed.h"
#include "engine/codec/tokens.h"
#include "format/base/text.h"

namespace cassata {
namespace {

constexpr GraphTypeRow kGraphTypes[] = {{GraphType::standard, "standard"},
                                        {GraphType::permuted, "permuted"},
                                        {GraphType::compressed, "compressed"},
                                        {GraphType::paged, "paged", true}};

constexpr Metric kDotProduct[] = {Metric::dot_product}, kDotOrEuclidean[] = {Metric::dot_product, Metric::euclidean},
                 kAllDistances[] = {Metric::dot_product, Metric::euclidean, Metric::manhattan};

/// The row of an encoding of sparse vectors.
template <auto open, auto encoder>
constexpr EncodingRow sparse(Encoding encoding, std::string_view name, std::string_view help,
                             std::span<const Metric> distances = kDotOrEuclidean) {
  return {encoding,
          name,
          help,
          VectorKind::sparse,
          distances,
          false,
          [](const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
            return open(sections, size, spec.dim);
          },
          nullptr,
          [](const CodesSpec& spec) { return encoder(spec.dim); }};
}

/// The row of an encoding of dense vectors, whose rows all have one length.
template <auto codec>
constexpr EncodingRow dense(Encoding encoding, std::string_view name, std::string_view help, bool compact,
                            std::span<const Metric> distances, decltype(EncodingRow::encoder) encoder) {
  return {encoding, name, help, VectorKind::dense, distances, compact, open_packed<codec>, codec, encoder};
}

/// The row of an encoding of token vectors.
constexpr EncodingRow tokens(Encoding encoding, std::string_view name, bool compact, decltype(EncodingRow::open) open) {
  return {encoding, name, {}, VectorKind::tokens, kDotProduct, compact, open, nullptr, nullptr};
}

// A row a line.
// clang-format off
constexpr EncodingRow kEncodings[] = {
    dense<codec_dense_f32>(Encoding::f32, "f32", "4 bytes per value", false, kAllDistances, [](const CodesSpec& spec) { return encoder_dense_f32(spec.dim); }),
    dense<codec_dense_f16>(Encoding::f16, "f16", "2 bytes per value", false, kAllDistances, [](const CodesSpec& spec) { return encoder_dense_f16(spec.dim); }),
    sparse<open_sparse_f16, encoder_sparse_f16>(Encoding::sparse_f16, "f16", "2 bytes per value"),
    sparse<open_sparse_f32, encoder_sparse_f32>(Encoding::sparse_f32, "f32", "4 bytes per value"),
    sparse<open_sparse_fixed8, encoder_sparse_fixed8>(Encoding::sparse_fixed8, "fixedu8", "fixed-point numbers of 8 bits"),
    sparse<open_sparse_fixed16, encoder_sparse_fixed16>(Encoding::sparse_fixed16, "fixedu16", "fixed-point numbers of 16 bits"),
    sparse<open_sparse_packed, encoder_sparse_packed>(Encoding::sparse_packed, "dotvbyte", "2.3 bytes per entry", kDotProduct),
    dense<codec_dense_int8>(Encoding::dense_int8, "int8", "8 bits per dimension", true, kDotOrEuclidean, encoder_dense_int8),
    dense<codec_dense_int4>(Encoding::dense_int4, "int4", "4 bits per dimension", true, kDotOrEuclidean, encoder_dense_int4),
    dense<codec_rabitq>(Encoding::rabitq, "rabitq", "1 to 8 bits per dimension", true, kDotOrEuclidean, encoder_rabitq),
    dense<codec_product>(Encoding::pq, "pq", "product quantization", true, kDotOrEuclidean, encoder_product),
    tokens(Encoding::tokens_f16, "f16", false, open_tokens_f16),
    tokens(Encoding::tokens_two_level, "two-level-pq", true, open_tokens_two_level),
    tokens(Encoding::tokens_two_level_norms, "two-level-pq-norms", true, open_tokens_two_level_norms),
};
// clang-format on

constexpr KindRow kKinds[] = {
    {Kind::flat, "flat", scan_access, open_flat},
    {Kind::graph, "hnsw", graph_access, open_graph},
    {Kind::postings, "postings", scan_access, open_postings},
};

constexpr Encoding kDensePlain[] = {Encoding::f32, Encoding::f16};
constexpr Encoding kDenseCompact[] = {Encoding::dense_int8, Encoding::dense_int4, Encoding::rabitq};
constexpr Encoding kDenseRerank[] = {Encoding::dense_int8, Encoding::dense_int4, Encoding::rabitq, Encoding::pq},
                   kProduct[] = {Encoding::pq};
constexpr Encoding kDenseSecond[] = {Encoding::f16, Encoding::f32, Encoding::rabitq};
constexpr Encoding kSparseExact[] = {Encoding::sparse_f32, Encoding::sparse_f16};
constexpr Encoding kSparsePlain[] = {Encoding::sparse_f16, Encoding::sparse_f32};
constexpr Encoding kFixedU8[] = {Encoding::sparse_fixed8}, kFixedU16[] = {Encoding::sparse_fixed16},
                   kDotVByte[] = {Encoding::sparse_packed};
constexpr Encoding kSparseCodes[] = {Encoding::sparse_f16, Encoding::sparse_f32, Encoding::sparse_fixed8,
                                     Encoding::sparse_fixed16, Encoding::sparse_packed};
constexpr Encoding kDenseFirst[] = {Encoding::f32, Encoding::f16, Encoding::pq};
constexpr Encoding kTokensF16[] = {Encoding::tokens_f16},
                   kTwoLevelTokens[] = {Encoding::tokens_two_level, Encoding::tokens_two_level_norms};

// A row a line.
// clang-format off
constexpr ClassRow kClasses[] = {
    {"DenseFlatIndex", Kind::flat, kDensePlain, {}, kAllDistances},
    {"DensePlainHNSW", Kind::graph, kDensePlain, {}, kAllDistances},
    {"DensePlainHNSW", Kind::graph, kDenseCompact, kDensePlain, kDotOrEuclidean, Role::traversal},
    {"DensePQHNSW", Kind::graph, kProduct, {}, kDotOrEuclidean},
    {"DenseRerankHNSW", Kind::graph, kDenseRerank, kDenseSecond, kDotOrEuclidean},
    {"SparseFlatIndex", Kind::flat, kSparseExact, {}, kDotProduct},
    {"SparsePostingsIndex", Kind::postings, kSparseCodes, {}, kDotProduct},
    {"SparsePlainHNSW", Kind::graph, kSparsePlain, {}, kDotOrEuclidean},
    {"SparseFixedU8HNSW", Kind::graph, kFixedU8, {}, kDotOrEuclidean},
    {"SparseFixedU16HNSW", Kind::graph, kFixedU16, {}, kDotOrEuclidean},
    {"SparseDotVByteHNSW", Kind::graph, kDotVByte, {}, kDotProduct},
    {"SparseRerankHNSW", Kind::graph, kSparseCodes, kSparseCodes, kDotProduct},
    {"SparseMultivecRerankIndex", Kind::graph, kSparseCodes, kTokensF16, kDotProduct},
    {"SparseMultivecTwoLevelsPQRerankIndex", Kind::graph, kSparseCodes, kTwoLevelTokens, kDotProduct},
    {"DenseMultivecRerankIndex", Kind::graph, kDenseFirst, kTokensF16, kDotProduct},
    {"DenseMultivecRerankIndex", Kind::graph, kDenseFirst, kTwoLevelTokens, kDotProduct},
};
// clang-format on

/// The row whose `field` is `value`; the manifest's reader refuses unknown values.
template <class Row, std::size_t n, class Field, class Value>
const Row& find(const Row (&rows)[n], Field field, Value value) {
  for (const Row& row : rows)
    if (row.*field == value) return row;
  throw Error(Errc::incompatible, "value " + std::to_string(static_cast<int>(value)) + " has no row in the registry");
}

template <class Row>
const Row& parse(std::string_view what, std::span<const Row> rows, std::string_view text) {
  for (const Row& row : rows)
    if (row.name == text) return row;
  invalid_argument(std::string(what) + ": '" + std::string(text) + "' given, expected one of " +
                   quoted_list(rows, &Row::name));
}

/// Null if none has this name.
const Encoding* find_named(std::string_view text, std::span<const Encoding> encodings) {
  const auto found = std::ranges::find_if(encodings, [&](Encoding encoding) { return name_of(encoding) == text; });
  return found == encodings.end() ? nullptr : &*found;
}

}  // namespace

std::span<const MetricRow> metric_rows() noexcept { return kMetrics; }
bool has_metric(std::span<const Metric> distances, Metric metric) {
  return std::ranges::count(distances, row_of(metric).distance) != 0;
}
std::vector<Metric> metrics_of(std::span<const Metric> distances) {
  std::vector<Metric> out;
  for (const MetricRow& row : kMetrics)
    if (has_metric(distances, row.metric)) out.push_back(row.metric);
  return out;
}
std::span<const GraphTypeRow> graph_type_rows() noexcept { return kGraphTypes; }
std::span<const EncodingRow> encoding_rows() noexcept { return kEncodings; }
std::span<const KindRow> kind_rows() noexcept { return kKinds; }
std::span<const ClassRow> class_rows() noexcept { return kClasses; }

VectorKind ClassRow::vector_kind() const { return row_of(encodings.front()).vector_kind; }

const ClassRow* class_of(const IndexSchema& schema) noexcept {
  const auto holds = [](std::span<const Encoding> encodings, Encoding one) {
    return std::ranges::count(encodings, one) != 0;
  };
  for (const ClassRow& row : kClasses)
    if (row.kind == schema.kind && row.first == schema.first.role && holds(row.encodings, schema.first.encoding) &&
        (schema.second ? holds(row.seconds, schema.second->encoding) : row.seconds.empty()))
      return &row;
  return nullptr;
}

const EncodingRow& row_of(Encoding encoding) { return find(kEncodings, &EncodingRow::encoding, encoding); }
const GraphTypeRow& row_of(GraphType type) { return find(kGraphTypes, &GraphTypeRow::type, type); }
const KindRow& row_of(Kind kind) { return find(kKinds, &KindRow::kind, kind); }

std::string_view name_of(Metric metric) { return row_of(metric).name; }
std::string_view name_of(GraphType type) { return row_of(type).name; }
std::string_view name_of(Encoding encoding) { return row_of(encoding).name; }
std::string_view name_of(Kind kind) { return row_of(kind).name; }
Metric parse_metric(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const MetricRow& row : kMetrics)
    if (std::ranges::count(row.aliases, lower) != 0) return row.metric;
  if (lower == "hamming" || lower == "jaccard")
    invalid_argument("metric: '" + lower +
                     "' given, unsupported: packed bits would be read as numbers; unpack them, e.g. by " +
                     "numpy.unpackbits, and use 'euclidean'");
  return parse("metric", metric_rows(), lower).metric;
}
std::span<const std::string_view> aliases_of(Metric metric) { return row_of(metric).aliases; }
GraphType parse_graph_type(std::string_view text) { return parse("graph_type", graph_type_rows(), text).type; }
Encoding parse_encoding(std::string_view text, VectorKind vector_kind) {
  std::vector<EncodingRow> rows;
  std::ranges::copy_if(kEncodings, std::back_inserter(rows),
                       [&](const EncodingRow& row) { return row.vector_kind == vector_kind; });
  return parse("dtype", std::span<const EncodingRow>(rows), text).encoding;
}
Encoding parse_dtype(std::string_view text, std::string_view class_name) {
  std::vector<Encoding> known;
  std::string hint;
  const ClassRow* last = nullptr;
  for (const ClassRow& row : kClasses) {
    if (row.name != class_name) continue;
    const bool guided = row.first == Role::traversal;
    for (const Encoding encoding : guided ? row.seconds : row.encodings)
      if (std::ranges::count(known, encoding) == 0) known.push_back(encoding);
    if (guided && find_named(text, row.encodings) != nullptr) hint = "; such codes are for navigation";
    last = &row;
  }
  if (const Encoding* const found = find_named(text, known)) return *found;
  for (const ClassRow& row : kClasses)
    if (last != nullptr && hint.empty() && row.kind == last->kind && row.vector_kind() == last->vector_kind() &&
        row.seconds.empty() && find_named(text, row.encodings) != nullptr)
      hint = "; use class " + std::string(row.name);
  invalid_argument("dtype: '" + std::string(text) + "' given, expected one of " +
                   quoted_list(known, [](Encoding encoding) { return name_of(encoding); }) + hint);
}

Encoding parse_rerank(std::string_view text, VectorKind vector_kind) {
  std::vector<Encoding> known;
  for (const ClassRow& row : kClasses)
    if (row.reranks() && row.vector_kind() == vector_kind) known.assign(row.seconds.begin(), row.seconds.end());
  if (const Encoding* const found = find_named(text, known)) return *found;
  invalid_argument("rerank: '" + std::string(text) + "' given, expected one of " +
                   quoted_list(known, [](Encoding encoding) { return name_of(encoding); }));
}

Encoding parse_navigation(std::string_view text, Kind kind, VectorKind vector_kind) {
  std::vector<Encoding> known;
  for (const ClassRow& row : kClasses)
    if (row.first == Role::traversal && row.kind == kind && row.vector_kind() == vector_kind)
      known.insert(known.end(), row.encodings.begin(), row.encodings.end());
  if (const Encoding* const found = find_named(text, known)) return *found;
  invalid_argument(
      "navigation: '" + std::string(text) + "' given, " +
      (known.empty() ? "unsupported for kind '" + std::string(name_of(kind)) + "' over " +
                           (vector_kind == VectorKind::sparse ? "sparse" : "dense") + " vectors"
                     : "expected one of " + quoted_list(known, [](Encoding encoding) { return name_of(encoding); })));
}

Kind parse_kind(std::string_view text) { return parse("kind", kind_rows(), text).kind; }

}  // namespace cassata
