// Writes the golden files: small index files of each kind, and beside each the answers that every later version must
// give from it.
//
//   make_golden FOLDER      FOLDER is tests/golden/v<format major>; files once released are never written again
//
// <name>.answers holds a line for each query: its values, '|', then id:score for each result. They come from
// double-precision arithmetic (metric_definition.h), not from the engine. All values are small multiples of 1/8, so
// that every score is exact in f32, f16 and fixed-point alike.
//
// Rotated vectors are not exact: their values are multiples of 1/1024, so that no two scores are close, and scores may
// differ in the last digits. No more than 256 vectors lose nothing by product quantization.
//
// Documents, where there are any, are those of golden_documents.h.
//
// Tokens, where there are any, stand in a query's line between a ';' and the '|', one after another.
//
// Sparse vectors are the same, where only every third value is kept, and the zeros among them are left out; a query's
// line has all of its values.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cassata/index.h"
#include "engine/index/registry.h"
#include "format/input/npy.h"
#include "format/input/sparse_files.h"
#include "tests/golden/golden_documents.h"
#include "tests/golden/golden_payload.h"
#include "tests/support/documents.h"
#include "tests/support/metric_definition.h"

namespace {

using namespace cassata;

constexpr std::size_t kRows = 100, kDim = 7, kQueries = 8, kResults = 10;
constexpr std::size_t kTokenDim = 6, kPieces = 3, kWidth = kTokenDim / kPieces, kCentroids = 5, kPqCentroids = 256;

struct Golden {
  std::string name;
  BuildParams params;
  std::optional<TokenLayout> tokens = {};  // that are put beside
  std::size_t dim = kDim;
  bool norms = false;              // of tokens of two levels
  bool duplicates = false;         // most rows are copies or near copies of a few
  std::optional<IdType> ids = {};  // with fields: golden_payload.h
  bool documents = false;          // golden_document() of each row
};

const std::vector<Golden> kGoldens = {
    {"flat-f32-dot",
     {.schema = {.kind = Kind::flat, .metric = Metric::dot_product, .first = {.encoding = Encoding::f32}}}},
    {"hnsw-f16-permuted-euclidean",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::euclidean,
                 .first = {.encoding = Encoding::f16},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f32-standard-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::f32},
                 .graph = GraphType::standard},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-sparse-f16-permuted-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::sparse_f16},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-rerank-f16-f32-permuted-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::sparse_f16, .prune_percentage = 62.5},
                 .second = Stage{.encoding = Encoding::sparse_f32, .role = Role::rerank},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-rerank-residual-standard-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::sparse_f16, .prune_percentage = 50},
                 .second = Stage{.encoding = Encoding::sparse_f16, .role = Role::residual},
                 .graph = GraphType::standard},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-sparse-fixedu8-permuted-euclidean",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::euclidean,
                 .first = {.encoding = Encoding::sparse_fixed8},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-sparse-fixedu16-standard-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::sparse_fixed16},
                 .graph = GraphType::standard},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-sparse-dotvbyte-permuted-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::sparse_packed},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-pq-standard-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::pq, .code = {.m_pq = 3}},
                 .graph = GraphType::standard},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-pq-rotated-permuted-euclidean",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::euclidean,
                 .first = {.encoding = Encoding::pq, .code = {.m_pq = 4, .rotated = true}},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f32-compressed-euclidean",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::euclidean,
                 .first = {.encoding = Encoding::f32},
                 .graph = GraphType::compressed},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-sparse-f16-compressed-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::sparse_f16},
                 .graph = GraphType::compressed},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f16-int8-compressed-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::dense_int8, .role = Role::traversal},
                 .second = Stage{.encoding = Encoding::f16, .role = Role::rerank},
                 .graph = GraphType::compressed},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f32-int4-permuted-euclidean",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::euclidean,
                 .first = {.encoding = Encoding::dense_int4, .role = Role::traversal},
                 .second = Stage{.encoding = Encoding::f32, .role = Role::rerank},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f32-rabitq-permuted-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::rabitq, .code = {.bits = 3}, .role = Role::traversal},
                 .second = Stage{.encoding = Encoding::f32, .role = Role::rerank},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f32-int4-paged-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::dense_int4, .role = Role::traversal},
                 .second = Stage{.encoding = Encoding::f32, .role = Role::rerank},
                 .graph = GraphType::paged},
      .graph = {.m = 4, .ef_construction = 40}},
     {},
     60},  // so long that it takes several pages
    {"hnsw-rerank-rabitq-f16-standard-euclidean",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::euclidean,
                 .first = {.encoding = Encoding::rabitq, .code = {.bits = 1}},
                 .second = Stage{.encoding = Encoding::f16, .role = Role::rerank},
                 .graph = GraphType::standard},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-rerank-rabitq-residual-permuted-dot",
     {.schema = {.kind = Kind::graph,
                 .metric = Metric::dot_product,
                 .first = {.encoding = Encoding::rabitq, .code = {.bits = 2}},
                 .second = Stage{.encoding = Encoding::rabitq, .code = {.bits = 4}, .role = Role::residual},
                 .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f32-permuted-cosine",
     {.schema = {.metric = Metric::cosine, .first = {.encoding = Encoding::f32}, .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"hnsw-f16-compressed-manhattan",
     {.schema = {.metric = Metric::manhattan, .first = {.encoding = Encoding::f16}, .graph = GraphType::compressed},
      .graph = {.m = 4, .ef_construction = 40}}},
    {"flat-sparse-f32-cosine",
     {.schema = {.kind = Kind::flat, .metric = Metric::cosine, .first = {.encoding = Encoding::sparse_f32}}}},
    {"flat-sparse-f32-dot",
     {.schema = {.kind = Kind::flat, .metric = Metric::dot_product, .first = {.encoding = Encoding::sparse_f32}}}},
    {"postings-sparse-f16-dot",
     {.schema = {.kind = Kind::postings, .metric = Metric::dot_product, .first = {.encoding = Encoding::sparse_f16}},
      .lists = {.n_postings = 50, .summary_energy = 0.75F, .n_knn = 4}}},
    {"multivec-sparse-f16-permuted-dot",
     {.schema = {.first = {.encoding = Encoding::sparse_f16}, .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}},
     TokenLayout::plain},
    {"multivec-two-level-sparse-f16-permuted-dot",
     {.schema = {.first = {.encoding = Encoding::sparse_f16}, .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}},
     TokenLayout::two_level},
    {"multivec-two-level-norms-sparse-f16-permuted-dot",
     {.schema = {.first = {.encoding = Encoding::sparse_f16}, .graph = GraphType::permuted},
      .graph = {.m = 4, .ef_construction = 40}},
     TokenLayout::two_level,
     kDim,
     true},
    {"multivec-dense-f16-compressed-dot",
     {.schema = {.first = {.encoding = Encoding::f16}, .graph = GraphType::compressed},
      .graph = {.m = 4, .ef_construction = 40}},
     TokenLayout::plain},
    {.name = "flat-f32-int64-ids-fields-dot",
     .params = {.schema = {.kind = Kind::flat, .metric = Metric::dot_product, .first = {.encoding = Encoding::f32}}},
     .ids = IdType::int64},
    {.name = "hnsw-f32-text-ids-fields-permuted-dot",
     .params = {.schema = {.metric = Metric::dot_product,
                           .first = {.encoding = Encoding::f32},
                           .graph = GraphType::permuted},
                .graph = {.m = 4, .ef_construction = 40}},
     .ids = IdType::text},
    {.name = "hnsw-f32-duplicates-permuted-euclidean",
     .params = {.schema = {.metric = Metric::euclidean,
                           .first = {.encoding = Encoding::f32},
                           .graph = GraphType::permuted},
                .graph = {.m = 4, .ef_construction = 40}},
     .duplicates = true},
    {.name = "hnsw-f32-int8-duplicates-paged-dot",
     .params = {.schema = {.metric = Metric::dot_product,
                           .first = {.encoding = Encoding::dense_int8, .role = Role::traversal},
                           .second = Stage{.encoding = Encoding::f32, .role = Role::rerank},
                           .graph = GraphType::paged},
                .graph = {.m = 4, .ef_construction = 40}},
     .duplicates = true},
    {.name = "hnsw-f16-documents-permuted-dot",
     .params = {.schema = {.metric = Metric::dot_product,
                           .first = {.encoding = Encoding::f16},
                           .graph = GraphType::permuted},
                .graph = {.m = 4, .ef_construction = 40}},
     .documents = true},
};

bool sparse(const Golden& golden) {
  return row_of(golden.params.schema.first.encoding).vector_kind == VectorKind::sparse;
}

/// From -2 to 2, multiples of 4 / steps.
std::vector<float> values(std::size_t count, unsigned seed, unsigned steps) {
  std::mt19937 random(seed);
  std::vector<float> out(count);
  for (float& v : out)
    v = (static_cast<float>(random() % (steps + 1)) - static_cast<float>(steps) / 2) * 4 / static_cast<float>(steps);
  return out;
}

using Answer = std::vector<std::pair<double, std::size_t>>;  // score, id

/// Tokens of the documents, 0 to 3 of each: as a centroid and a residual, and what these add up to.
struct Tokens {
  std::vector<std::int32_t> doclens;
  std::vector<float> centroids = ::values(kCentroids * kTokenDim, 3, 32),
                     pq_centroids = ::values(kPqCentroids * kTokenDim, 4, 32), values;
  std::vector<std::uint64_t> assignment;
  std::vector<std::uint8_t> codes;
  std::vector<std::uint16_t> norms;  // bits of f16: of 0.25 times 0, 1, 2, 4 or 8

  explicit Tokens(bool has_norms) {
    constexpr std::uint16_t kNorms[] = {0, 0x3400, 0x3800, 0x3C00, 0x4000};
    constexpr float kValues[] = {0, 0.25F, 0.5F, 1, 2};
    std::mt19937 norm_random(6);
    std::mt19937 random(5);
    for (std::size_t i = 0; i < kRows; ++i) {
      doclens.push_back(static_cast<std::int32_t>(i % 4));
      for (std::size_t t = 0; t < i % 4; ++t) {
        assignment.push_back(random() % kCentroids);
        const std::size_t picked = has_norms ? norm_random() % 5 : 3;
        if (has_norms) norms.push_back(kNorms[picked]);
        for (std::size_t s = 0; s < kPieces; ++s) {
          codes.push_back(static_cast<std::uint8_t>(random() % kPqCentroids));
          for (std::size_t w = 0; w < kWidth; ++w)
            values.push_back(centroids[assignment.back() * kTokenDim + s * kWidth + w] +
                             kValues[picked] * pq_centroids[(s * kPqCentroids + codes.back()) * kWidth + w]);
        }
      }
    }
  }

  void write(const std::filesystem::path& folder, TokenLayout layout) const {
    const auto put = [&](const char* name, std::string_view type, std::initializer_list<std::uint64_t> shape,
                         const auto& elements) {
      NpyWriter file(folder / name, type, shape);
      file.append(std::as_bytes(std::span(elements)));
      file.publish();
    };
    const std::size_t n = assignment.size();
    put("doclens.npy", "<i4", {kRows}, doclens);
    if (layout == TokenLayout::plain) return put("documents.npy", "<f4", {n, kTokenDim}, values);
    put("centroids.npy", "<f4", {kCentroids, kTokenDim}, centroids);
    put("pq_centroids.npy", "<f4", {kPieces, kPqCentroids, kWidth}, pq_centroids);
    put("index_assignment.npy", "<u8", {n}, assignment);
    put("residuals.npy", "|u1", {n, kPieces}, codes);
    if (!norms.empty()) put("residual_norms.npy", "<f2", {n}, norms);
  }

  /// By MaxSim, best first, ties by lower id.
  Answer answer(std::span<const float> query) const {
    Answer scored;
    for (std::size_t i = 0, begin = 0; i < kRows; begin += static_cast<std::size_t>(doclens[i++])) {
      double score = 0;
      for (std::size_t q = 0; q < query.size(); q += kTokenDim) {
        double largest = -std::numeric_limits<double>::infinity();
        for (std::size_t t = begin; t < begin + static_cast<std::size_t>(doclens[i]); ++t) {
          double dot = 0;
          for (std::size_t j = 0; j < kTokenDim; ++j) dot += double{query[q + j]} * values[t * kTokenDim + j];
          largest = std::max(largest, dot);
        }
        score += largest;
      }
      scored.emplace_back(-score, i);
    }
    std::ranges::sort(scored);
    scored.resize(kResults);
    for (auto& [score, id] : scored) score = 0 - score;
    return scored;
  }
};

/// Best first, ties by lower id.
Answer answer(Metric metric, std::size_t dim, const float* rows, const float* query) {
  Answer scored;
  for (std::size_t i = 0; i < kRows; ++i)
    scored.emplace_back(test::exact_distance(metric, rows + i * dim, query, dim), i);
  std::ranges::sort(scored);
  scored.resize(kResults);
  if (largest_first(metric))
    for (auto& [score, id] : scored) score = 0 - score;
  return scored;
}

/// The same by an index.
Answer answer(const Index& index, const float* query) {
  std::vector<std::int64_t> ids(kResults);
  std::vector<float> scores(kResults);
  index.search_exact({query, 1, kDim}, {.k = kResults}, {ids, scores});
  Answer out;
  for (std::size_t i = 0; i < kResults; ++i) out.emplace_back(scores[i], static_cast<std::size_t>(ids[i]));
  return out;
}

std::unique_ptr<test::MemoryDocuments> documents() {
  std::vector<std::string> out;
  for (std::size_t row = 0; row < kRows; ++row) out.push_back(test::golden_document(row));
  return std::make_unique<test::MemoryDocuments>(std::move(out));
}

Index build(const std::filesystem::path& path, const Golden& golden, const std::vector<float>& rows) {
  const Payload payload = golden.ids ? test::golden_payload(*golden.ids, kRows) : Payload();
  BuildParams params = golden.params;
  if (golden.ids) params.payload = &payload;
  const auto stored = golden.documents ? documents() : nullptr;
  params.documents = stored.get();
  if (!sparse(golden))
    return Index::build(*memory_stream("golden.npy", rows.data(), kRows, golden.dim, ElementType::f32), params, path);
  std::vector<std::uint32_t> components;
  std::vector<float> kept;
  std::vector<std::uint64_t> offsets = {0};
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kDim; ++j) {
      if (rows[i * kDim + j] == 0) continue;
      components.push_back(static_cast<std::uint32_t>(j));
      kept.push_back(rows[i * kDim + j]);
    }
    offsets.push_back(kept.size());
  }
  return Index::build(*sparse_memory_stream("golden.bin", components, kept, offsets), params, path);
}

void join(const std::filesystem::path& path, const Index& first, const Tokens& tokens, TokenLayout layout) {
  const std::filesystem::path folder = path.string() + ".tokens";
  std::filesystem::create_directory(folder);
  tokens.write(folder, layout);
  Index::join(first, folder, {}, path);
  std::filesystem::remove_all(folder);
}

void write(const std::filesystem::path& folder, const Golden& golden) {
  const bool coded = golden.params.schema.second &&
                     golden.params.schema.second->encoding == Encoding::rabitq;  // scores are those of the codes
  const unsigned steps =
      golden.params.schema.first.code.rotated || coded || !test::exact_on_whole_numbers(golden.params.schema.metric)
          ? 4096
          : 32;  // where scores are not exact no two may be close
  std::vector<float> rows = values(kRows * golden.dim, 1, steps);
  const std::vector<float> queries = values(kQueries * golden.dim, 2, steps);
  if (sparse(golden))
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i % 3 == 0 ? rows[i] : 0;
  if (golden.duplicates)  // rows from 40 on are copies of one of the first 8; every third of them is a near copy
    for (std::size_t i = 40 * golden.dim; i < rows.size(); ++i) {
      const std::size_t row = i / golden.dim, column = i % golden.dim;
      rows[i] = rows[row % 8 * golden.dim + column] + (row % 3 == 0 && column == 0 ? 1.0F / 128 : 0.0F);
    }
  const std::filesystem::path path = folder / (golden.name + ".cassata");
  const Tokens tokens(golden.norms);
  golden.tokens ? join(path, build({}, golden, rows), tokens, *golden.tokens) : void(build(path, golden, rows));
  std::ofstream answers(folder / (golden.name + ".answers"));
  for (std::size_t q = 0; q < kQueries; ++q) {
    const float* const query = queries.data() + q * golden.dim;
    for (std::size_t j = 0; j < golden.dim; ++j) answers << query[j] << ' ';
    const std::vector<float> asked = values(golden.tokens ? q % 4 * kTokenDim : 0, 6 + static_cast<unsigned>(q), 32);
    if (golden.tokens) answers << "; ";
    for (const float value : asked) answers << value << ' ';
    answers << '|';
    answers.precision(17);
    const Answer best = golden.tokens ? tokens.answer(asked)
                        : coded       ? answer(Index::open(path), query)
                                      : answer(golden.params.schema.metric, golden.dim, rows.data(), query);
    for (const auto& [score, id] : best) answers << ' ' << id << ':' << score;
    answers << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_golden FOLDER\n");
    return 2;
  }
  for (const Golden& golden : kGoldens) write(argv[1], golden);
}
