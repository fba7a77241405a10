#include "cassata/parameters.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <type_traits>

#include "cassata/error.h"
#include "cassata/index.h"
#include "engine/index/registry.h"
#include "engine/index/schema_rules.h"
#include "format/base/text.h"

namespace cassata {
namespace {

constexpr double kMaxFloat = std::numeric_limits<float>::max();
constexpr double kMaxU32 = std::numeric_limits<std::uint32_t>::max();
constexpr double kMaxThreads = 4096;
constexpr std::uint64_t kMaxWhole = std::numeric_limits<std::int64_t>::max();

/// `words` with `number` in place of '#', and zeros at the end.
template <std::size_t size>
constexpr std::array<char, size + 10> with_number(const char (&words)[size], std::uint32_t number) {
  std::array<char, size + 10> out = {};
  std::size_t length = 0;
  for (const char c : words) {
    if (c != '#') {
      out[length++] = c;
      continue;
    }
    std::uint32_t place = 1;
    while (number / place > 9) place *= 10;
    for (; place != 0; place /= 10) out[length++] = static_cast<char>('0' + number / place % 10);
  }
  return out;
}

constexpr auto kUsualBitsText = with_number("#", CodeParams::kUsualBits);
constexpr auto kUsualSubspacesText =
    with_number("with rerank #, or the dimension if less", CodeParams::kUsualSubspaces);

// Values and the fields that hold them.

template <auto first, auto... rest>
auto& field(auto& params) {
  if constexpr (sizeof...(rest) == 0)
    return params.*first;
  else
    return field<rest...>(params.*first);
}

template <class T>
Value to_value(const T& held) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>)
    return held;
  else if constexpr (std::is_integral_v<T>)
    return static_cast<std::uint64_t>(held);
  else if constexpr (std::is_floating_point_v<T>)
    return static_cast<double>(held);
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    return held.empty() ? Value() : Value(held.string());
  else
    return held ? to_value(*held) : Value();
}

template <class T>
void from_value(const Value& value, T& held) {
  if constexpr (std::is_same_v<T, bool>)
    held = std::get<bool>(value);
  else if constexpr (std::is_integral_v<T>)
    held = static_cast<T>(std::get<std::uint64_t>(value));
  else if constexpr (std::is_floating_point_v<T>)
    held = static_cast<T>(std::get<double>(value));
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    held = std::get<std::string>(value);
  else
    from_value(value, held.emplace());
}

/// A parameter that is a field, by the path to it.
template <class Params, auto... path>
constexpr Parameter<Params> at(ParameterInfo info) {
  return {info, [](const Params& params) { return to_value(field<path...>(params)); },
          [](Params& params, const Value& value) { from_value(value, field<path...>(params)); }};
}

/// The same for a number for which 0 means none.
template <class Params, auto... path>
constexpr Parameter<Params> optional_at(ParameterInfo info) {
  Parameter<Params> row = at<Params, path...>(info);
  row.get = [](const Params& params) {
    const auto& held = field<path...>(params);
    return held == 0 ? Value() : to_value(held);
  };
  return row;
}

const std::string& text(const Value& value) { return std::get<std::string>(value); }

Value name(std::string_view known) { return std::string(known); }

// Choices.

template <class Rows>
std::vector<std::string> names(const Rows& rows) {
  std::vector<std::string> out;
  for (const auto& row : rows) out.emplace_back(row.name);
  return out;
}

void add(std::vector<std::string>& to, std::span<const Encoding> encodings) {
  for (const Encoding encoding : encodings)
    if (const std::string known(name_of(encoding)); std::ranges::count(to, known) == 0) to.push_back(known);
}

/// Names of encodings of those classes that are `wanted`.
template <class Wanted>
std::vector<std::string> encodings_of(std::span<const Encoding> ClassRow::*which, Wanted wanted) {
  std::vector<std::string> out;
  for (const ClassRow& row : class_rows())
    if (wanted(row)) add(out, row.*which);
  return out;
}

bool guided(const ClassRow& row) { return row.first == Role::traversal; }

std::vector<std::string> kinds() { return names(kind_rows()); }
std::vector<std::string> metrics() { return names(metric_rows()); }
std::vector<std::string> names_of_metrics(std::span<const Metric> distances) {
  std::vector<std::string> out;
  for (const Metric metric : metrics_of(distances)) out.emplace_back(name_of(metric));
  return out;
}
std::vector<std::string> graph_types() { return names(graph_type_rows()); }
std::vector<std::string> dtypes() {
  return encodings_of(&ClassRow::encodings, [](const ClassRow& row) { return !guided(row); });
}
std::vector<std::string> navigations() { return encodings_of(&ClassRow::encodings, guided); }
std::vector<std::string> reranks() {
  return encodings_of(&ClassRow::seconds, [](const ClassRow& row) { return row.reranks(); });
}
std::vector<std::string> flat_dtypes() {
  return encodings_of(&ClassRow::encodings, [](const ClassRow& row) { return row.kind == Kind::flat; });
}
std::vector<std::string> verifications() { return {"none", "touched", "all"}; }
std::vector<std::string> residences() { return {"hot", "all"}; }
std::vector<std::string> layouts() { return {"plain", "two-level"}; }

// What the tables say of choices.

std::string joined(std::span<const std::string> parts, std::string_view between = ", ") {
  std::string out;
  for (const std::string& part : parts) out.append(out.empty() ? "" : between).append(part);
  return out;
}

std::string plural(VectorKind kind) { return kind == VectorKind::dense ? "dense vectors" : "sparse vectors"; }

/// The encodings of a metric, if all are of one kind of vectors.
std::string limits_of(Metric metric) {
  std::vector<const EncodingRow*> rows;
  for (const EncodingRow& row : encoding_rows())
    if (has_metric(row.distances, metric)) rows.push_back(&row);
  const VectorKind kind = rows.front()->vector_kind;
  std::vector<std::string> known;
  for (const EncodingRow* row : rows) {
    if (row->vector_kind != kind) return {};
    known.emplace_back(row->name);
  }
  return ", only " + plural(kind) + " in " + joined(known, " or ");
}

/// "dotproduct (largest first): the dot product; ...".
std::string metrics_help() {
  std::vector<std::string> out;
  for (const MetricRow& row : metric_rows())
    out.push_back(std::string(row.name) + (largest_first(row.metric) ? " (largest first" : " (smallest first") +
                  limits_of(row.metric) + "): " + std::string(row.help));
  return joined(out, "; ");
}

/// What an encoding needs: a second stage, or a metric, if it computes the distances of one alone.
std::string needs_of(const EncodingRow& row) {
  std::string out;
  if (std::ranges::none_of(class_rows(), [&](const ClassRow& with) {
        return with.seconds.empty() && std::ranges::count(with.encodings, row.encoding) != 0;
      }))
    out += ", with rerank";
  if (row.distances.size() == 1) out += ", metric " + joined(names_of_metrics(row.distances), " or ");
  return out;
}

/// "for dense vectors f32 (4 bytes per value), ...; for sparse vectors ...".
std::string dtypes_help() {
  std::string out;
  for (const VectorKind kind : {VectorKind::dense, VectorKind::sparse}) {
    std::vector<std::string> known;
    for (const EncodingRow& row : encoding_rows())
      if (row.vector_kind == kind)
        known.push_back(std::string(row.name) + " (" + std::string(row.help) + needs_of(row) + ")");
    out += "for " + plural(kind) + " " + joined(known) + "; ";
  }
  return out + "with kind flat only " + joined(flat_dtypes(), " or ");
}

// The indexes that have a parameter.

bool has_rerank(const IndexSchema& schema) { return schema.second && !schema.traversal_only(); }

constexpr std::string_view kGraphTags[] = {"hnsw"}, kListTags[] = {"postings"}, kPqTags[] = {"pq"},
                           kRabitqTags[] = {"rabitq"}, kNavigationTags[] = {"hnsw", "dense"},
                           kRerankTags[] = {"rerank"}, kRerankRabitqTags[] = {"rerank", "rabitq"},
                           kPrunedTags[] = {"rerank", "sparse"}, kTokensTags[] = {"tokens"},
                           kSecondTags[] = {"rerank", "tokens"}, kWidthTags[] = {"hnsw", "postings"};

constexpr Applies kGraph = {kGraphTags, "kind 'hnsw'", [](const IndexSchema& s) { return s.kind == Kind::graph; }};
constexpr Applies kLists = {kListTags, "kind 'postings'",
                            [](const IndexSchema& s) { return s.kind == Kind::postings; }};
constexpr Applies kApproximate = {kWidthTags, "kind 'hnsw' or 'postings'",
                                  [](const IndexSchema& s) { return s.kind != Kind::flat; }};
constexpr Applies kPq = {kPqTags, "'pq' codes", [](const IndexSchema& s) { return s.first.encoding == Encoding::pq; }};
constexpr Applies kRabitq = {kRabitqTags, "'rabitq' codes",
                             [](const IndexSchema& s) { return s.first.encoding == Encoding::rabitq; }};
constexpr Applies kNavigation = {kNavigationTags, "dense vectors of kind 'hnsw'", [](const IndexSchema& s) {
                                   return s.kind == Kind::graph && s.vector_kind == VectorKind::dense;
                                 }};
constexpr Applies kRerank = {kRerankTags, "rerank codes",
                             [](const IndexSchema& s) { return has_rerank(s) && !s.has(Role::maxsim); }};
constexpr Applies kRerankRabitq = {kRerankRabitqTags, "'rabitq' rerank codes", [](const IndexSchema& s) {
                                     return has_rerank(s) && s.second->encoding == Encoding::rabitq;
                                   }};
constexpr Applies kPruned = {kPrunedTags, "sparse vectors that have rerank codes",
                             [](const IndexSchema& s) { return kRerank.to(s) && s.vector_kind == VectorKind::sparse; }};
constexpr Applies kSecond = {kSecondTags, "an index that has rerank codes or token vectors", has_rerank};
constexpr Applies kTokens = {kTokensTags, "an index that has token vectors",
                             [](const IndexSchema& s) { return s.has(Role::maxsim); }};

// Setters of the stages of a build.

/// Sets the encoding of `stage`, with its default parameters.
void store(Stage& stage, Encoding encoding) {
  stage.encoding = encoding;
  stage.code = {.bits = encoding == Encoding::rabitq ? CodeParams::kUsualBits : 0};
}

void set_kind(BuildParams& params, const Value& value) {
  IndexSchema& schema = params.schema;
  schema.kind = parse_kind(text(value));
  if (schema.vector_kind == VectorKind::sparse)
    schema.first.encoding = schema.kind == Kind::flat ? Encoding::sparse_f32 : Encoding::sparse_f16;
}

void set_navigation(BuildParams& params, const Value& value) {
  IndexSchema& schema = params.schema;
  const Encoding whole = schema.first.encoding, codes = parse_navigation(text(value), schema.kind, schema.vector_kind);
  if (whole != Encoding::f32 && whole != Encoding::f16)
    invalid_argument("dtype: '" + std::string(name_of(whole)) + "' given with navigation, expected 'f32' or 'f16'");
  schema.second = Stage{.encoding = whole, .role = Role::rerank};
  schema.first.role = Role::traversal;
  store(schema.first, codes);
}

/// The second stage, which is made with the default encoding if it is missing.
Stage& second(IndexSchema& schema, const char* asked_by) {
  if (schema.traversal_only())
    invalid_argument(std::string(asked_by) +
                     ": given with navigation, expected one of them: navigation reranks by the vectors themselves");
  if (!schema.second)
    schema.second = Stage{.encoding = schema.vector_kind == VectorKind::sparse ? Encoding::sparse_f16 : Encoding::f16,
                          .role = Role::rerank};
  return *schema.second;
}

void set_rerank(BuildParams& params, const Value& value) {
  const Encoding encoding = parse_rerank(text(value), params.schema.vector_kind);
  store(second(params.schema, "rerank"), encoding);
}

void set_rerank_bits(BuildParams& params, const Value& value) {
  if (params.schema.second) from_value(value, params.schema.second->code.bits);  // otherwise it has no effect
}

void set_prune_percentage(BuildParams& params, const Value& value) {
  second(params.schema, "prune_percentage");
  from_value(value, params.schema.first.prune_percentage);
}

void set_residual(BuildParams& params, const Value& value) {
  IndexSchema& schema = params.schema;
  if (!std::get<bool>(value)) return;
  if (schema.traversal_only()) second(schema, "residual");
  if (!schema.second)
    invalid_argument(
        schema.vector_kind == VectorKind::sparse
            ? "residual: given without prune_percentage, expected both: the second stage holds the pruned entries"
            : "residual: given without rerank, expected rerank 'rabitq', whose codes hold the residual");
  schema.second->role = Role::residual;
}

Value rerank_value(const BuildParams& params) {
  return kRerank.to(params.schema) ? name(name_of(params.schema.second->encoding)) : Value();
}

// The tables.

using enum ParameterType;
using enum Recorded;
using B = BuildParams;
using S = SearchParams;

constexpr char kThreadsHelp[] = "threads; 0: all processors", kMetricHelp[] = "how vectors are compared. ",
               kOverwriteHelp[] = "replace any file; otherwise only an empty file or an index file";

const Parameter<B> kBuild[] = {
    {{.name = "kind",
      .type = choice,
      .choices = kinds,
      .recorded = always,
      .help = "hnsw: approximate, by a graph; flat: exact (sparse vectors by inverted lists, dotproduct or cosine); "
              "postings: approximate, by inverted lists of sparse vectors, dotproduct or cosine"},
     [](const B& b) { return name(name_of(b.schema.kind)); },
     set_kind},
    {{.name = "metric",
      .type = choice,
      .choices = metrics,
      .recorded = always,
      .help = kMetricHelp,
      .more_help = metrics_help},
     [](const B& b) { return name(name_of(b.schema.metric)); },
     [](B& b, const Value& value) { b.schema.metric = parse_metric(text(value)); }},
    {{.name = "dtype",
      .option = "encoding",
      .type = choice,
      .choices = dtypes,
      .usual = "f16 for sparse vectors, except with kind flat",
      .recorded = always,
      .help = "how vectors are stored: ",
      .more_help = dtypes_help},
     [](const B& b) { return name(name_of(b.schema.stored().encoding)); },
     [](B& b, const Value& value) { store(b.schema.first, parse_encoding(text(value), b.schema.vector_kind)); }},
    {{.name = "navigation",
      .type = choice,
      .choices = navigations,
      .applies = &kNavigation,
      .recorded = always,
      .help = "traversal codes, stored beside vectors in f32 or f16: the traversal scores these codes, which reads "
              "less, and the vectors score the candidates"},
     [](const B& b) { return b.schema.traversal_only() ? name(name_of(b.schema.first.encoding)) : Value(); },
     set_navigation},
    {{.name = "graph_type",
      .type = choice,
      .choices = graph_types,
      .applies = &kGraph,
      .recorded = always,
      .help =
          "permuted: close vectors lie close together, for collections larger than memory; compressed: the same, with "
          "delta-coded neighbour lists; standard: vectors in the order of the input; paged: graph and navigation codes "
          "in pages, for collections whose codes exceed memory (needs navigation). Ids are the same"},
     [](const B& b) { return name(name_of(b.schema.graph)); },
     [](B& b, const Value& value) { b.schema.graph = parse_graph_type(text(value)); }},
    at<B, &B::graph, &GraphParams::m>(
        {.name = "m",
         .option = ",m",
         .minimum = GraphParams::kMinM,
         .maximum = GraphParams::kMaxM,
         .applies = &kGraph,
         .recorded = always,
         .help = "most neighbours of a node in the upper layers of the graph; twice as many in the base layer"}),
    at<B, &B::graph, &GraphParams::ef_construction>({.name = "ef_construction",
                                                     .minimum = 1,
                                                     .maximum = double{kMaxSize},
                                                     .applies = &kGraph,
                                                     .recorded = always,
                                                     .help = "candidates from which the neighbours of a node are "
                                                             "selected: more make a better graph and a longer build"}),
    at<B, &B::lists, &ListParams::n_postings>(
        {.name = "n_postings",
         .maximum = kMaxU32,
         .applies = &kLists,
         .recorded = always,
         .help = "most entries of an inverted list: those with the largest absolute values; 0: all"}),
    at<B, &B::lists, &ListParams::summary_energy>(
        {.name = "summary_energy",
         .type = real,
         .maximum = 1,
         .above_minimum = true,
         .applies = &kLists,
         .recorded = always,
         .help = "share of the sum of a list's block maxima that is stored, largest first"}),
    at<B, &B::lists, &ListParams::n_knn>({.name = "n_knn",
                                          .maximum = ListParams::kMaxKnn,
                                          .applies = &kLists,
                                          .recorded = always,
                                          .help = "number of nearest neighbours that are stored for each vector; a "
                                                  "search also scores the neighbours of the best vectors"}),
    {{.name = "rerank",
      .type = choice,
      .choices = reranks,
      .recorded = always,
      .help =
          "encoding of a second stage, which stores the vectors again and scores the candidates of the first "
          "stage: any for sparse vectors (dotproduct or cosine); f16, f32 or rabitq for dense vectors with dtype pq, "
          "int8, int4 or rabitq"},
     rerank_value,
     set_rerank},
    {{.name = "rerank_bits",
      .minimum = 1,
      .maximum = CodeParams::kMaxBits,
      .applies = &kRerankRabitq,
      .usual = kUsualBitsText.data(),
      .recorded = if_changed,
      .help = "bits per dimension of rabitq rerank codes"},
     [](const B& b) { return kRerankRabitq.to(b.schema) ? to_value(b.schema.second->code.bits) : Value(); },
     set_rerank_bits},
    {{.name = "prune_percentage",
      .type = real,
      .maximum = 100,
      .applies = &kPruned,
      .recorded = always,
      .help = "the first stage keeps the fewest entries of each vector, at least one, that carry this percentage of "
              "its sum of absolute values; the second stage, f16 unless rerank is given, keeps all entries"},
     [](const B& b) { return kPruned.to(b.schema) ? to_value(b.schema.first.prune_percentage) : Value(); },
     set_prune_percentage},
    {{.name = "residual",
      .type = flag,
      .applies = &kRerank,
      .recorded = always,
      .help = "the second stage holds only the residual of the first, and both scores are summed: a smaller file. "
              "Needs dotproduct, and either prune_percentage or rerank rabitq with dtype int8, int4 or rabitq"},
     [](const B& b) { return kRerank.to(b.schema) ? Value(b.schema.has(Role::residual)) : Value(); },
     set_residual},
    optional_at<B, &B::schema, &IndexSchema::first, &Stage::code, &CodeParams::m_pq>(
        {.name = "m_pq",
         .minimum = 1,
         .maximum = double{kMaxDim},
         .applies = &kPq,
         .usual = kUsualSubspacesText.data(),
         .recorded = if_changed,
         .help = "number of subspaces of a vector, and bytes of its code; at most the dimension"}),
    at<B, &B::schema, &IndexSchema::first, &Stage::code, &CodeParams::rotated>(
        {.name = "opq",
         .type = flag,
         .applies = &kPq,
         .recorded = if_changed,
         .help = "rotate vectors by a trained rotation first, which lowers the error of the codes"}),
    optional_at<B, &B::schema, &IndexSchema::first, &Stage::code, &CodeParams::bits>(
        {.name = "bits",
         .minimum = 1,
         .maximum = CodeParams::kMaxBits,
         .applies = &kRabitq,
         .usual = kUsualBitsText.data(),
         .recorded = if_changed,
         .help = "bits per dimension of rabitq codes (dtype or navigation)"}),
    optional_at<B, &B::ef_search>({.name = "ef_search",
                                   .minimum = 1,
                                   .maximum = kMaxU32,
                                   .applies = &kApproximate,
                                   .recorded = if_changed,
                                   .help = "default ef_search of searches, stored in the file"}),
    optional_at<B, &B::memory_budget>(
        {.name = "memory_budget",
         .type = bytes,
         .minimum = 1,
         .applies = &kGraph,
         .recorded = if_changed,
         .help = "memory that the build may hold: the graph is built in regions that fit, for collections larger than "
                 "memory; work files lie beside the file, in a folder that ends in .build"}),
    at<B, &B::resume>({.name = "resume",
                       .type = flag,
                       .applies = &kGraph,
                       .help = "with memory_budget: continue an interrupted build from its work files, if there are "
                               "any; the file is the same"}),
    at<B, &B::replace, &ReplaceParams::overwrite>(
        {.name = "overwrite", .option = "force,f", .type = flag, .help = kOverwriteHelp}),
    at<B, &B::num_threads>({.name = "num_threads",
                            .option = "threads",
                            .maximum = kMaxThreads,
                            .help = "threads; 0: all processors, with memory_budget four per processor, because most "
                                    "of them wait for the disk. The file does not depend on it"}),
};

const Parameter<S> kSearch[] = {
    at<S, &S::k>({.name = "k", .option = ",k", .help = "results per query"}),
    at<S, &S::ef_search>({.name = "ef_search",
                          .applies = &kApproximate,
                          .ignored_elsewhere = true,
                          .usual = "the file's default",
                          .help = "beam width of a graph traversal, or number of vectors that are scored after "
                                  "inverted lists are summed: larger is more exact and slower"}),
    at<S, &S::early_exit_threshold>({.name = "early_exit_threshold",
                                     .type = real,
                                     .maximum = kMaxFloat,
                                     .applies = &kGraph,
                                     .ignored_elsewhere = true,
                                     .help = "share of the worst distance in the beam by which the bound that ends a "
                                             "traversal is relaxed: larger is more exact and slower"}),
    at<S, &S::query_cut>(
        {.name = "query_cut",
         .applies = &kLists,
         .help = "number of a query's lists that are summed, those with the largest contribution first; 0: all"}),
    at<S, &S::heap_factor>({.name = "heap_factor",
                            .type = real,
                            .maximum = 1,
                            .applies = &kLists,
                            .help = "share of the k-th best sum that the bound of a row block must reach, or the block "
                                    "is skipped; lower is more exact and slower"}),
    at<S, &S::k_candidates>(
        {.name = "k_candidates",
         .applies = &kSecond,
         .help = "candidates of the first stage that are scored again; at most as many results are returned"}),
    at<S, &S::alpha>({.name = "alpha",
                      .type = real,
                      .maximum = kMaxFloat,
                      .applies = &kSecond,
                      .help = "score a candidate again only if its first score is within the k-th one relaxed by this "
                              "share; unless given, all"}),
    at<S, &S::beta>({.name = "beta",
                     .applies = &kSecond,
                     .help = "patience: once k candidates are scored again, stop after this many in a row that do not "
                             "enter the top k; unless given, never"}),
    at<S, &S::sum_stages>({.name = "sum_stages",
                           .type = flag,
                           .applies = &kTokens,
                           .help = "a document's score is the sum of the scores of both stages"}),
    at<S, &S::num_threads>({.name = "num_threads", .option = "threads", .maximum = kMaxThreads, .help = kThreadsHelp}),
};

const Parameter<OpenParams> kOpen[] = {
    {{.name = "verify",
      .type = choice,
      .choices = verifications,
      .help = "all: check every byte and every structural rule now; touched: check rows, lists and pages before their "
              "first use; none: check only header and manifest"},
     [](const OpenParams& o) {
       return o.verify ? name(verifications()[static_cast<std::size_t>(*o.verify)]) : Value();
     },
     [](OpenParams& o, const Value& value) { o.verify = parse_verify(text(value)); }},
    {{.name = "resident",
      .type = choice,
      .choices = residences,
      .help = "hot: read the bytes that every query needs into memory first; all: the whole file"},
     [](const OpenParams& o) {
       return o.resident == Resident::none ? Value() : name(o.resident == Resident::hot ? "hot" : "all");
     },
     [](OpenParams& o, const Value& value) { o.resident = parse_resident(text(value)); }},
    at<OpenParams, &OpenParams::lock>(
        {.name = "lock",
         .type = flag,
         .help = "with resident: lock these bytes in memory (mlock) while the index is open"}),
};

using R = RecommendParams;
const Parameter<R> kRecommend[] = {
    {{.name = "metric", .type = choice, .choices = metrics, .help = kMetricHelp, .more_help = metrics_help},
     [](const R& r) { return name(name_of(r.metric)); },
     [](R& r, const Value& value) { r.metric = parse_metric(text(value)); }},
    at<R, &R::target_recall>({.name = "target_recall",
                              .type = real,
                              .maximum = 1,
                              .above_minimum = true,
                              .help = "share of the k exact answers that must be found"}),
    optional_at<R, &R::memory>({.name = "memory",
                                .type = bytes,
                                .minimum = 1,
                                .help = "most hot bytes of the index: codes and graph, which every query reads, "
                                        "without vectors that only rerank; unless given, no bound"}),
    at<R, &R::k>({.name = "k", .option = ",k", .minimum = 1, .help = "results per query"}),
    at<R, &R::sample>(
        {.name = "sample", .help = "most vectors in the sample: more take longer, and less is extrapolated"}),
    at<R, &R::num_threads>({.name = "num_threads",
                            .option = "threads",
                            .maximum = kMaxThreads,
                            .help = "threads of builds; 0: all processors. Speed is measured on one thread"}),
};

using T = TwoLevelChoices;
const Parameter<T> kTwoLevel[] = {
    at<T, &T::pq_subspaces>(
        {.name = "pq_subspaces",
         .minimum = 1,
         .maximum = double{kMaxDim},
         .help =
             "number of subspaces of a residual, and bytes of its code; a divisor of the dimension of token vectors"}),
    optional_at<T, &T::n_centroids>(
        {.name = "n_centroids",
         .option = "centroids",
         .minimum = 1,
         .maximum = double{kMaxSize},
         .help = "number of centroids; unless given, the largest power of two up to 16 sqrt(tokens), at most 65536"}),
    at<T, &T::replace, &ReplaceParams::overwrite>(
        {.name = "overwrite",
         .option = "force,f",
         .type = flag,
         .help = "replace any files of these names; otherwise only the complete output of an earlier call"}),
    at<T, &T::num_threads>({.name = "num_threads",
                            .option = "threads",
                            .maximum = kMaxThreads,
                            .help = "threads; 0: all processors. The files do not depend on it"}),
};

using J = TokenChoices;
const Parameter<J> kJoin[] = {
    {{.name = "layout",
      .type = choice,
      .choices = layouts,
      .help = "tokens to take from a folder that holds both: plain (documents.npy) or two-level (coded tokens)"},
     [](const J& j) { return j.layout ? name(layouts()[*j.layout == TokenLayout::two_level]) : Value(); },
     [](J& j, const Value& value) {
       if (std::ranges::count(layouts(), text(value)) == 0)
         invalid_argument("layout: '" + text(value) + "' given, expected 'plain' or 'two-level'");
       j.layout = text(value) == "plain" ? TokenLayout::plain : TokenLayout::two_level;
     }},
    at<J, &J::pq_subspaces>(
        {.name = "pq_subspaces",
         .minimum = 1,
         .maximum = double{kMaxDim},
         .help = "subspaces of a coded token's residual, compared with the files; unless given, not compared"}),
    at<J, &J::ids>({.name = "ids",
                    .type = path,
                    .help = "a .npy file with the id of each vector of the index, numbers or text; compared with "
                            "ids.npy of the folder"}),
    at<J, &J::replace, &ReplaceParams::overwrite>(
        {.name = "overwrite", .option = "force,f", .type = flag, .help = kOverwriteHelp}),
};

}  // namespace

std::span<const Parameter<BuildParams>> build_parameters() { return kBuild; }
std::span<const Parameter<SearchParams>> search_parameters() { return kSearch; }
std::span<const Parameter<OpenParams>> open_parameters() { return kOpen; }
std::span<const Parameter<RecommendParams>> recommend_parameters() { return kRecommend; }
std::span<const Parameter<TwoLevelChoices>> two_level_parameters() { return kTwoLevel; }
std::span<const Parameter<TokenChoices>> join_parameters() { return kJoin; }

BuildParams usual_build(VectorKind vectors) {
  BuildParams params;
  params.schema.vector_kind = vectors;
  if (vectors == VectorKind::sparse) params.schema.first.encoding = Encoding::sparse_f16;
  return params;
}

std::string option_name(const ParameterInfo& parameter) {
  const std::string_view option = parameter.option;
  if (option.starts_with(',')) return "-" + std::string(option.substr(1));
  std::string out = "--" + std::string(option.empty() ? parameter.name : option.substr(0, option.find(',')));
  std::ranges::replace(out, '_', '-');
  return out;
}

std::string help_of(const ParameterInfo& parameter) {
  return std::string(parameter.help) + (parameter.more_help == nullptr ? "" : parameter.more_help());
}

std::string value_text(const Value& value) {
  switch (value.index()) {
    case 1: return std::get<bool>(value) ? "true" : "false";
    case 2: return decimal(std::get<std::uint64_t>(value));
    case 3: return decimal(std::get<double>(value));
    case 4: return std::get<std::string>(value);
    default: return {};
  }
}

void refuse_unknown(std::string_view name, std::span<const std::string_view> known) {
  invalid_argument("parameter '" + std::string(name) + "' given, expected one of " + quoted_list(known));
}

std::string expected_text(const ParameterInfo& parameter) {
  const auto number = [](double bound) { return value_text(bound); };
  const auto whole_number = [](double bound) { return value_text(static_cast<std::uint64_t>(bound)); };
  switch (parameter.type) {
    case flag: return "true or false";
    case path: return "a path";
    case choice: return "one of " + quoted_list(parameter.choices());
    case bytes: return "a number of bytes over 0, such as 512MiB";
    case whole:
      if (parameter.maximum >= 0x1p63) return "a whole number, " + whole_number(parameter.minimum) + " or more";
      return "a whole number from " + whole_number(parameter.minimum) + " to " + whole_number(parameter.maximum);
    case real: break;
  }
  if (parameter.maximum == kMaxFloat) return "a finite number, " + number(parameter.minimum) + " or more";
  if (parameter.above_minimum)
    return "a number over " + number(parameter.minimum) + " and at most " + number(parameter.maximum);
  return "a number from " + number(parameter.minimum) + " to " + number(parameter.maximum);
}

namespace {

[[noreturn]] void refuse(const ParameterInfo& parameter, const std::string& found) {
  invalid_argument(std::string(parameter.name) + ": " + found + " given, expected " + expected_text(parameter));
}

}  // namespace

namespace {

/// Whether `value` is of the parameter's type, and in range.
bool fits(const ParameterInfo& parameter, const Value& value) {
  switch (parameter.type) {
    case flag: return std::holds_alternative<bool>(value);
    case choice:
    case path: return std::holds_alternative<std::string>(value);
    case real:
      if (const double* const number = std::get_if<double>(&value))
        return *number >= parameter.minimum && *number <= parameter.maximum &&
               !(parameter.above_minimum && *number == parameter.minimum);
      return false;
    case whole:
    case bytes: break;
  }
  const std::uint64_t* const number = std::get_if<std::uint64_t>(&value);
  return number != nullptr && *number <= kMaxWhole && static_cast<double>(*number) >= parameter.minimum &&
         static_cast<double>(*number) <= parameter.maximum;
}

}  // namespace

Value parse_value(const ParameterInfo& parameter, std::string_view text) {
  Value value;
  switch (parameter.type) {
    case whole:
      if (const auto number = parse_number<std::uint64_t>(text)) value = *number;
      break;
    case real:
      if (const auto number = parse_number<double>(text)) value = *number;
      break;
    case bytes: value = parse_bytes(text, parameter.name); break;
    case flag:
      if (text == "true" || text == "false") value = text == "true";
      break;
    case path: value = std::string(text); break;
    case choice: {
      std::string lower(text);
      std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      value = lower;
    }
  }
  if (!fits(parameter, value)) refuse(parameter, quoted(text));
  return value;
}

void check_value(const ParameterInfo& parameter, const Value& value) {
  if (!fits(parameter, value)) refuse(parameter, value_text(value));
}

const ParameterInfo* find_parameter(std::string_view name) {
  const auto among = [&](const auto& table) -> const ParameterInfo* {
    const auto found = std::ranges::find(table, name, &ParameterInfo::name);
    return found == std::end(table) ? nullptr : &*found;
  };
  for (const ParameterInfo* found :
       {among(kBuild), among(kSearch), among(kOpen), among(kRecommend), among(kTwoLevel), among(kJoin)})
    if (found != nullptr) return found;
  return nullptr;
}

std::string unused_text(const ParameterInfo& parameter) {
  return "given, expected only with " + std::string(parameter.applies->text);
}

BuildParams build_params(const Given<BuildParams>& given, VectorKind vectors) {
  BuildParams params = usual_build(vectors);
  given.apply(params);
  const IndexSchema& schema = params.schema;
  if (const ParameterInfo* const row = given.unused({&schema, 1}))
    invalid_argument(std::string(row->name) + ": " + unused_text(*row));
  if (const std::string problem = problem_with(schema); !problem.empty()) invalid_argument(problem);
  return params;
}

std::string_view class_name_of(const IndexSchema& schema) {
  const ClassRow* const row = class_of(schema);
  return row == nullptr ? std::string_view() : row->name;
}

std::vector<IndexClass> index_classes() {
  std::vector<IndexClass> out;
  for (const ClassRow& row : class_rows()) {
    const Role role = guided(row)           ? Role::traversal
                      : row.tokens()        ? Role::maxsim
                      : row.seconds.empty() ? Role::search
                                            : Role::rerank;
    out.push_back({.name = row.name, .vector_kind = row.vector_kind(), .kind = row.kind, .role = role});
    add(out.back().first, row.encodings);
    add(out.back().second, row.seconds);
    for (const Metric metric : metrics_of(row.distances))
      if (std::ranges::any_of(row.encodings,
                              [&](Encoding encoding) { return has_metric(row_of(encoding).distances, metric); }))
        out.back().metrics.emplace_back(name_of(metric));
  }
  return out;
}

std::vector<std::pair<std::string, Value>> recorded(const BuildParams& params) {
  const BuildParams usual = usual_build(params.schema.vector_kind);
  std::vector<std::pair<std::string, Value>> out;
  for (const Parameter<BuildParams>& row : build_parameters()) {
    if (row.recorded == no || (row.applies != nullptr && !row.applies->to(params.schema))) continue;
    const Value value = row.get(params);
    if (value.index() == 0 || (row.recorded == if_changed && value == row.get(usual))) continue;
    out.emplace_back(row.name, value);
  }
  return out;
}

std::vector<std::pair<std::string, Value>> arguments_of(const BuildParams& params) {
  auto out = recorded(params);
  const ClassRow* const row = class_of(params.schema);
  const bool one_encoding = row != nullptr && !guided(*row) && row->encodings.size() == 1;
  std::erase_if(out, [&](const auto& argument) {
    return argument.first == "kind" || (one_encoding && argument.first == "dtype");
  });
  return out;
}

}  // namespace cassata
