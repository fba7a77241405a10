#include "engine/index/registry.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "engine/codec/dense.h"
#include "engine/codec/product.h"
#include "engine/codec/pruned.h"
#include "engine/codec/quantized.h"
#include "engine/codec/residual.h"
#include "engine/codec/sparse.h"
#include "engine/codec/sparse_packed.h"
#include "engine/codec/tokens.h"
#include "engine/graph/page_store.h"

namespace cassata {
namespace {

constexpr std::string_view kDotProductNames[] = {"ip", "dot", "dot_product", "inner_product", "innerproduct"};
constexpr std::string_view kEuclideanNames[] = {"l2", "l2sq", "sqeuclidean", "squared_euclidean"};
constexpr MetricRow kMetrics[] = {{Metric::dot_product, "dotproduct", kDotProductNames},
                                  {Metric::euclidean, "euclidean", kEuclideanNames}};

constexpr GraphTypeRow kGraphTypes[] = {{GraphType::standard, "standard"},
                                        {GraphType::permuted, "permuted"},
                                        {GraphType::compressed, "compressed"},
                                        {GraphType::paged, "paged", true}};

constexpr Metric kAllMetrics[] = {Metric::dot_product, Metric::euclidean}, kDotProduct[] = {Metric::dot_product};

/// The row of an encoding that needs to know no more than the dimension.
template <auto open, auto encoder>
constexpr EncodingRow plain(Encoding encoding, std::string_view name, Shape shape,
                            std::span<const Metric> metrics = kAllMetrics) {
  return {encoding,
          name,
          shape,
          metrics,
          false,
          [](const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
            return open(sections, size, spec.dim);
          },
          [](const CodesSpec& spec) { return encoder(spec.dim); }};
}

/// The row of an encoding that learns from the dense vectors that it is to hold.
constexpr EncodingRow compact(Encoding encoding, std::string_view name, decltype(EncodingRow::open) open,
                              decltype(EncodingRow::encoder) encoder) {
  return {encoding, name, Shape::dense, kAllMetrics, true, open, encoder};
}

/// The row of an encoding of token vectors.
constexpr EncodingRow tokens(Encoding encoding, std::string_view name, bool compact, decltype(EncodingRow::open) open) {
  return {encoding, name, Shape::tokens, kDotProduct, compact, open, nullptr};
}

// A row a line.
// clang-format off
constexpr EncodingRow kEncodings[] = {
    plain<open_dense_f32, encoder_dense_f32>(Encoding::f32, "f32", Shape::dense),
    plain<open_dense_f16, encoder_dense_f16>(Encoding::f16, "f16", Shape::dense),
    plain<open_sparse_f16, encoder_sparse_f16>(Encoding::sparse_f16, "f16", Shape::sparse),
    plain<open_sparse_f32, encoder_sparse_f32>(Encoding::sparse_f32, "f32", Shape::sparse),
    plain<open_sparse_fixed8, encoder_sparse_fixed8>(Encoding::sparse_fixed8, "fixedu8", Shape::sparse),
    plain<open_sparse_fixed16, encoder_sparse_fixed16>(Encoding::sparse_fixed16, "fixedu16", Shape::sparse),
    plain<open_sparse_packed, encoder_sparse_packed>(Encoding::sparse_packed, "dotvbyte", Shape::sparse, kDotProduct),
    compact(Encoding::dense_int8, "int8", open_dense_int8, encoder_dense_int8),
    compact(Encoding::dense_int4, "int4", open_dense_int4, encoder_dense_int4),
    compact(Encoding::rabitq, "rabitq", open_rabitq, encoder_rabitq),
    compact(Encoding::pq, "pq", open_product, encoder_product),
    tokens(Encoding::tokens_f16, "f16", false, open_tokens_f16),
    tokens(Encoding::tokens_two_level, "two-level-pq", true, open_tokens_two_level),
    tokens(Encoding::tokens_two_level_norms, "two-level-pq-norms", true, open_tokens_two_level_norms),
};
// clang-format on

constexpr KindRow kKinds[] = {
    {Kind::flat, "flat", open_flat, build_flat},
    {Kind::graph, "hnsw", open_graph, build_graph},
    {Kind::postings, "postings", open_postings, build_postings},
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
constexpr Encoding kTokens[] = {Encoding::tokens_f16},
                   kTwoLevelTokens[] = {Encoding::tokens_two_level, Encoding::tokens_two_level_norms};

// A row a line.
// clang-format off
constexpr ClassRow kClasses[] = {
    {"DenseFlatIndex", Kind::flat, kDensePlain, Second::none, {}, kAllMetrics},
    {"DensePlainHNSW", Kind::graph, kDensePlain, Second::none, {}, kAllMetrics},
    {"DensePlainHNSW", Kind::graph, kDenseCompact, Second::navigation, kDensePlain, kAllMetrics},
    {"DensePQHNSW", Kind::graph, kProduct, Second::none, {}, kAllMetrics},
    {"DenseRerankHNSW", Kind::graph, kDenseRerank, Second::rerank, kDenseSecond, kAllMetrics},
    {"SparseFlatIndex", Kind::flat, kSparseExact, Second::none, {}, kDotProduct},
    {"SparsePostingsIndex", Kind::postings, kSparseCodes, Second::none, {}, kDotProduct},
    {"SparsePlainHNSW", Kind::graph, kSparsePlain, Second::none, {}, kAllMetrics},
    {"SparseFixedU8HNSW", Kind::graph, kFixedU8, Second::none, {}, kAllMetrics},
    {"SparseFixedU16HNSW", Kind::graph, kFixedU16, Second::none, {}, kAllMetrics},
    {"SparseDotVByteHNSW", Kind::graph, kDotVByte, Second::none, {}, kDotProduct},
    {"SparseRerankHNSW", Kind::graph, kSparseCodes, Second::rerank, kSparseCodes, kDotProduct},
    {"SparseMultivecRerankIndex", Kind::graph, kSparseCodes, Second::tokens, kTokens, kDotProduct},
    {"SparseMultivecTwoLevelsPQRerankIndex", Kind::graph, kSparseCodes, Second::two_level_tokens, kTwoLevelTokens, kDotProduct},
    {"DenseMultivecRerankIndex", Kind::graph, kDenseFirst, Second::tokens, kTokens, kDotProduct},
    {"DenseMultivecRerankIndex", Kind::graph, kDenseFirst, Second::two_level_tokens, kTwoLevelTokens, kDotProduct},
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

/// Null if none of them is called so.
const Encoding* find_named(std::string_view text, std::span<const Encoding> encodings) {
  const auto found = std::ranges::find_if(encodings, [&](Encoding encoding) { return name_of(encoding) == text; });
  return found == encodings.end() ? nullptr : &*found;
}

/// Of a manifest's entry or a build's choices, and the encoding of the second codes, if there are any.
template <class Rerank>
Second second_of(const std::optional<Rerank>& rerank, Encoding encoding) noexcept {
  if (!rerank) return Second::none;
  if (encoding == Encoding::tokens_f16) return Second::tokens;
  if (std::ranges::count(kTwoLevelTokens, encoding) != 0) return Second::two_level_tokens;
  return rerank->navigation ? Second::navigation : Second::rerank;
}

BuildEncoders sparse_encoders(const BuildParams& params, std::size_t dim) {
  BuildEncoders out;
  out.all.push_back(row_of(params.encoding).encoder({.dim = dim, .metric = params.metric}));
  out.stored = {0};
  if (!params.rerank) return out;
  out.all.push_back(row_of(params.rerank->encoding).encoder({.dim = dim, .metric = params.metric}));
  out.stored.push_back(1);
  const double percentage = params.rerank->prune_percentage;
  if (percentage < 100) out.all[0] = part_encoder(std::move(out.all[0]), percentage, Part::kept);
  if (params.rerank->residual) out.all[1] = part_encoder(std::move(out.all[1]), percentage, Part::pruned);
  return out;
}

/// Vectors shorter than this are walked by int8 codes while a graph is built, others by int4 ones: these find as good
/// neighbours where errors of many values even out. In a bounded memory it is rabitq codes of 1 bit, which stay there,
/// and neighbours are chosen by the other ones. Measured (docs/performance.md).
constexpr std::size_t kFewDims = 96;

/// What compact codes are made from stands first, be it stored or not.
BuildEncoders dense_encoders(const BuildParams& params, std::size_t dim) {
  BuildEncoders out;
  const auto add = [&](Encoding encoding, CodeParams code = {}, bool linear = false) {
    out.all.push_back(row_of(encoding).encoder({.dim = dim, .metric = params.metric, .code = code, .linear = linear}));
    return out.all.size() - 1;
  };
  const bool compact = row_of(params.encoding).compact, residual = params.rerank && params.rerank->residual;
  const bool second_compact = params.rerank && row_of(params.rerank->encoding).compact;
  add(!compact ? params.encoding : params.rerank && !second_compact ? params.rerank->encoding : Encoding::f32);
  out.stored = {compact ? add(params.encoding, params.code, residual) : 0};
  if (params.rerank) out.stored.push_back(second_compact ? add(params.rerank->encoding, params.rerank->code) : 0);
  if (residual) out.all.back() = residual_encoder(*out.all[out.stored[0]], std::move(out.all.back()));
  if (params.kind != Kind::graph || dim > kMaxQuantizedDim) return out;
  const auto find_or_add = [&](Encoding encoding, CodeParams code = {}) {
    return params.encoding == encoding && params.code.bits == code.bits ? out.stored[0] : add(encoding, code);
  };
  out.traversal = find_or_add(dim < kFewDims ? Encoding::dense_int8 : Encoding::dense_int4);
  if (params.memory_budget != 0) {
    out.pruning = out.traversal;
    if (dim >= kFewDims) out.traversal = find_or_add(Encoding::rabitq, {.bits = 1});
  }
  if (params.graph_type == GraphType::paged) out.links = add(link_codes().encoding, link_codes().code);
  return out;
}

}  // namespace

std::span<const MetricRow> metric_rows() noexcept { return kMetrics; }
std::span<const GraphTypeRow> graph_type_rows() noexcept { return kGraphTypes; }
std::span<const EncodingRow> encoding_rows() noexcept { return kEncodings; }
std::span<const KindRow> kind_rows() noexcept { return kKinds; }
std::span<const ClassRow> class_rows() noexcept { return kClasses; }

Shape ClassRow::shape() const { return row_of(encodings.front()).shape; }

const ClassRow* class_of(Kind kind, Encoding encoding, Second second) noexcept {
  for (const ClassRow& row : kClasses)
    if (row.kind == kind && row.second == second && std::ranges::count(row.encodings, encoding) != 0) return &row;
  return nullptr;
}

const ClassRow* class_of(const Manifest& manifest) noexcept {
  return class_of(manifest.kind, manifest.codes.front().encoding,
                  second_of(manifest.rerank, manifest.codes.back().encoding));
}

const ClassRow* class_of(const BuildParams& params) noexcept {
  return class_of(params.kind, params.encoding,
                  second_of(params.rerank, params.rerank ? params.rerank->encoding : params.encoding));
}

std::string names_of(std::span<const Encoding> encodings) {
  std::string names;
  for (const Encoding encoding : encodings)
    names += (names.empty() ? "'" : ", '") + std::string(name_of(encoding)) + "'";
  return names;
}

const EncodingRow& row_of(Encoding encoding) { return find(kEncodings, &EncodingRow::encoding, encoding); }
const GraphTypeRow& row_of(GraphType type) { return find(kGraphTypes, &GraphTypeRow::type, type); }
const KindRow& row_of(Kind kind) { return find(kKinds, &KindRow::kind, kind); }

CodesEntry link_codes() { return {Encoding::rabitq, std::string(kUpperCodesSection), {.bits = 1}}; }

BuildEncoders encoders_of(const BuildParams& params, std::size_t dim) {
  return row_of(params.encoding).shape == Shape::sparse ? sparse_encoders(params, dim) : dense_encoders(params, dim);
}

std::string_view name_of(Metric metric) noexcept { return find(kMetrics, &MetricRow::metric, metric).name; }
std::string_view name_of(GraphType type) noexcept { return row_of(type).name; }
std::string_view name_of(Encoding encoding) noexcept { return row_of(encoding).name; }
std::string_view name_of(Kind kind) noexcept { return row_of(kind).name; }
Metric parse_metric(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const MetricRow& row : kMetrics)
    if (std::ranges::count(row.aliases, lower) != 0) return row.metric;
  if (lower == "cosine" || lower == "cos" || lower == "angular")
    invalid_argument(
        "metric: '" + lower +
        "' given, which is unsupported: normalize vectors and queries to length 1 and use 'dotproduct', whose " +
        "scores are cosines then");
  if (lower == "hamming" || lower == "jaccard")
    invalid_argument("metric: '" + lower +
                     "' given, which is unsupported: packed bits would be read as numbers; unpack them, e.g. by " +
                     "numpy.unpackbits, and use 'euclidean'");
  return parse("metric", metric_rows(), lower).metric;
}
std::span<const std::string_view> aliases_of(Metric metric) noexcept {
  return find(kMetrics, &MetricRow::metric, metric).aliases;
}
GraphType parse_graph_type(std::string_view text) {
  std::vector<GraphTypeRow> rows;  // guided ones are asked for by a layout, and known by name
  std::ranges::copy_if(kGraphTypes, std::back_inserter(rows),
                       [&](const GraphTypeRow& row) { return !row.guided || row.name == text; });
  return parse("graph_type", std::span<const GraphTypeRow>(rows), text).type;
}
Encoding parse_encoding(std::string_view text, Shape shape) {
  std::vector<EncodingRow> rows;
  std::ranges::copy_if(kEncodings, std::back_inserter(rows),
                       [&](const EncodingRow& row) { return row.shape == shape; });
  return parse("dtype", std::span<const EncodingRow>(rows), text).encoding;
}
Encoding parse_dtype(std::string_view text, std::string_view class_name) {
  std::vector<Encoding> known;
  std::string hint;
  const ClassRow* last = nullptr;
  for (const ClassRow& row : kClasses) {
    if (row.name != class_name) continue;
    const bool guided = row.second == Second::navigation;
    for (const Encoding encoding : guided ? row.seconds : row.encodings)
      if (std::ranges::count(known, encoding) == 0) known.push_back(encoding);
    if (guided && find_named(text, row.encodings) != nullptr) hint = "; as navigation, such codes guide searches";
    last = &row;
  }
  if (const Encoding* const found = find_named(text, known)) return *found;
  for (const ClassRow& row : kClasses)
    if (last != nullptr && hint.empty() && row.kind == last->kind && row.shape() == last->shape() &&
        row.second == Second::none && find_named(text, row.encodings) != nullptr)
      hint = "; there is " + std::string(row.name) + " for it";
  invalid_argument("dtype: '" + std::string(text) + "' given, expected one of " + names_of(known) + hint);
}

Encoding parse_navigation(std::string_view text, Kind kind, Shape shape) {
  std::vector<Encoding> known;
  for (const ClassRow& row : kClasses)
    if (row.second == Second::navigation && row.kind == kind && row.shape() == shape)
      known.insert(known.end(), row.encodings.begin(), row.encodings.end());
  if (const Encoding* const found = find_named(text, known)) return *found;
  invalid_argument("navigation: '" + std::string(text) + "' given, " +
                   (known.empty() ? "which there is not for kind '" + std::string(name_of(kind)) + "' over " +
                                        (shape == Shape::sparse ? "sparse" : "dense") + " vectors"
                                  : "expected one of " + names_of(known)));
}

Kind parse_kind(std::string_view text) { return parse("kind", kind_rows(), text).kind; }

}  // namespace cassata
