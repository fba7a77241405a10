// An index as the input of a build: which rows, and what goes with them.
#include "cassata/index_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "format/file/mapped_file.h"
#include "format/input/sparse_files.h"
#include "tests/golden/golden_payload.h"
#include "tests/support/documents.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"
#include "tests/support/temp_dir.h"

namespace cassata::index_source_test {
namespace {

using namespace test;

constexpr std::size_t kSize = 60, kDim = 8;

BuildParams flat_params(Metric metric = Metric::dot_product) {
  return {.schema = {.kind = Kind::flat, .metric = metric, .first = {.encoding = Encoding::f32}}};
}

Index build_dense(const Vectors& vectors, const BuildParams& params, const std::filesystem::path& path = {}) {
  return Index::build(
      *memory_stream("vectors.npy", vectors.values.data(), vectors.size(), vectors.dim, ElementType::f32), params,
      path);
}

Vectors some_vectors(std::size_t size = kSize) {
  Random random(1);
  return normal_vectors(random, size, kDim);
}

/// Every third row.
Bitmap third_rows(std::size_t size = kSize) {
  Bitmap out(size);
  for (std::size_t row = 1; row < size; row += 3) out.set(row);
  return out;
}

std::vector<std::string> all_documents(const IndexSource& source) {
  std::vector<std::string> out;
  const auto stream = source.documents();
  for (auto document = stream->next(); document; document = stream->next()) out.emplace_back(*document);
  return out;
}

/// The value of a row, in any form that differs if values do.
std::string value_text(const Column& column, Id row) {
  if (!column.has(row)) return "none";
  const auto text = [&](const auto& values) {
    using Values = std::remove_cvref_t<decltype(values)>;
    if constexpr (std::is_same_v<Values, Timestamps>) {
      return std::to_string(values.values[row]) + std::string(name_of(values.unit));
    } else if constexpr (std::is_same_v<Values, Bitmap>) {
      return std::string(values.test(row) ? "true" : "false");
    } else if constexpr (std::is_same_v<Values, Texts>) {
      return std::string(values[row]);
    } else if constexpr (std::is_same_v<Values, TextLists>) {
      std::string out;
      for (std::size_t i = values.begin(row); i < values.end(row); ++i) out += std::string(values.texts[i]) + "|";
      return out;
    } else {
      return std::to_string(values[row]);
    }
  };
  return std::visit(text, column.values);
}

TEST(IndexSource, TakesIdsFieldsAndDocumentsOfItsRows) {
  for (const IdType type : {IdType::int64, IdType::text}) {
    Random random(2);
    const Payload payload = golden_payload(type, kSize);
    const std::vector<std::string> texts = random_documents(random, kSize, 400);
    MemoryDocuments documents(texts);
    BuildParams params = flat_params();
    params.payload = &payload;
    params.documents = &documents;
    const Index index = build_dense(some_vectors(), params);

    const IndexSource whole(index);
    EXPECT_EQ(whole.size(), kSize);
    EXPECT_EQ(whole.payload().ids, payload.ids);
    EXPECT_EQ(all_documents(whole), texts);

    const Bitmap filter = third_rows();
    const IndexSource part(index, &filter);
    EXPECT_EQ(part.size(), 20U);
    const Payload found = part.payload();
    const auto taken = part.documents();
    BuildParams again = flat_params();
    again.payload = &found;
    again.documents = taken.get();
    const Index built = Index::build(*part.vectors(), again);
    std::vector<Id> rows, chosen;
    filter.for_each([&](std::size_t row) {
      rows.push_back(static_cast<Id>(rows.size()));
      chosen.push_back(static_cast<Id>(row));
    });
    for (const Id row : rows) {
      EXPECT_EQ(built.external_ids()->at(row), index.external_ids()->at(chosen[row]));
      EXPECT_EQ(built.documents()->at(row), texts[chosen[row]]);
    }
    ASSERT_EQ(built.fields().entries().size(), payload.fields.size());
    for (std::size_t i = 0; i < payload.fields.size(); ++i) {
      const Column old = index.fields().column(i), fresh = built.fields().column(i);
      EXPECT_EQ(fresh.name, old.name);
      ASSERT_EQ(fresh.type(), old.type());
      ASSERT_EQ(fresh.size(), rows.size());
      for (const Id row : rows) ASSERT_EQ(value_text(fresh, row), value_text(old, chosen[row])) << old.name << row;
    }
  }
}

TEST(IndexSource, GivenIdsAndFieldsTakeThePlaceOfItsOwn) {
  const Payload payload = golden_payload(IdType::int64, kSize);
  BuildParams params = flat_params();
  params.payload = &payload;
  const IndexSource source(build_dense(some_vectors(), params));
  Payload given;
  given.ids = std::vector<std::int64_t>(kSize, 5);
  EXPECT_EQ(source.payload(given).ids, given.ids);
  EXPECT_EQ(source.payload(given).fields.size(), payload.fields.size());
  given.fields = {{.name = "mine", .values = std::vector<double>(kSize)}};
  ASSERT_EQ(source.payload(given).fields.size(), 1U);
  EXPECT_EQ(source.payload(given).fields[0].name, "mine");
  EXPECT_EQ(IndexSource(build_dense(some_vectors(), flat_params())).documents(), nullptr);
}

TEST(IndexSource, GivesItsMetricUnlessThereIsOne) {
  const IndexSource source(build_dense(some_vectors(), flat_params(Metric::manhattan)));
  Given<BuildParams> given(build_parameters());
  IndexSource::complete(source.index(), given);
  EXPECT_EQ(given.value("metric"), Value(std::string("manhattan")));
  Given<BuildParams> other(build_parameters());
  other.give("metric", std::string("euclidean"));
  IndexSource::complete(source.index(), other);
  EXPECT_EQ(other.value("metric"), Value(std::string("euclidean")));
}

TEST(IndexSource, RefusesFiltersOfNoRowsAndOfOtherSizes) {
  const TempDir folder;
  const Index index = build_dense(some_vectors(), flat_params(), folder / "old");
  const Bitmap none(kSize), longer(kSize + 1, true);
  expect_error(Errc::invalid_argument, {"filter: lets none of the 60 vectors of ", "old through, expected at least 1"},
               [&] { IndexSource(index, &none); });
  expect_error(Errc::invalid_argument, {"filter: of 61 rows, expected 60"}, [&] { IndexSource(index, &longer); });
}

TEST(IndexSource, IsTheInputThatABuildMayNotReplace) {
  const TempDir folder;
  const Index index = build_dense(some_vectors(), flat_params(), folder / "old");
  const auto stream = IndexSource(index).vectors();
  EXPECT_EQ(stream->name(), (folder / "old").string());
  expect_error(Errc::invalid_argument, {"path: ", "old is the input, which the index would replace"},
               [&] { Index::build(*stream, flat_params(), folder / "old"); });
  const Index fresh = Index::build(*stream, flat_params(), folder / "new");
  EXPECT_EQ(fresh.manifest().provenance.inputs[0].name, "old");
  EXPECT_EQ(fresh.manifest().provenance.inputs[0].bytes, kSize * kDim * sizeof(float));
}

TEST(IndexSource, SparseVectorsHaveTheDimensionOfThoseThatAreTaken) {
  Random random(3);
  const SparseVectors vectors = random_sparse(random, kSize, 70'000, 20);
  BuildParams params = flat_params();
  params.schema.first.encoding = Encoding::sparse_f32;
  const Index index =
      Index::build(*sparse_memory_stream("vectors.bin", vectors.components, vectors.values, vectors.offsets), params);
  const auto whole = IndexSource(index).vectors();
  EXPECT_EQ(whole->dim(), 70'000U);
  EXPECT_EQ(whole->entries(), vectors.values.size());
  Bitmap filter(kSize);
  filter.set(7);
  const auto part = IndexSource(index, &filter).vectors();
  const VectorView expected = vectors.view(7);
  EXPECT_EQ(part->size(), 1U);
  EXPECT_EQ(part->entries(), expected.values.size());
  EXPECT_EQ(part->dim(), expected.components.empty() ? 1U : expected.components.back() + 1U);
  const Batch batch = part->next_batch();
  ASSERT_EQ(batch.rows, 1U);
  EXPECT_TRUE(std::ranges::equal(batch.row(0).values, expected.values));
  EXPECT_TRUE(std::ranges::equal(batch.row(0).components, expected.components));
}

TEST(IndexSource, ABuildUnderABudgetFromAnIndexIsThatFromItsVectors) {
  const TempDir folder;
  const Vectors vectors = some_vectors(500);
  const Index index = build_dense(vectors, flat_params(), folder / "old");
  BuildParams params;
  params.memory_budget = std::uint64_t{64} << 20;
  const Index from_index = Index::build(*IndexSource(index).vectors(), params, folder / "a");
  const Index from_vectors = build_dense(vectors, params, folder / "b");
  for (const char* const section : {"codes.rows", "graph.edges", "ids"}) {
    const auto mine = from_index.file().section(section).bytes, other = from_vectors.file().section(section).bytes;
    EXPECT_TRUE(std::ranges::equal(mine, other)) << section;
  }
}

TEST(IndexFile, IsKnownByItsFirstBytes) {
  const TempDir folder;
  build_dense(some_vectors(), flat_params(), folder / "index.npy");
  EXPECT_TRUE(is_index_file(folder / "index.npy"));
  write_file(folder / "short", std::string("\x89"
                                           "CA"));
  write_file(folder / "empty", std::string());
  write_file(folder / "other.cassata", std::string(5000, '\x89'));
  for (const char* const name : {"short", "empty", "other.cassata", "missing", "."})
    EXPECT_FALSE(is_index_file(folder / name)) << name;
}

TEST(IndexSource, RefusesADamagedIndex) {
  const TempDir folder;
  const Vectors vectors = some_vectors();
  for (const std::string_view name : {"codes.rows", "fields.0.values"}) {
    SCOPED_TRACE(name);
    const auto path = folder / "index";
    std::uint64_t place = 0;
    {
      BuildParams params = flat_params();
      Payload payload;
      payload.fields.push_back({.name = "size", .values = std::vector<std::int64_t>(kSize, 7)});
      params.payload = &payload;
      params.replace.overwrite = true;
      const Index index = build_dense(vectors, params, path);
      place = index.file().section(name).offset + 9;
    }
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(place));
      file.put('\x55');
    }
    expect_error(Errc::corrupt, {path.string(), "has hash"}, [&] { IndexSource(Index::open(path)); });
  }
}

}  // namespace
}  // namespace cassata::index_source_test
