// Whether token vectors are as docs/format.md demands, checked by that page alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "cassata/index.h"
#include "format/file/mapped_file.h"
#include "tests/conformance/good_sparse_rows.h"
#include "tests/support/vector_files.h"

namespace cassata::test {

/// Where documents begin: the first at 0, none before the one before it, the last ends with the section. Each is whole
/// tokens of `token` bytes.
inline bool good_document_places(std::span<const std::byte> section, std::size_t n, std::size_t length,
                                 std::size_t token) {
  std::vector<std::uint64_t> places;
  if (section.size() == (n + 1) * 8)
    places = numbers_at<std::uint64_t>(section, 0, n + 1);
  else
    for (const std::uint32_t place : numbers_at<std::uint32_t>(section, 0, n + 1)) places.push_back(place);
  if (places.front() != 0 || places.back() != length || !std::ranges::is_sorted(places)) return false;
  return std::ranges::all_of(places, [token](std::uint64_t place) { return place % token == 0; });
}

inline bool good_tokens(const Index& index, const CodesEntry& codes) {
  const auto rows = index.file().section(codes.section).bytes,
             offsets = index.file().section(codes.section + ".offsets").bytes;
  if (codes.encoding == Encoding::tokens_f16)
    return good_document_places(offsets, index.size(), rows.size(), 2 * codes.code.token_dim) &&
           std::ranges::all_of(numbers_at<std::uint16_t>(rows, 0, rows.size() / 2),
                               [](std::uint16_t bits) { return std::isfinite(half_value(bits)); });
  const auto model = index.file().section(codes.section + ".model").bytes;
  if (!std::ranges::all_of(numbers_at<float>(model, 0, model.size() / 4),
                           [](float value) { return std::isfinite(value); }))
    return false;
  const std::size_t centroids = model.size() / 4 / codes.code.token_dim - 256, number = centroids <= 65'536 ? 2 : 4,
                    token = number + codes.code.m_pq;
  if (!good_document_places(offsets, index.size(), rows.size(), token)) return false;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto place = [&](std::size_t document) {
      return offsets.size() == (index.size() + 1) * 8 ? numbers_at<std::uint64_t>(offsets, 8 * document, 1).front()
                                                      : numbers_at<std::uint32_t>(offsets, 4 * document, 1).front();
    };
    for (std::size_t at = place(i), left = (place(i + 1) - place(i)) / token; left > 0; --left, at += number)
      if ((number == 2 ? numbers_at<std::uint16_t>(rows, at, 1).front()
                       : numbers_at<std::uint32_t>(rows, at, 1).front()) >= centroids)
        return false;
  }
  return true;
}

}  // namespace cassata::test
