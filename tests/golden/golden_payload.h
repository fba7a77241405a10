// The external ids and fields of golden files.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "cassata/payload.h"

namespace cassata::test {

/// Ids of either type, and a field of each type. Every fifth row has no values but a number.
inline Payload golden_payload(IdType ids, std::size_t rows) {
  static const char* const kTexts[] = {"", "Zürich", "a", "ab", "\xF0\x9F\x8D\xA8", "line\nbreak"};
  std::vector<std::int64_t> numbers, times;
  std::vector<double> floats;
  Bitmap truths(rows), present(rows);
  Texts texts, text_ids;
  TextLists lists;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto number = static_cast<std::int64_t>(row);
    numbers.push_back((number - 50) * (std::int64_t{1} << 57));
    times.push_back(1'700'000'000'123 + number * 86'400'000);
    floats.push_back(row == 7 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(number) / 4 - 10);
    if (row % 3 == 0) truths.set(row);
    if (row % 5 != 0) present.set(row);
    texts.append(kTexts[row % 6]);
    text_ids.append("doc " + std::to_string(rows - row));
    for (std::size_t tag = 0; tag < row % 4; ++tag) lists.texts.append(kTexts[(row + 5 * tag) % 6]);
    lists.end_list();
  }
  Payload out;
  if (ids == IdType::int64)
    out.ids = numbers;
  else
    out.ids = text_ids;
  out.fields = {{.name = "number", .values = numbers},
                {.name = "float", .values = floats, .present = present},
                {.name = "truth", .values = truths, .present = present},
                {.name = "time", .values = Timestamps{TimeUnit::milliseconds, times}, .present = present},
                {.name = "text", .values = texts, .present = present},
                {.name = "tags", .values = lists, .present = present}};
  return out;
}

}  // namespace cassata::test
