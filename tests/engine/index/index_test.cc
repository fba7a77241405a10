// The public interface: what it accepts, and what it says of what it does not.
#include "cassata/index.h"
#include "cassata/exact.h"
#include "cassata/parameters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "engine/index/registry.h"
#include "format/input/sparse_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/random_case.h"
#include "tests/support/sparse_index.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::index_test {
namespace {

using namespace test;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

Index index_of(const Vectors& vectors, const BuildParams& params = {}, const std::filesystem::path& path = {}) {
  const auto stream =
      memory_stream("vectors.npy", vectors.values.data(), vectors.size(), vectors.dim, ElementType::f32);
  return Index::build(*stream, params, path);
}

Vectors small_vectors() {
  Random random(1);
  return whole_vectors(random, 50, 4);
}

/// Dense or sparse vectors that live on.
std::unique_ptr<VectorStream> of_shape(VectorKind vector_kind) {
  static const Vectors vectors = small_vectors();
  static const SparseVectors sparse = sparse_of(vectors);
  if (vector_kind == VectorKind::dense)
    return memory_stream("vectors.npy", vectors.values.data(), vectors.size(), vectors.dim, ElementType::f32);
  return sparse_memory_stream("vectors.bin", sparse.components, sparse.values, sparse.offsets);
}

/// The kinds of index that there are over dense vectors.
std::vector<KindRow> dense_kinds() {
  std::vector<KindRow> kinds;
  for (const KindRow& kind : kind_rows())
    if (class_of({.kind = kind.kind}) != nullptr) kinds.push_back(kind);
  return kinds;
}

TEST(BuildParams, AreCheckedFieldByField) {
  BuildParams().check();
  for (const std::uint32_t m : {0u, 1u, 513u, 4294967295u})
    expect_error(Errc::invalid_argument, {"m: " + std::to_string(m) + " given", "2 to 512"},
                 [&] { BuildParams{.graph = {.m = m}}.check(); });
  for (const std::uint32_t ef : {0u, 2147483648u, 4294967295u})
    expect_error(Errc::invalid_argument, {"ef_construction: " + std::to_string(ef) + " given"},
                 [&] { BuildParams{.graph = {.ef_construction = ef}}.check(); });
  for (const std::uint32_t m : {2u, 512u}) BuildParams{.graph = {.m = m, .ef_construction = 1}}.check();
}

TEST(SearchParams, AreCheckedFieldByField) {
  SearchParams().check();
  for (const float lambda : {-0.01F, -1.0F, kNaN, kInfinity})
    expect_error(Errc::invalid_argument, {"early_exit_threshold: ", "0 or more"},
                 [&] { SearchParams{.early_exit_threshold = lambda}.check(); });
  for (const float lambda : {0.0F, 0.5F, 3.0F, 3e38F})
    SearchParams{.k = 0, .ef_search = 0, .early_exit_threshold = lambda}.check();
}

TEST(IndexBuild, RefusesWhatItCannotHold) {
  const TempDir folder;
  write_file(folder / "index", kFormerIndex);
  const auto refuse = [&](const std::vector<std::string>& parts, const Vectors& vectors, const BuildParams& params) {
    expect_error(Errc::invalid_argument, parts, [&] { index_of(vectors, params, folder / "index"); });
    EXPECT_EQ(folder.names(), std::set<std::string>{"index"}) << "something is left behind";
    EXPECT_EQ(read_file(folder / "index").size(), kFormerIndex.size()) << "the former file is gone";
  };
  refuse({"vectors.npy: 0 vectors"}, {4, {}}, {});
  refuse({"m: 1 given"}, small_vectors(), {.graph = {.m = 1}});
  for (const KindRow& kind : dense_kinds()) {
    Vectors vectors = small_vectors();
    vectors.values[4 * 17 + 2] = kNaN;
    refuse({"vectors.npy: row 17, column 2"}, vectors, {.schema = {.kind = kind.kind}});
    vectors.values[4 * 17 + 2] = 70000;
    refuse({"vectors.npy: row 17, column 2", "f16"}, vectors,
           {.schema = {.kind = kind.kind, .first = {.encoding = Encoding::f16}}});
  }
}

TEST(IndexBuild, AnEncodingIsForVectorsOfItsShape) {
  for (const EncodingRow& encoding : encoding_rows()) {
    const auto stream = of_shape(encoding.vector_kind == VectorKind::dense ? VectorKind::sparse : VectorKind::dense);
    expect_error(Errc::invalid_argument, {"vectors with ", "dtype '" + std::string(encoding.name)},
                 [&] { Index::build(*stream, {.schema = {.first = {.encoding = encoding.encoding}}}); });
  }
}

TEST(IndexOpen, KindShapeAndEncodingMustFit) {
  const TempDir folder;
  Index::build(*of_shape(VectorKind::sparse), {.schema = {.first = {.encoding = Encoding::sparse_f16}}},
               folder / "index");
  const auto crafted = [&](const auto& edit) {
    write_file(folder / "crafted", with_manifest(read_file(folder / "index"), edit));
  };
  crafted([](Manifest& m) { m.schema.kind = Kind::flat; });
  expect_error(Errc::corrupt, {"crafted: manifest at byte", "inverted lists"},
               [&] { Index::open(folder / "crafted"); });
  crafted([](Manifest& m) { m.schema.kind = Kind::flat, m.schema.first.encoding = Encoding::sparse_packed; });
  expect_error(Errc::corrupt, {"crafted: manifest at byte", "dtype 'dotvbyte' with kind 'flat'", "'f32' or 'f16'"},
               [&] { Index::open(folder / "crafted"); });
  crafted([](Manifest& m) { m.schema.vector_kind = VectorKind::dense; });
  expect_error(Errc::corrupt, {"crafted: manifest at byte", "dtype 'f16' of "},
               [&] { Index::open(folder / "crafted"); });
  crafted([](Manifest& m) { m.schema.first.encoding = Encoding::f16; });
  expect_error(Errc::corrupt, {"crafted: manifest at byte", "dtype 'f16' of "},
               [&] { Index::open(folder / "crafted"); });
  for (const std::uint32_t m : {0u, 1u, 513u}) {
    crafted([m](Manifest& manifest) { manifest.graph->m = m; });
    expect_error(Errc::corrupt, {"crafted: manifest at byte", "m is " + std::to_string(m) + ", expected 2 to 512"},
                 [&] { Index::open(folder / "crafted"); });
  }
}

TEST(IndexBuild, ProductQuantizationNeedsItsSubspaces) {
  expect_error(Errc::invalid_argument, {"m_pq: none given, expected a whole number from 1 to the dimension"},
               [] { index_of(small_vectors(), {.schema = {.first = {.encoding = Encoding::pq}}}, {}); });
}

TEST(IndexHandle, TakesTheNewFileAndLeavesCopiesAlone) {
  const TempDir folder;
  const Vectors first = small_vectors();
  Random random(5);
  const Vectors second = whole_vectors(random, 80, 4);
  const Index copy = index_of(first, {}, folder / "index");
  IndexHandle index(copy);
  EXPECT_FALSE(index.reload()) << "nothing has changed";
  index_of(second,
           {.schema = {.kind = Kind::graph, .first = {.encoding = Encoding::f16}, .graph = GraphType::standard}},
           folder / "index");
  EXPECT_TRUE(index.reload({.verify = Verify::all, .resident = Resident::hot}));
  EXPECT_EQ(index.get().size(), 80u);
  EXPECT_EQ(copy.size(), 50u);
  copy.verify();
  EXPECT_FALSE(index.reload());
  index.get().save(folder / "index");
  EXPECT_FALSE(index.reload()) << "another file, the same content";
  EXPECT_EQ(copy.reopen().size(), 80u);
  EXPECT_TRUE(IndexHandle(copy).reload());
}

TEST(IndexHandle, RefusesAnotherKindAndKeepsTheOld) {
  const TempDir folder;
  IndexHandle index(index_of(small_vectors(), {}, folder / "index"));
  const auto refused = [&](Errc code, const std::vector<std::string>& parts, const OpenParams& params = {}) {
    std::vector<std::string> all = parts;
    all.emplace_back("stays in use");
    expect_error(code, all, [&] { index.reload(params); });
    EXPECT_EQ(index.get().size(), 50u);
    index.get().verify();
  };
  Random random(6);
  index_of(small_vectors(), {.schema = {.kind = Kind::flat}}, folder / "index");
  refused(Errc::invalid_argument, {"index: now holds a 'DenseFlatIndex', expected 'DensePlainHNSW' as before"});
  index_of(small_vectors(), {.schema = {.metric = Metric::euclidean}}, folder / "index");
  refused(Errc::invalid_argument, {"metric 'euclidean'", "'dotproduct'"});
  index_of(whole_vectors(random, 60, 5), {}, folder / "index");
  refused(Errc::invalid_argument, {"dim 5", "expected 4"});
  index_of(whole_vectors(random, 60, 4), {}, folder / "other");
  Bytes damaged = read_file(folder / "other");
  damaged[kHeaderBytes] ^= std::byte{1};
  write_file(folder / "other", damaged);
  std::filesystem::rename(folder / "other", folder / "index");
  refused(Errc::corrupt, {"index: section"}, {.verify = Verify::all});
  damaged[100] ^= std::byte{1};
  write_file(folder / "other", damaged);
  std::filesystem::rename(folder / "other", folder / "index");
  refused(Errc::corrupt, {"header"});
  std::filesystem::remove(folder / "index");
  refused(Errc::io, {"index"});
  const Index temporary = index_of(small_vectors());
  expect_error(Errc::invalid_argument, {"unnamed temporary file"}, [&] { temporary.reopen(); });
}

TEST(IndexHandle, ClosesDuringOtherCalls) {
  const TempDir folder;
  const auto expect_closed = [](const IndexHandle& index) {
    expect_error(Errc::invalid_argument, {"DensePlainHNSW: the index is closed"}, [&] { index.get(); });
  };
  IndexHandle index(index_of(small_vectors(), {}, folder / "index"));
  const Progress close = [&](std::string_view, std::uint64_t, std::uint64_t) { index.close(); };
  Random random(7);
  index_of(whole_vectors(random, 60, 4), {}, folder / "index");
  expect_error(Errc::invalid_argument, {"the index is closed"}, [&] { index.reload({.progress = close}); });
  expect_closed(index);
  EXPECT_EQ(index.path(), folder / "index") << "kept";

  IndexHandle temporary(index_of(small_vectors()));
  temporary.save(folder / "saved", [&](std::string_view, std::uint64_t, std::uint64_t) { temporary.close(); });
  expect_closed(temporary);
  EXPECT_EQ(temporary.path(), "");
  EXPECT_EQ(Index::open(folder / "saved").size(), 50u);
}

TEST(IndexHandle, UsesTheSavedFileInPlaceOfATemporaryOne) {
  const TempDir folder;
  IndexHandle index(index_of(small_vectors()));
  index.save(folder / "first");
  EXPECT_EQ(index.path(), folder / "first");
  index.save(folder / "second");
  EXPECT_EQ(index.path(), folder / "first");
  EXPECT_FALSE(index.reload());
}

TEST(IndexHandle, SearchesGoOnMeanwhile) {
  const TempDir folder;
  const Vectors queries = small_vectors();
  std::map<std::uint64_t, std::vector<std::int64_t>> expected;  // by size
  std::vector<std::unique_ptr<Index>> versions;
  for (const std::size_t rows : {200u, 300u}) {
    Random random(static_cast<unsigned>(rows));
    versions.push_back(
        std::make_unique<Index>(index_of(whole_vectors(random, rows, 4), {}, folder / std::to_string(rows))));
    std::vector<float> scores(500);
    expected[rows].resize(500);
    versions.back()->search(queries.matrix(), {.k = 10}, {expected[rows], scores});
  }
  versions[0]->save(folder / "index");
  IndexHandle index(Index::open(folder / "index"));
  std::atomic<bool> stop = false;
  std::atomic<unsigned> wrong = 0, answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      std::vector<std::int64_t> ids(500);
      std::vector<float> scores(500);
      while (!stop) {
        index.get().search(queries.matrix(), {.k = 10}, {ids, scores});
        wrong += ids != expected.at(200) && ids != expected.at(300);
        ++answered;
      }
    });
  for (int turn = 1; turn <= 20 || answered < 100; ++turn) {
    versions[turn % 2]->save(folder / "index");
    EXPECT_TRUE(index.reload());
    EXPECT_EQ(index.get().size(), versions[turn % 2]->size());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
}

TEST(IndexOpen, MetricAndEncodingMustFit) {
  const TempDir folder;
  const BuildParams packed{.schema = {.metric = Metric::dot_product, .first = {.encoding = Encoding::sparse_packed}}};
  Index::build(*of_shape(VectorKind::sparse), packed, folder / "index");
  write_file(folder / "crafted",
             with_manifest(read_file(folder / "index"), [](Manifest& m) { m.schema.metric = Metric::euclidean; }));
  expect_error(Errc::corrupt, {"crafted: manifest at byte", "'euclidean'", "'dotvbyte'", "'dotproduct'"},
               [&] { Index::open(folder / "crafted"); });
  BuildParams wrong = packed;
  wrong.schema.metric = Metric::euclidean;
  expect_error(Errc::invalid_argument, {"metric 'euclidean' with", "'dotvbyte'", "'dotproduct'"},
               [&] { Index::build(*of_shape(VectorKind::sparse), wrong, folder / "index"); });
}

TEST(IndexSearch, QueriesAreOfTheShapeOfTheVectors) {
  const Vectors vectors = small_vectors();
  const SparseVectors sparse = sparse_of(vectors);
  std::vector<std::int64_t> ids(50);
  std::vector<float> scores(50);
  expect_error(Errc::invalid_argument, {"queries: sparse"}, [&] {
    index_of(vectors).search(sparse.batch(4), {.k = 1}, {ids, scores});
  });
  const Index index =
      Index::build(*of_shape(VectorKind::sparse), {.schema = {.first = {.encoding = Encoding::sparse_f16}}});
  expect_error(Errc::invalid_argument, {"queries: dense"}, [&] {
    index.search(vectors.matrix(), {.k = 1}, {ids, scores});
  });
  SparseVectors wrong = sparse;
  wrong.values[wrong.offsets[7] + 1] = kNaN;
  expect_error(Errc::invalid_argument, {"queries: row 7, entry 1"}, [&] {
    index.search(wrong.batch(4), {.k = 1}, {ids, scores});
  });
}

TEST(IndexSearch, SparseQueriesMayBeEmptyOrHaveUnknownComponents) {
  for (const Metric metric : metrics_of(row_of(Encoding::sparse_f16).distances)) {
    const Index index = Index::build(*of_shape(VectorKind::sparse),
                                     {.schema = {.metric = metric, .first = {.encoding = Encoding::sparse_f16}}});
    SparseVectors queries;
    queries.end_row();
    queries.add(1, 1);
    queries.end_row();
    queries.add(1, 1);
    queries.add(1000000, metric == Metric::dot_product ? 5.0F : 0.0F);  // adds nothing
    queries.end_row();
    std::vector<std::int64_t> ids(9);
    std::vector<float> scores(9);
    index.search(queries.batch(4), {.k = 3}, {ids, scores});
    if (largest_first(metric)) {
      EXPECT_EQ(std::vector(scores.begin(), scores.begin() + 3), (std::vector<float>{0, 0, 0})) << "a vector of zeros";
    }
    for (const std::int64_t id : ids) EXPECT_GE(id, 0);
    EXPECT_EQ(std::vector(ids.begin() + 3, ids.begin() + 6), std::vector(ids.begin() + 6, ids.end()));
    EXPECT_EQ(std::vector(scores.begin() + 3, scores.begin() + 6), std::vector(scores.begin() + 6, scores.end()));
  }
}

TEST(IndexSearch, ComponentsOfQueriesStandInAnyOrder) {
  const Index index =
      Index::build(*of_shape(VectorKind::sparse),
                   {.schema = {.kind = Kind::graph, .first = {.encoding = Encoding::sparse_f16}}, .graph = {.m = 4}});
  SparseVectors risen, any;
  for (const auto& [component, value] : {std::pair{3u, 1.5F}, {7u, 2.0F}, {8u, -1.0F}}) risen.add(component, value);
  for (const auto& [component, value] : {std::pair{8u, 1.0F}, {3u, 1.5F}, {7u, 0.5F}, {8u, -2.0F}, {7u, 1.5F}})
    any.add(component, value);
  for (SparseVectors* queries : {&risen, &any}) {
    queries->end_row();
    queries->end_row();
    queries->add(2, 1);
    queries->end_row();
  }
  std::vector<std::int64_t> ids(9), other_ids(9);
  std::vector<float> scores(9), other_scores(9);
  for (const auto search : {&Index::search, &Index::search_exact}) {
    (index.*search)(risen.batch(10), {.k = 3}, {ids, scores});
    (index.*search)(any.batch(10), {.k = 3}, {other_ids, other_scores});
    EXPECT_EQ(ids, other_ids);
    EXPECT_EQ(scores, other_scores);
  }
  search_exact(*of_shape(VectorKind::sparse), Metric::dot_product, risen.batch(10), {.k = 3}, {ids, scores});
  search_exact(*of_shape(VectorKind::sparse), Metric::dot_product, any.batch(10), {.k = 3}, {other_ids, other_scores});
  EXPECT_EQ(ids, other_ids);
  EXPECT_EQ(scores, other_scores);
}

/// The scores of a query with all rows, best first, by definition.
std::vector<float> sparse_scores(const SparseVectors& vectors, const VectorView& query, Metric metric) {
  std::map<std::uint32_t, double> entries;
  for (std::size_t i = 0; i < query.values.size(); ++i) entries[query.components[i]] = query.values[i];
  std::vector<float> scores;
  for (std::size_t row = 0; row < vectors.size(); ++row) {
    double dot = 0, squares = 0;
    for (const auto& [component, value] : entries) squares += value * value;
    for (std::size_t i = 0; i < vectors.view(row).values.size(); ++i) {
      const double value = vectors.view(row).values[i];
      const auto same = entries.find(vectors.view(row).components[i]);
      dot += same == entries.end() ? 0 : value * same->second;
      squares += value * value;
    }
    scores.push_back(static_cast<float>(metric == Metric::euclidean ? squares - 2 * dot : dot));
  }
  std::ranges::sort(scores, [&](float a, float b) { return score_of(metric, a) < score_of(metric, b); });
  return scores;
}

TEST(IndexSearch, SparseRowsOfEveryWidthAndLengthAreFound) {
  const TempDir folder;
  for (const std::size_t dim :
       {std::size_t{40}, std::size_t{65536}, std::size_t{65537}, (std::size_t{1} << 22) + 1, std::size_t{4294967295}})
    for (const Metric metric : {Metric::dot_product, Metric::euclidean})
      for (const Encoding encoding : {Encoding::sparse_f16, Encoding::sparse_f32}) {
        SCOPED_TRACE(std::to_string(dim) + " " + std::string(name_of(metric)));
        Random random(dim);
        SparseVectors vectors = random_sparse(random, 300, dim, 20);
        for (float& value : vectors.values) value = static_cast<float>(1 + below(random, 8));  // every score is exact
        const auto stream = sparse_memory_stream("vectors.bin", vectors.components, vectors.values, vectors.offsets);
        Index::build(*stream, {.schema = {.metric = metric, .first = {.encoding = encoding}}, .graph = {.m = 8}},
                     folder / "index");
        const Index index = Index::open(folder / "index", {.verify = Verify::all});
        EXPECT_EQ(index.dim(), dim);
        std::vector<std::int64_t> ids(300);
        std::vector<float> scores(300), best(1);
        for (std::size_t row = 0; row < 300; row += 17) {
          if (vectors.view(row).values.empty()) continue;
          SparseVectors query;
          for (std::size_t i = 0; i < vectors.view(row).values.size(); ++i)
            query.add(vectors.view(row).components[i], vectors.view(row).values[i]);
          query.end_row();
          index.search_exact(query.batch(dim), {.k = 300}, {ids, scores});
          ASSERT_EQ(scores, sparse_scores(vectors, query.view(0), metric)) << "row " << row;
          index.search(query.batch(dim), {.k = 1, .ef_search = 100}, {std::span(ids).first(1), best});  // a walk
          ASSERT_TRUE(ids[0] >= 0 && ids[0] < 300);
          if (metric == Metric::euclidean) {
            EXPECT_GE(best[0], scores[0]);
          } else {
            EXPECT_LE(best[0], scores[0]);
          }
        }
      }
}

TEST(IndexBuild, OfSparseVectorsAllMayBeEmpty) {
  const TempDir folder;
  const std::vector<std::uint64_t> offsets(6, 0);
  for (const GraphTypeRow& type : graph_type_rows()) {
    if (type.guided) continue;
    const auto stream = sparse_memory_stream("vectors.bin", {}, {}, offsets);
    Index::build(
        *stream,
        {.schema = {.metric = Metric::euclidean, .first = {.encoding = Encoding::sparse_f16}, .graph = type.type}},
        folder / "index");
    const Index index = Index::open(folder / "index", {.verify = Verify::all});
    SparseVectors query;
    query.add(9, 3);
    query.end_row();
    std::vector<std::int64_t> ids(6);
    std::vector<float> scores(6);
    index.search(query.batch(1), {.k = 6}, {ids, scores});
    EXPECT_EQ(ids, (std::vector<std::int64_t>{0, 1, 2, 3, 4, -1}));
    EXPECT_EQ(scores, (std::vector<float>{9, 9, 9, 9, 9, kInfinity}));
  }
}

TEST(IndexBuild, RefusesToReplaceItsInput) {
  const TempDir folder;
  const Vectors vectors = small_vectors();
  const std::string rows(reinterpret_cast<const char*>(vectors.values.data()), vectors.values.size() * sizeof(float));
  write_file(folder / "vectors.fbin", bin_file({ElementType::f32, 50, 4, rows}));
  const auto before = read_file(folder / "vectors.fbin");
  std::filesystem::create_symlink("vectors.fbin", folder / "symbolic");
  std::filesystem::create_hard_link(folder / "vectors.fbin", folder / "hard");
  for (const char* name : {"vectors.fbin", "./vectors.fbin", "symbolic", "hard"})
    for (const KindRow& kind : dense_kinds()) {
      SCOPED_TRACE(name);
      const auto stream = open_stream(folder / "vectors.fbin");
      expect_error(Errc::invalid_argument, {"path: ", name, "is the input"},
                   [&] { Index::build(*stream, {.schema = {.kind = kind.kind}}, folder / name); });
      EXPECT_EQ(read_file(folder / "vectors.fbin"), before);
      EXPECT_EQ(folder.names(), (std::set<std::string>{"hard", "symbolic", "vectors.fbin"}))
          << "something is left behind";
    }
  const auto memory = memory_stream((folder / "vectors.fbin").string(), vectors.values.data(), 50, 4, ElementType::f32);
  Index::build(*memory, {.replace = {.overwrite = true}}, folder / "vectors.fbin");  // an array's name is no path
}

TEST(IndexBuild, ProgressIsToldAndMayCancel) {
  const TempDir folder;
  for (const KindRow& kind : dense_kinds()) {
    std::uint64_t reports = 0;
    index_of(small_vectors(), {.schema = {.kind = kind.kind},
                               .progress = [&](std::string_view, std::uint64_t done, std::uint64_t total) {
                                 EXPECT_LE(done, total);
                                 ++reports;
                               }});
    EXPECT_GT(reports, 0u);
    struct Cancelled {};
    EXPECT_THROW(
        index_of(small_vectors(), {.schema = {.kind = kind.kind}, .progress = [](auto...) { throw Cancelled(); }},
                 folder / "index"),
        Cancelled);
    EXPECT_TRUE(folder.names().empty());
  }
}

TEST(IndexBuild, EveryStageCanBeCancelled) {
  Random random(4);
  const Vectors vectors = normal_vectors(random, 3000, 16);
  const Stage rest{.encoding = Encoding::rabitq, .code = {.bits = 3}, .role = Role::residual},
      whole{.encoding = Encoding::f16, .role = Role::rerank};
  const std::vector<BuildParams> cases = {
      {.schema = {.first = {.encoding = Encoding::pq, .code = {.m_pq = 4, .rotated = true}},
                  .second = whole,
                  .graph = GraphType::compressed},
       .graph = {.m = 4, .ef_construction = 10}},
      {.schema = {.first = {.encoding = Encoding::rabitq, .code = {.bits = 2}}, .second = rest},
       .graph = {.m = 4, .ef_construction = 10}}};
  for (BuildParams params : cases) {
    std::vector<std::string> stages;
    std::uint64_t last = 0;
    params.progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
      if (stages.empty() || stages.back() != stage) stages.emplace_back(stage), last = 0;
      EXPECT_LE(last, done) << stage;
      EXPECT_LE(done, total) << stage;
      last = done == total ? 0 : done;  // another of the kind may follow
    };
    index_of(vectors, params);
    for (const char* stage : {"read", "learn", "encode", "graph", "order", "write"})
      EXPECT_NE(std::ranges::count(stages, stage), 0) << stage;
    EXPECT_EQ(std::ranges::count(stages, "rotation"), params.schema.first.code.rotated ? 1 : 0);
    const TempDir folder;
    for (const std::string& at : stages) {
      struct Cancelled {};
      params.progress = [&](std::string_view stage, std::uint64_t, std::uint64_t) {
        if (stage == at) throw Cancelled();
      };
      EXPECT_THROW(index_of(vectors, params, folder / "index"), Cancelled) << at;
      EXPECT_TRUE(folder.names().empty());
    }
  }
}

TEST(IndexSearch, RefusesWhatDoesNotFit) {
  const Vectors vectors = small_vectors();
  for (const KindRow& kind : dense_kinds()) {
    const Index index = index_of(vectors, {.schema = {.kind = kind.kind}});
    std::vector<std::int64_t> ids(20);
    std::vector<float> scores(20);
    const auto refuse = [&](const std::vector<std::string>& parts, const Batch& queries, const SearchParams& params,
                            const Hits& out) {
      expect_error(Errc::invalid_argument, parts, [&] { index.search(queries, params, out); });
      expect_error(Errc::invalid_argument, parts, [&] { index.search_exact(queries, params, out); });
    };
    const Hits out{ids, scores};
    refuse({"queries: dim is 3", "4"}, {vectors.values.data(), 2, 3}, {.k = 10}, out);
    refuse({"out: room for 20", "30"}, {vectors.values.data(), 3, 4}, {.k = 10}, out);
    refuse({"out: "}, {vectors.values.data(), 2, 4}, {.k = 10}, {ids, std::span(scores).first(19)});
    refuse({"early_exit_threshold"}, {vectors.values.data(), 2, 4}, {.k = 10, .early_exit_threshold = -1}, out);
    for (const float wrong : {kNaN, kInfinity, -kInfinity}) {
      Vectors queries = vectors.part(0, 2);
      queries.values[4 + 3] = wrong;
      refuse({"queries: row 1, column 3"}, queries.matrix(), {.k = 10}, out);
    }
  }
}

TEST(IndexSearch, AKBeyondAllMemoryIsRefused) {
  const Vectors vectors = small_vectors();
  const Index index = index_of(vectors);
  // Two queries times 2^63 results are 0 places, if one does not look.
  expect_error(Errc::invalid_argument, {"out: room for 0"}, [&] {
    index.search({vectors.values.data(), 2, 4}, {.k = std::size_t{1} << 63}, {});
  });
}

TEST(Index, CopiesShareTheFileAndOutliveIt) {
  const TempDir folder;
  const Vectors vectors = small_vectors();
  std::optional<Index> first = index_of(vectors, {}, folder / "index");
  const Index copy = *first;
  EXPECT_EQ(&copy.file(), &first->file());
  first.reset();
  std::filesystem::remove(folder / "index");
  copy.verify();
}

/// Row 7 is zero; lengths differ.
Vectors of_any_length() {
  Random random(12);
  Vectors vectors = normal_vectors(random, 60, 5);
  for (std::size_t i = 0; i < 60; ++i)
    for (std::size_t j = 0; j < 5; ++j) vectors.values[5 * i + j] *= i == 7 ? 0 : static_cast<float>(1 + i);
  return vectors;
}

TEST(Cosine, IsTheDotProductOfNormalizedVectors) {
  const Vectors vectors = of_any_length();
  Vectors normalized = vectors;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    double squares = 0;
    for (std::size_t j = 0; j < 5; ++j) squares += std::pow(double{vectors.row(i)[j]}, 2);
    for (std::size_t j = 0; j < 5 && squares != 0; ++j)
      normalized.values[5 * i + j] = static_cast<float>(double{vectors.row(i)[j]} * (1 / std::sqrt(squares)));
  }
  const Encoding dense[] = {Encoding::f32, Encoding::f16}, sparse[] = {Encoding::sparse_f32, Encoding::sparse_fixed16};
  for (const Kind kind : {Kind::flat, Kind::graph})
    for (const bool is_sparse : {false, true})
      for (const Encoding encoding : is_sparse ? sparse : dense) {
        if (kind == Kind::flat && encoding == Encoding::sparse_fixed16) continue;
        SCOPED_TRACE(std::string(name_of(kind)) + " " + std::string(name_of(encoding)));
        BuildParams params{.schema = {.kind = kind, .metric = Metric::cosine, .first = {.encoding = encoding}},
                           .graph = {.m = 4}};
        const auto built = [&](const Vectors& from) {
          if (is_sparse) return test::build(sparse_of(from), params);
          return index_of(from, params);
        };
        const Index index = built(vectors);
        params.schema.metric = Metric::dot_product;
        const Index other = built(normalized);
        EXPECT_EQ(index.manifest().schema.metric, Metric::cosine);
        for (const SectionEntry& section : other.manifest().sections)
          EXPECT_TRUE(
              std::ranges::equal(index.file().section(section.name).bytes, other.file().section(section.name).bytes))
              << section.name;
        EXPECT_EQ(index.manifest().provenance.inputs[0].xxh3, built(vectors).manifest().provenance.inputs[0].xxh3);
        std::vector<std::int64_t> ids(60 * 60);
        std::vector<float> scores(ids.size()), expected(ids.size());
        const SparseVectors entries = sparse_of(vectors), unit_entries = sparse_of(normalized);
        const Batch queries = is_sparse ? entries.batch(5) : vectors.matrix(),
                    unit = is_sparse ? unit_entries.batch(5) : normalized.matrix();
        for (const auto search : {&Index::search, &Index::search_exact}) {
          (other.*search)(unit, {.k = 60, .ef_search = 60}, {ids, expected});
          (index.*search)(queries, {.k = 60, .ef_search = 60}, {ids, scores});
          EXPECT_EQ(scores, expected);
          for (std::size_t i = 0; i < ids.size(); ++i) {
            ASSERT_LE(std::abs(scores[i]), 1.001F);
            if (ids[i] == 7 || i / 60 == 7) ASSERT_EQ(scores[i], 0) << "a vector of zeros";
          }
        }
      }
}

TEST(Metrics, EncodingsWithoutTheirDistancesRefuseThem) {
  int refused = 0;
  for (const ClassRow& row : class_rows())
    for (const Encoding encoding : row.encodings)
      for (const MetricRow& metric : kMetrics) {
        if (row.tokens() || has_metric(row_of(encoding).distances, metric.metric)) continue;
        BuildParams params{.schema = {.kind = row.kind,
                                      .vector_kind = row.vector_kind(),
                                      .metric = metric.metric,
                                      .first = {.encoding = encoding, .role = row.first}}};
        if (!row.seconds.empty()) params.schema.second = Stage{.encoding = row.seconds.front(), .role = Role::rerank};
        const std::string codes = (row.first == Role::traversal ? "navigation '" : "dtype '") +
                                  std::string(name_of(encoding)) +
                                  (row.vector_kind() == VectorKind::sparse ? "' of sparse" : "' of dense") + " vectors";
        expect_error(Errc::invalid_argument,
                     {"unsupported combination: metric '" + std::string(metric.name) + "' with " + codes,
                      "use metric 'dotproduct'"},
                     [&] { Index::build(*of_shape(row.vector_kind()), params); });
        ++refused;
      }
  EXPECT_GE(refused, 10);
}

/// Before what the encoding itself lacks.
TEST(Metrics, AreRefusedBeforeAParameterIsMissed) {
  Given<BuildParams> given(build_parameters());
  given.give_text("metric", "manhattan");
  given.give_text("dtype", "pq");
  expect_error(Errc::invalid_argument, {"metric 'manhattan' with dtype 'pq' of dense vectors"},
               [&] { build_params(given, VectorKind::dense); });
}

TEST(Manhattan, CodesWithoutItsDistancesAreRefused) {
  for (const Stage& first : {Stage{.encoding = Encoding::pq, .code = {.m_pq = 1}},
                             Stage{.encoding = Encoding::dense_int8, .role = Role::traversal}}) {
    BuildParams params{.schema = {.metric = Metric::manhattan, .first = first}};
    if (first.role == Role::traversal) params.schema.second = Stage{.role = Role::rerank};
    expect_error(Errc::invalid_argument,
                 {"unsupported combination: metric 'manhattan' with", name_of(first.encoding).data(),
                  "use metric 'dotproduct', 'euclidean' or 'cosine'"},
                 [&] { index_of(small_vectors(), params); });
  }
  expect_error(Errc::invalid_argument,
               {"unsupported combination: metric 'manhattan' with dtype 'f16' of sparse vectors"}, [] {
                 Index::build(*of_shape(VectorKind::sparse),
                              {.schema = {.metric = Metric::manhattan, .first = {.encoding = Encoding::sparse_f16}}});
               });
}

/// Rows that stand for others are found by their own distances, and as many as there are.
TEST(Manhattan, NearCopiesAreFoundByTheirDistances) {
  Random random(5);
  Vectors vectors = normal_vectors(random, 3000, 16);
  for (std::size_t i = 1500; i < 3000; ++i)
    for (std::size_t j = 0; j < 16; ++j)
      vectors.values[16 * i + j] =
          vectors.values[16 * (i % 100) + j] + (j == i % 16 ? 1e-3F * static_cast<float>(i % 7) : 0);
  const Index index = index_of(vectors, {.schema = {.metric = Metric::manhattan}, .graph = {.m = 8}});
  ASSERT_GT(index.manifest().graph->near_copies, 100u);
  const Vectors queries = vectors.part(0, 100);
  const std::size_t k = 20;
  std::vector<std::int64_t> ids(100 * k);
  std::vector<float> found(ids.size()), exact(ids.size());
  index.search(queries.matrix(), {.k = k, .ef_search = 200}, {ids, found});
  index.search_exact(queries.matrix(), {.k = k}, {ids, exact});
  EXPECT_EQ(found, exact);
}

TEST(Index, ProvenanceTellsHowItWasBuilt) {
  const Index index =
      index_of(small_vectors(), {.schema = {.metric = Metric::euclidean}, .graph = {.m = 5, .ef_construction = 33}});
  const Provenance& p = index.manifest().provenance;
  EXPECT_EQ(p.library_version, library_version());
  ASSERT_EQ(p.inputs.size(), 1u);
  EXPECT_EQ(p.inputs[0].name, "vectors.npy");
  EXPECT_EQ(p.inputs[0].rows, 50u);
  const std::vector<std::pair<std::string, std::string>> expected = {{"kind", "hnsw"}, {"metric", "euclidean"},
                                                                     {"dtype", "f32"}, {"graph_type", "permuted"},
                                                                     {"m", "5"},       {"ef_construction", "33"}};
  EXPECT_EQ(p.parameters, expected);
}

TEST(Names, AreReadAsTheyAreWritten) {
  for (const MetricRow& row : kMetrics) EXPECT_EQ(parse_metric(name_of(row.metric)), row.metric);
  for (const GraphTypeRow& row : graph_type_rows()) EXPECT_EQ(parse_graph_type(name_of(row.type)), row.type);
  for (const EncodingRow& row : encoding_rows())
    EXPECT_EQ(parse_encoding(name_of(row.encoding), row.vector_kind), row.encoding);
  for (const KindRow& row : kind_rows()) EXPECT_EQ(parse_kind(name_of(row.kind)), row.kind);
  EXPECT_EQ(parse_metric("Angular"), Metric::cosine);
  EXPECT_EQ(parse_metric("L1"), Metric::manhattan);
  expect_error(Errc::invalid_argument, {"graph_type: '' given", "'standard', 'permuted', 'compressed', 'paged'"},
               [] { parse_graph_type(""); });
  expect_error(Errc::invalid_argument, {"dtype: 'F32' given", "'f32', 'f16'"}, [] { parse_encoding("F32"); });
  EXPECT_EQ(parse_dtype("f16", "SparseRerankHNSW"), Encoding::sparse_f16);
  EXPECT_EQ(parse_dtype("f16", "DensePlainHNSW"), Encoding::f16);
  EXPECT_EQ(parse_dtype("rabitq", "DenseRerankHNSW"), Encoding::rabitq);
  expect_error(Errc::invalid_argument, {"dtype: 'pq' given", "'f32', 'f16'; use class DensePQHNSW"},
               [] { parse_dtype("pq", "DensePlainHNSW"); });
  EXPECT_EQ(parse_navigation("int4", Kind::graph, VectorKind::dense), Encoding::dense_int4);
  expect_error(Errc::invalid_argument, {"navigation: 'f16' given", "'int8', 'int4', 'rabitq'"},
               [] { parse_navigation("f16", Kind::graph, VectorKind::dense); });
  expect_error(Errc::invalid_argument, {"navigation: 'int8' given, unsupported for kind 'flat' over dense"},
               [] { parse_navigation("int8", Kind::flat, VectorKind::dense); });
  EXPECT_FALSE(std::signbit(score_of(Metric::dot_product, 0)));
  expect_error(Errc::invalid_argument, {"kind: 'graph' given", "'flat', 'hnsw'"}, [] { parse_kind("graph"); });
}

TEST(Registry, EveryEncodingHasAClass) {
  std::set<std::string_view> names;
  for (const ClassRow& row : class_rows()) {
    if (!row.tokens()) names.insert(row.name);  // these are joined, not built
    for (const Encoding encoding : row.encodings)
      EXPECT_EQ(row_of(encoding).vector_kind, row.vector_kind()) << row.name;
  }
  std::set<std::string_view> built;
  for (const KindRow& kind : kind_rows())
    for (const EncodingRow& encoding : encoding_rows()) {
      if (encoding.vector_kind == VectorKind::tokens) continue;
      for (const int stages : {0, 1, 2}) {  // one, of navigation, of reranking
        BuildParams params{.schema = {.kind = kind.kind,
                                      .first = {.encoding = encoding.encoding,
                                                .code = {.m_pq = encoding.encoding == Encoding::pq ? 1U : 0U,
                                                         .bits = encoding.encoding == Encoding::rabitq ? 1U : 0U}}}};
        const Encoding exact = encoding.compact ? Encoding::f32 : encoding.encoding;
        params.schema.vector_kind = encoding.vector_kind;
        if (stages == 1) params.schema.first.role = Role::traversal;
        if (stages != 0) params.schema.second = Stage{.encoding = exact, .role = Role::rerank};
        const auto stream = of_shape(encoding.vector_kind);
        if (class_of(params.schema) == nullptr) {
          expect_error(Errc::invalid_argument, {"unsupported combination: ", " with "},
                       [&] { Index::build(*stream, params); });
        } else {
          built.insert(Index::build(*stream, params).class_name());
        }
      }
    }
  EXPECT_EQ(built, names);
}

}  // namespace
}  // namespace cassata::index_test
