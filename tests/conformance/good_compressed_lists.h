// Whether a compressed graph's lists are as docs/format.md demands, checked by that page alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cassata/index.h"
#include "format/file/mapped_file.h"
#include "tests/conformance/good_sparse_rows.h"

namespace cassata::test {

inline bool all_zeros(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes)
    if (byte != std::byte{0}) return false;
  return true;
}

/// A list's bits: classes from the front, what they leave open from the back.
inline bool good_compressed_list(std::span<const std::byte> bytes, std::span<const std::byte> widths, std::int64_t row,
                                 std::int64_t rows, std::size_t degree) {
  const auto bits = [&](std::size_t at, std::size_t count) {
    std::int64_t number = 0;
    for (std::size_t i = 0; i < count; ++i)
      number |= std::int64_t{std::to_integer<int>(bytes[(at + i) / 8]) >> (at + i) % 8 & 1} << i;
    return number;
  };
  std::size_t front = 0, back = 8 * bytes.size(), count = 0;
  std::int64_t first = 0, number = 0, own = -1;  // numbers count from the first one here
  while (front + 3 <= back) {
    const auto c = static_cast<std::size_t>(bits(front, 3));
    if (c == 7 && own >= 0) break;
    const std::size_t width = c == 7 ? 0 : std::to_integer<std::size_t>(widths[c]);
    if (front + 3 + width > back) break;
    front += 3;
    back -= width;
    if (c == 7) {
      own = number;
      continue;
    }
    std::int64_t gap = 1 + bits(back, width);
    for (std::size_t before = 0; before < c; ++before) gap += std::int64_t{1} << std::to_integer<int>(widths[before]);
    number += gap;
    ++count;
  }
  first = row - own;
  if (own < 0 || first < 0 || first + number >= rows || count > degree || back - front >= 8) return false;
  if (back - front < 3) return bits(front, back - front) == 0;
  return bits(front, 3) == 7 && bits(front + 3, back - front - 3) == 0;
}

inline bool good_compressed_lists(const Index& index) {
  const auto edges = index.file().section("graph.edges").bytes, places = index.file().section("graph.places").bytes;
  const auto rows = index.size() - index.manifest().graph->duplicates;
  const bool narrow = places.size() == (rows + 55) / 56 * 64;
  const std::uint64_t rows_of_record = narrow ? 56 : 28;
  for (const std::byte width : edges.first(7))
    if (width > std::byte{31}) return false;
  if (!all_zeros(edges.subspan(7, 57)) || !all_zeros(edges.last(64))) return false;
  std::uint64_t at = 64;
  for (std::uint64_t row = 0; row < places.size() / 64 * rows_of_record; ++row) {
    const auto record = places.subspan(row / rows_of_record * 64, 64);
    if (row % rows_of_record == 0 && numbers_at<std::uint64_t>(record, 0, 1).front() != at) return false;
    const std::uint64_t place = row % rows_of_record;
    const std::uint64_t length = narrow ? std::to_integer<unsigned>(record[8 + place])
                                        : numbers_at<std::uint16_t>(record, 8 + 2 * place, 1).front();
    if ((length == 0) != (row >= rows) || at + length + 64 > edges.size()) return false;
    if (row < rows && !good_compressed_list(edges.subspan(at, length), edges.first(7), static_cast<std::int64_t>(row),
                                            static_cast<std::int64_t>(rows), 2 * index.manifest().graph->m))
      return false;
    at += length;
  }
  return at + 64 == edges.size();
}

}  // namespace cassata::test
