// Whether rows of sparse vectors are as docs/format.md demands, checked by that page alone. For dims of up to 65,536.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cassata/index.h"
#include "format/file/mapped_file.h"
#include "tests/support/vector_files.h"

namespace cassata::test {

template <class Number>
std::vector<Number> numbers_at(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::vector<Number> numbers(count);
  if (count != 0)
    std::memcpy(numbers.data(), bytes.data() + at, count * sizeof(Number));  // there may be no bytes at all
  return numbers;
}

/// The components of a row of the encodings that store them as they are; none if its length is wrong. Its values are
/// finite.
inline std::optional<std::vector<std::uint32_t>> plain_components(std::span<const std::byte> row, Encoding encoding) {
  const bool fixed = encoding == Encoding::sparse_fixed8 || encoding == Encoding::sparse_fixed16;
  const std::size_t head = fixed ? 4 : 0, value = encoding == Encoding::sparse_f32      ? 4
                                                  : encoding == Encoding::sparse_fixed8 ? 1
                                                                                        : 2;
  if (row.size() < head || (row.size() - head) % (2 + value) != 0) return {};
  const std::size_t count = (row.size() - head) / (2 + value), values = head + 2 * count;
  if (fixed && !std::isfinite(numbers_at<float>(row, 0, 1).front())) return {};
  if (encoding == Encoding::sparse_f32 &&
      !std::ranges::all_of(numbers_at<float>(row, values, count), [](float v) { return std::isfinite(v); }))
    return {};
  if (encoding == Encoding::sparse_f16 &&
      !std::ranges::all_of(numbers_at<std::uint16_t>(row, values, count),
                           [](std::uint16_t v) { return std::isfinite(half_value(v)); }))
    return {};
  const auto components = numbers_at<std::uint16_t>(row, head, count);
  return std::vector<std::uint32_t>(components.begin(), components.end());
}

/// Those of a packed row.
inline std::optional<std::vector<std::uint32_t>> packed_components(std::span<const std::byte> row, std::size_t dim) {
  const std::size_t rises = (dim - 1) / 256;
  for (std::size_t count = 0; count <= row.size(); ++count) {
    const std::size_t bit_bytes = (count + rises + 7) / 8;
    if (4 + bit_bytes + 2 * count != row.size()) continue;
    if (!std::isfinite(numbers_at<float>(row, 0, 1).front())) return {};
    std::vector<std::uint32_t> components;
    for (std::size_t bit = 0; bit < 8 * bit_bytes; ++bit)
      if (std::to_integer<unsigned>(row[4 + bit / 8]) >> bit % 8 & 1) {
        if (bit >= count + rises || components.size() == count) return {};
        components.push_back(static_cast<std::uint32_t>(256 * (bit - components.size())) +
                             std::to_integer<std::uint32_t>(row[4 + bit_bytes + components.size()]));
      }
    if (components.size() == count) return components;
    return {};
  }
  return {};
}

inline bool good_sparse_rows(const Index& index, const CodesEntry& codes) {
  const auto bytes = index.file().section(codes.section).bytes,
             places = index.file().section(codes.section + ".offsets").bytes;
  const auto offsets = numbers_at<std::uint32_t>(places, 0, index.size() + 1);
  if (offsets.front() != 0 || offsets.back() != bytes.size() || !std::ranges::is_sorted(offsets)) return false;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto row = bytes.subspan(offsets[i], offsets[i + 1] - offsets[i]);
    const auto components = codes.encoding == Encoding::sparse_packed ? packed_components(row, index.dim())
                                                                      : plain_components(row, codes.encoding);
    if (!components || std::ranges::adjacent_find(*components, std::greater_equal()) != components->end()) return false;
    if (!components->empty() && components->back() >= index.dim()) return false;
  }
  return true;
}

}  // namespace cassata::test
