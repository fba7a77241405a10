// External ids: what was written is read, found by id, and refused if it is damaged or given twice.
#include "engine/payload/external_ids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/engine/payload/mapped_payload.h"
#include "tests/support/expect_error.h"
#include "tests/support/rehash.h"
#include "tests/support/temp_dir.h"

namespace cassata::external_ids_test {
namespace {

using namespace test;

/// Different ids, and some that are none of them.
struct Case {
  std::vector<std::int64_t> numbers, other_numbers;
  std::vector<std::string> texts, other_texts;

  Case(Random& random, std::size_t size) {
    std::set<std::int64_t> seen = {-1};  // which is no id
    std::set<std::string> seen_texts;
    while (numbers.size() < size) {
      const auto number =
          random() % 2 ? static_cast<std::int64_t>(random()) : static_cast<std::int64_t>(below(random, 3 * size)) - 5;
      if (seen.insert(number).second) (random() % 4 ? numbers : other_numbers).push_back(number);
    }
    while (texts.size() < size) {
      std::string text;
      for (std::size_t i = below(random, 6); i > 0; --i)
        text += std::vector<std::string>{"a", "b", "é", "\xF0\x9F\x8D\xA8", std::string(1, '\0')}[random() % 5];
      if (seen_texts.insert(text).second) (random() % 4 ? texts : other_texts).push_back(text);
    }
  }
  Payload::Ids ids(bool as_texts) const {
    if (!as_texts) return numbers;
    Texts all;
    for (const std::string& text : texts) all.append(text);
    return all;
  }
};

TEST(ExternalIds, AreReadAndFound) {
  const TempDir folder;
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t size = 1 + below(random, 40);
    const Case c(random, size);
    const bool as_texts = seed % 2 != 0;
    const auto file = write_payload(folder / "index", {.ids = c.ids(as_texts), .fields = {}}, size);
    const ExternalIds ids(*file);
    ASSERT_EQ(ids.size(), size);
    ASSERT_EQ(ids.type(), as_texts ? IdType::text : IdType::int64);
    for (Id row = 0; row < size; ++row) {
      const ExternalId expected = as_texts ? ExternalId(c.texts[row]) : ExternalId(c.numbers[row]);
      ASSERT_EQ(ids.at(row), expected);
      ASSERT_EQ(ids.row_of(expected), row);
      ASSERT_EQ(ids.row_of(as_texts ? ExternalId(c.numbers[row]) : ExternalId(c.texts[row])), std::nullopt);
    }
    for (const std::int64_t number : c.other_numbers) ASSERT_EQ(ids.row_of(number), std::nullopt);
    for (const std::string& text : c.other_texts) ASSERT_EQ(ids.row_of(std::string_view(text)), std::nullopt);
    file->verify({}, [&](const Reading& reading) { ids.verify(reading); });
  }
}

TEST(ExternalIds, RefusesWhatIsNoneOrGivenTwice) {
  Texts texts;
  for (const char* text : {"b", "a", "c", "a"}) texts.append(text);
  expect_error(Errc::invalid_argument, {"ids: rows 1 and 3 have the same id 'a', expected each id once"},
               [&] { order_of(texts, 4); });
  expect_error(Errc::invalid_argument, {"ids: rows 0 and 2 have the same id -7"}, [] {
    order_of(std::vector<std::int64_t>{-7, 3, -7}, 3);
  });
  expect_error(Errc::invalid_argument, {"ids: 3 given, expected 4, as there are vectors"}, [] {
    order_of(std::vector<std::int64_t>{1, 2, 3}, 4);
  });
  expect_error(Errc::invalid_argument, {"ids: row 1: -1, which stands for a missing result"}, [] {
    order_of(std::vector<std::int64_t>{1, -1, 3}, 3);
  });
  Texts bad;
  for (const char* text : {"b", "a\xFF"}) bad.append(text);
  expect_error(Errc::invalid_argument, {"ids: row 1: 'a\\xff', expected UTF-8"}, [&] { order_of(bad, 2); });
}

TEST(ExternalIds, DamageIsSurvivedAndFound) {
  const TempDir folder;
  for (unsigned seed = 0; seed < seeds(200); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t size = 1 + below(random, 20);
    const Case c(random, size);
    const bool as_texts = seed % 2 != 0;
    const auto right = write_payload(folder / "right", {.ids = c.ids(as_texts), .fields = {}}, size);
    const auto& sections = right->manifest().sections;
    const SectionEntry& section = sections[below(random, sections.size())];
    const auto bytes = right->section(section.name).bytes;
    Bytes changed(bytes.begin(), bytes.end());
    if (changed.empty()) continue;
    if (random() % 4 == 0) {
      changed.resize(below(random, changed.size()));
    } else if (section.name.ends_with("text")) {
      changed[below(random, changed.size())] = std::byte{0xFF};
    } else {
      const std::size_t width = section.name.ends_with("order") ? 4 : 8, at = below(random, changed.size() / width);
      const std::uint64_t hostile = section.name.ends_with("values") && size > 1
                                        ? static_cast<std::uint64_t>(c.numbers[(at + 1) % size])
                                        : hostile_offset(random, size);
      if (std::memcmp(changed.data() + at * width, &hostile, width) == 0) continue;
      if (section.name.ends_with("values") && size == 1) continue;  // any number is right
      std::memcpy(changed.data() + at * width, &hostile, width);
    }
    write_with_sections(folder / "damaged", *right, {{section.name, changed}});
    const auto file = MappedFile::open(folder / "damaged");
    expect_error(Errc::corrupt, {"damaged: section 'external_ids."}, [&] {
      const ExternalIds ids(*file);
      for (std::size_t row = 0; row < size; ++row) {
        try {
          const ExternalId id = ids.at(static_cast<Id>(row));
          ASSERT_LT(ids.row_of(id).value_or(0), size);
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), Errc::corrupt);
        }
      }
      file->verify({}, [&](const Reading& reading) { ids.verify(reading); });
    });
  }
}

}  // namespace
}  // namespace cassata::external_ids_test
