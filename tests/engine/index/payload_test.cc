// External ids and fields of an index: stored with any kind of index, checked before the build, kept by join and save.
#include "cassata/payload.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "cassata/condition.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/multivector_cases.h"
#include "tests/support/expect_error.h"
#include "tests/support/random_case.h"
#include "tests/support/temp_dir.h"

namespace cassata::payload_test {
namespace {

using namespace test;

constexpr std::size_t kRows = 60, kDim = 4;

/// Ids that fall, and the row number as a field.
Payload small_payload(std::size_t size = kRows) {
  std::vector<std::int64_t> ids, numbers;
  for (std::size_t row = 0; row < size; ++row) {
    ids.push_back(static_cast<std::int64_t>(1000 - row));
    numbers.push_back(static_cast<std::int64_t>(row));
  }
  return {.ids = ids, .fields = {{.name = "row", .values = numbers}}};
}

void expect_payload(const Index& index) {
  ASSERT_NE(index.external_ids(), nullptr);
  EXPECT_EQ(index.external_ids()->type(), IdType::int64);
  for (Id row = 0; row < index.size(); ++row) {
    EXPECT_EQ(index.external_ids()->at(row), ExternalId(1000 - std::int64_t{row}));
    EXPECT_EQ(index.external_ids()->row_of(1000 - std::int64_t{row}), row);
  }
  EXPECT_EQ(index.fields().column(0).values, small_payload(index.size()).fields[0].values);
  index.verify();
}

Vectors vectors_of(unsigned seed) {
  Random random(seed);
  return whole_vectors(random, kRows, kDim);
}

TEST(IndexPayload, EveryKindHasIt) {
  const TempDir folder;
  const Payload payload = small_payload();
  const Vectors vectors = vectors_of(1);
  for (const BuildParams& plain : cover_of(all_cases()).covering) {
    SCOPED_TRACE(name_of_case(plain));
    BuildParams params = plain;
    const Index without = build(vectors, params);
    EXPECT_EQ(without.external_ids(), nullptr);
    EXPECT_TRUE(without.fields().entries().empty());
    params.payload = &payload;
    const Index index = build(vectors, params, folder / "index");
    expect_payload(index);
    EXPECT_EQ(index.manifest().provenance.parameters, without.manifest().provenance.parameters);
    for (const SectionEntry& section : without.manifest().sections)
      EXPECT_TRUE(
          std::ranges::equal(without.file().section(section.name).bytes, index.file().section(section.name).bytes));
    const SearchParams few{.k = 5};
    EXPECT_EQ(search(index, vectors, few).ids, search(without, vectors, few).ids);
    if (HasFailure()) return;
  }
}

TEST(IndexPayload, OutlivesJoinAndSave) {
  const TempDir folder;
  const Payload payload = small_payload();
  const MultivectorCase one = multivector_cases().front();
  BuildParams params = first_params(one);
  params.payload = &payload;
  Random random(1);
  const Index first = build(vectors_of(1), params);
  expect_payload(join(first, random_tokens(random, kRows, 2, 1, 5, 3), one.layout, folder / "joined"));
  first.save(folder / "saved");
  expect_payload(Index::open(folder / "saved"));
}

TEST(IndexPayload, IsCheckedBeforeTheBuild) {
  const TempDir folder;
  const Payload short_one = small_payload(kRows - 1);
  bool built = false;
  BuildParams params;
  params.payload = &short_one;
  params.progress = [&](std::string_view, std::uint64_t, std::uint64_t) { built = true; };
  expect_error(Errc::invalid_argument, {"59", "expected 60, as there are vectors"},
               [&] { build(vectors_of(1), params, folder / "index"); });
  EXPECT_FALSE(built);
  EXPECT_TRUE(folder.names().empty());
}

TEST(IndexPayload, IsComparedWithItsHashesOnFirstUse) {
  const TempDir folder;
  const Payload payload = small_payload();
  BuildParams params;
  params.payload = &payload;
  const auto use = [&](const std::string& section, const auto& work) {
    build(vectors_of(1), params, folder / "index");
    const Index index = Index::open(folder / "index", {.verify = Verify::touched});
    const std::uint64_t at = index.file().section(section).offset;
    std::fstream file(folder / "index", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at)).put('\x55').flush();
    expect_error(Errc::corrupt, {"the 64 KiB block from byte 4096 has hash"}, [&] { work(index); });
  };
  use("external_ids.values", [](const Index& index) { index.external_ids()->at(0); });
  use("external_ids.order", [](const Index& index) { index.external_ids()->row_of(17); });
  use("fields.0.values", [](const Index& index) { index.fields().column(0); });
  use("fields.0.values", [](const Index& index) { index.rows_where(Condition(Term::Object{{"row", 3}})); });
}

TEST(IndexPayload, RowsOfConditionsAreKept) {
  const Payload payload = small_payload();
  BuildParams params;
  params.payload = &payload;
  const Index index = build(vectors_of(1), params);
  const auto below = [](int row) { return Condition(Term::Object{{"row", Term::Object{{"$lt", row}}}}); };
  const auto ten = index.rows_where(below(10));
  EXPECT_EQ(ten->count(), 10U);
  EXPECT_EQ(index.rows_where(below(10)), ten);
  for (int row = 20; row < 27; ++row) EXPECT_EQ(index.rows_where(below(row))->count(), static_cast<std::size_t>(row));
  EXPECT_EQ(index.rows_where(below(10)), ten);  // one of the last eight
  for (int row = 20; row < 28; ++row) index.rows_where(below(row));
  EXPECT_NE(index.rows_where(below(10)), ten);
  EXPECT_EQ(ten->count(), 10U);
  expect_error(Errc::invalid_argument, {"filter: unknown field 'raw', did you mean 'row'?"}, [&] {
    index.rows_where(Condition(Term::Object{{"raw", 1}}));
  });
  expect_error(Errc::invalid_argument, {"filter: 'row' given, but the index has no fields"},
               [&] { build(vectors_of(1), {}).rows_where(below(10)); });
}

}  // namespace
}  // namespace cassata::payload_test
