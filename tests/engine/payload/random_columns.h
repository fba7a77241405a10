// Columns of every type with random values.
#pragma once

#include <limits>
#include <set>
#include <string>
#include <vector>

#include "cassata/payload.h"
#include "tests/support/random.h"

namespace cassata::test {

/// The tags of a row; none in a row without a value.
inline std::set<std::string> tags_of(const Column& column, std::size_t row) {
  const auto& lists = std::get<TextLists>(column.values);
  std::set<std::string> tags;
  if (column.has(row))
    for (std::size_t i = lists.begin(row); i < lists.end(row); ++i) tags.emplace(lists.texts[i]);
  return tags;
}

inline std::string random_word(Random& random) {
  static const std::vector<std::string> kParts = {"a", "b", "ab", "é", "\xF0\x9F\x8D\xA8", " "};
  std::string word;
  for (std::size_t i = below(random, 4); i > 0; --i) word += kParts[below(random, kParts.size())];
  return word;
}

/// Integers of which many are equal, some near 2^53, and the ends of the type.
inline std::int64_t random_integer(Random& random) {
  const std::int64_t rare[] = {std::numeric_limits<std::int64_t>::min(),
                               std::numeric_limits<std::int64_t>::max(),
                               std::int64_t{1} << 53,
                               (std::int64_t{1} << 53) + 1,
                               -(std::int64_t{1} << 53) - 1,
                               static_cast<std::int64_t>(random())};
  return random() % 4 ? static_cast<std::int64_t>(below(random, 9)) - 4 : rare[random() % 6];
}

inline double random_float(Random& random) {
  using Limits = std::numeric_limits<double>;
  const double rare[] = {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), -0.0, 0x1p53, 0x1p63, -0x1p63,
                         Limits::denorm_min()};
  return random() % 4 ? static_cast<double>(below(random, 17)) / 2 - 4 : rare[random() % 8];
}

/// One column of each type, with nulls in about half of them; named as their types.
inline std::vector<Column> random_columns(Random& random, std::size_t size) {
  std::vector<std::int64_t> integers;
  std::vector<double> floats;
  Bitmap truths(size);
  Timestamps times{.unit = static_cast<TimeUnit>(random() % 4), .values = {}};
  Texts texts;
  TextLists lists;
  for (std::size_t row = 0; row < size; ++row) {
    integers.push_back(random_integer(random));
    floats.push_back(random_float(random));
    if (random() % 2) truths.set(row);
    times.values.push_back(random() % 2 ? random_integer(random)
                                        : static_cast<std::int64_t>(below(random, 4000)) * 500);
    texts.append(random_word(random));
    for (std::size_t i = below(random, 4); i > 0; --i) lists.texts.append(random_word(random));
    lists.end_list();
  }
  std::vector<Column> columns = {{.name = "int64", .values = integers}, {.name = "float64", .values = floats},
                                 {.name = "bool", .values = truths},    {.name = "timestamp", .values = times},
                                 {.name = "text", .values = texts},     {.name = "tags", .values = lists}};
  for (Column& column : columns) {
    if (random() % 2) continue;
    column.present = Bitmap(size);
    for (std::size_t row = 0; row < size; ++row)
      if (random() % 4) column.present.set(row);
  }
  return columns;
}

}  // namespace cassata::test
