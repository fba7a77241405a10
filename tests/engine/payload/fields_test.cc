// Fields: columns are read as they were written, and damage is survived and found.
#include "engine/payload/fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "cassata/condition.h"
#include "tests/engine/payload/mapped_payload.h"
#include "tests/engine/payload/random_columns.h"
#include "tests/support/expect_error.h"
#include "tests/support/rehash.h"
#include "tests/support/temp_dir.h"

namespace cassata::fields_test {
namespace {

using namespace test;

/// `column` as it is read again: rows without a value hold 0 or nothing, and tags are sorted, each once.
Column as_stored(Column column) {
  const std::size_t n = column.size();
  if (column.present.size() != 0 && column.present.count() == n) column.present = {};
  const auto clear = [&](auto& values) {
    for (std::size_t row = 0; row < n; ++row)
      if (!column.has(row)) values[row] = 0;
  };
  if (auto* integers = std::get_if<std::vector<std::int64_t>>(&column.values)) clear(*integers);
  if (auto* floats = std::get_if<std::vector<double>>(&column.values)) clear(*floats);
  if (auto* times = std::get_if<Timestamps>(&column.values)) clear(times->values);
  if (auto* truths = std::get_if<Bitmap>(&column.values); truths && column.present.size() != 0)
    *truths &= column.present;
  if (auto* texts = std::get_if<Texts>(&column.values)) {
    Texts stored;
    for (std::size_t row = 0; row < n; ++row) stored.append(column.has(row) ? (*texts)[row] : "");
    *texts = stored;
  }
  if (auto* lists = std::get_if<TextLists>(&column.values)) {
    TextLists stored;
    for (std::size_t row = 0; row < n; ++row) {
      for (const std::string& text : tags_of(column, row)) stored.texts.append(text);
      stored.end_list();
    }
    *lists = stored;
  }
  return column;
}

void expect_equal(const Column& found, const Column& expected) {
  EXPECT_EQ(found.name, expected.name);
  EXPECT_EQ(found.present, expected.present);
  if (const auto* floats = std::get_if<std::vector<double>>(&expected.values)) {
    const auto& ours = std::get<std::vector<double>>(found.values);
    ASSERT_EQ(ours.size(), floats->size());
    EXPECT_EQ(std::memcmp(ours.data(), floats->data(), ours.size() * sizeof(double)), 0);  // NaNs, too
  } else {
    EXPECT_EQ(found.values, expected.values);
  }
}

TEST(Fields, AreReadAsTheyWereWritten) {
  const TempDir folder;
  for (unsigned seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t size = 1 + below(random, seed % 20 == 0 ? 1000 : 150);
    const std::vector<Column> columns = random_columns(random, size);
    const auto file = write_payload(folder / "index", {.ids = {}, .fields = columns}, size);
    const Fields fields(*file);
    ASSERT_EQ(fields.entries().size(), columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const Column expected = as_stored(columns[i]);
      EXPECT_EQ(fields.entries()[i].type, expected.type());
      EXPECT_EQ(fields.entries()[i].nulls, expected.present.size() != 0);
      expect_equal(fields.column(i), expected);
    }
    file->verify({}, [&](const Reading& reading) { fields.verify(reading); });
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Fields, CodesAreAsWideAsTheDictionaryNeeds) {
  const TempDir folder;
  for (const std::size_t different : {256, 257, 65536, 65537}) {
    Texts texts;
    for (std::size_t i = 0; i < different; ++i) texts.append(std::to_string(different - i));
    const std::vector<Column> columns = {{.name = "text", .values = texts}};
    const auto file = write_payload(folder / "index", {.ids = {}, .fields = columns}, different);
    const Fields fields(*file);
    EXPECT_EQ(fields.entries()[0].width, different <= 256 ? 1 : different <= 65536 ? 2 : 4);
    EXPECT_EQ(fields.dictionary_size(0), different);
    expect_equal(fields.column(0), columns[0]);
    file->verify({}, [&](const Reading& reading) { fields.verify(reading); });
  }
}

TEST(Fields, RefusesColumnsThatDoNotFit) {
  const std::vector<std::int64_t> three = {1, 2, 3};
  expect_error(Errc::invalid_argument, {"fields: 'size': 3 values, expected 4, as there are vectors"},
               [&] { check_columns(std::vector<Column>{{.name = "size", .values = three}}, 4); });
  expect_error(Errc::invalid_argument, {"fields: 'size': given twice"}, [&] {
    check_columns(std::vector<Column>{{.name = "size", .values = three}, {.name = "size", .values = three}}, 3);
  });
  for (const std::string name : {"", "$and", "\xFF"})
    expect_error(Errc::invalid_argument, {"not a name"},
                 [&] { check_columns(std::vector<Column>{{.name = name, .values = three}}, 3); });
  Texts bad;
  bad.append("\xFF");
  expect_error(Errc::invalid_argument, {"fields: 'text': '\\xff', expected UTF-8"},
               [&] { check_columns(std::vector<Column>{{.name = "text", .values = bad}}, 1); });
  expect_error(Errc::invalid_argument, {"fields: 1001 given, expected at most 1000"},
               [&] { check_columns(std::vector<Column>(1001), 0); });
}

/// Whether a row without a value, or a dictionary, or the order of tags makes a change of the bytes one that breaks a
/// rule is for verify to say; no reader may leave the sections, and what verify accepts is read without an error.
TEST(Fields, DamageIsSurvived) {
  const TempDir folder;
  std::size_t refused = 0;
  for (unsigned seed = 0; seed < seeds(300); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t size = 1 + below(random, 70);
    const auto right = write_payload(folder / "right", {.ids = {}, .fields = random_columns(random, size)}, size);
    const auto& sections = right->manifest().sections;
    const SectionEntry& section = sections[below(random, sections.size())];
    const auto bytes = right->section(section.name).bytes;
    Bytes changed(bytes.begin(), bytes.end());
    for (std::size_t i = below(random, 4); i > 0 && changed.size() >= 8; --i) {
      const std::uint64_t hostile = hostile_offset(random, size);
      std::memcpy(changed.data() + below(random, changed.size() / 8) * 8, &hostile, 8);
    }
    if (random() % 8 == 0) changed.resize(below(random, changed.size() + 20));
    write_with_sections(folder / "damaged", *right, {{section.name, changed}});
    const auto file = MappedFile::open(folder / "damaged");
    const auto check = [&](const auto& work) {
      try {
        work();
        return true;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::corrupt);
        EXPECT_NE(std::string(error.what()).find("section 'fields."), std::string::npos) << error.what();
        return false;
      }
    };
    std::unique_ptr<const Fields> fields;
    if (!check([&] { fields = std::make_unique<const Fields>(*file); })) {
      ++refused;
      continue;
    }
    const std::vector<Term> values = {1, 0.5, true, "2024-01-31", "a", "b"};  // for the fields in their order
    for (std::size_t i = 0; i < values.size(); ++i)
      for (const char* what : {"$eq", "$gte", "$in", "$contains"}) {
        const std::string name = fields->entries()[i].name;
        if ((name == "bool" || i < 4) && std::string(what) == "$contains") continue;
        if (name == "bool" && std::string(what) == "$gte") continue;
        const Term value = std::string(what) == "$in" ? Term(Term::List(20, values[i])) : values[i];
        check([&] { Condition(Term::Object{{name, Term::Object{{what, value}}}}).rows(*fields); });
      }
    bool all = true;
    for (std::size_t i = 0; i < fields->entries().size(); ++i) all &= check([&] { fields->column(i); });
    const bool verified = check([&] { file->verify({}, [&](const Reading& reading) { fields->verify(reading); }); });
    refused += !verified;
    EXPECT_TRUE(all || !verified);
  }
  EXPECT_GT(refused, seeds(300) / 4);
}

/// Each rule, broken alone.
TEST(Fields, EachFaultIsNamedWithItsPlace) {
  const TempDir folder;
  Bitmap some(3, true), truths(3);
  some.words()[0] = 0b101;
  truths.set(0);
  Texts texts;
  TextLists lists;
  for (const char* text : {"b", "x", "a"}) {
    texts.append(text);
    lists.texts.append("t");
    lists.texts.append(text);
    lists.end_list();
  }
  const std::vector<std::int64_t> numbers = {1, 2, 3};
  const auto right = write_payload(
      folder / "right",
      {.ids = {},
       .fields = {{"number", numbers, some}, {"truth", truths, some}, {"text", texts, some}, {"tags", lists, some}}},
      3);
  const auto expect_found = [&](const std::string& name, std::size_t at, auto value, const std::string& found) {
    const auto bytes = right->section(name).bytes;
    Bytes changed(bytes.begin(), bytes.end());
    ASSERT_LE(at + sizeof value, changed.size());
    std::memcpy(changed.data() + at, &value, sizeof value);
    write_with_sections(folder / "damaged", *right, {{name, changed}});
    const auto file = MappedFile::open(folder / "damaged");
    const Fields fields(*file);
    expect_error(Errc::corrupt, {"section '" + name + "' at byte ", found},
                 [&] { file->verify({}, [&](const Reading& reading) { fields.verify(reading); }); });
  };
  using u8 = std::uint8_t;
  expect_found("fields.0.values", 8, u8{1}, "row 1: a value, expected 0");
  expect_found("fields.0.present", 0, u8{0b1101}, "bits beyond the last row");
  expect_found("fields.1.values", 0, u8{0b11}, "true, expected 0");
  expect_found("fields.1.values", 7, u8{1}, "bits beyond the last row");
  expect_found("fields.2.values", 1, u8{1}, "row 1: a value, expected 0");
  expect_found("fields.2.values", 2, u8{2}, "code 2, expected one below 2");
  expect_found("fields.2.dictionary.text", 1, 'a', "text 1, expected one that is greater");
  expect_found("fields.2.dictionary.text", 1, '\xFF', "text 1, expected UTF-8");
  expect_found("fields.2.dictionary.offsets", 0, u8{1}, "a first text from byte 1");
  expect_found("fields.2.dictionary.offsets", 8, u8{3}, "a text from byte 0 to 3");
  expect_found("fields.2.dictionary.offsets", 16, u8{3}, "a text from byte 1 to 3");
  expect_found("fields.3.values", 0, u8{2}, "tags that do not rise");
  expect_found("fields.3.values", 1, u8{9}, "code 9, expected one below 3");
  expect_found("fields.3.offsets", 8, u8{1}, "a list of tags up to code 2");
  expect_found("fields.3.offsets", 24, u8{3}, "a list of tags up to code 3 of 4");
}

}  // namespace
}  // namespace cassata::fields_test
