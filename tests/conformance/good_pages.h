// What docs/format.md demands of a graph in pages, read from there and not by the engine.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/index.h"
#include "tests/support/index_file.h"

namespace cassata::test {

/// Bytes of a row of compact codes.
inline std::size_t compact_row_bytes(const CodesEntry& codes, std::size_t dim) {
  const unsigned bits = codes.encoding == Encoding::dense_int8   ? 8
                        : codes.encoding == Encoding::dense_int4 ? 4
                                                                 : codes.code.bits;
  std::size_t bytes = 12;
  for (const unsigned width : {8U, 4U, 2U, 1U})
    if ((bits & width) != 0) bytes += ((dim * width + 7) / 8 + 15) / 16 * 16;
  return bytes;
}

/// Scale, bias and rest of each of the rows are finite.
inline bool good_compact_heads(std::span<const std::byte> rows, std::size_t row_bytes) {
  for (std::size_t at = 0; at + row_bytes <= rows.size(); at += row_bytes)
    for (std::size_t i = 0; i < 3; ++i)
      if (!std::isfinite(number_at<float>(rows.data() + at + i * sizeof(float)))) return false;
  return true;
}

/// Means are finite, signs 1 or -1.
inline bool good_compact_model(std::span<const std::byte> model, std::size_t dim) {
  for (std::size_t i = 0; i < dim; ++i)
    if (!std::isfinite(number_at<float>(model.data() + i * sizeof(float)))) return false;
  return std::ranges::all_of(model.subspan(dim * sizeof(float)),
                             [](std::byte sign) { return sign == std::byte{1} || sign == std::byte{0xFF}; });
}

inline bool good_pages(const Index& index) {
  const GraphEntry& graph = *index.manifest().graph;
  const auto bytes_of = [&](std::string_view name) { return index.file().section(name).bytes; };
  const auto pages = bytes_of("graph.pages"), first_rows = bytes_of("graph.page_rows"),
             upper = bytes_of("graph.upper_codes"), upper_nodes = bytes_of("graph.upper_nodes");
  const std::size_t own_bytes = compact_row_bytes(index.manifest().codes.front(), index.dim()),
                    link_bytes = compact_row_bytes(*graph.links, index.dim());
  if (!good_compact_model(bytes_of("graph.upper_codes.model"), index.dim()) || !good_compact_heads(upper, link_bytes))
    return false;
  std::map<Id, Bytes> codes;  // of rows, as links
  const auto same_code = [&](Id row, std::span<const std::byte> code) {
    const auto [place, is_new] = codes.emplace(row, Bytes(code.begin(), code.end()));
    return is_new || std::ranges::equal(place->second, code);
  };
  for (std::size_t i = 0; i < upper_nodes.size() / 4; ++i)
    if (!same_code(number_at<Id>(upper_nodes.data() + 4 * i), upper.subspan(i * link_bytes, link_bytes))) return false;
  std::size_t next = 0;
  for (std::size_t number = 0; number * graph.page_bytes < pages.size(); ++number) {
    const auto page = pages.subspan(number * graph.page_bytes, graph.page_bytes);
    const std::size_t begin = number_at<Id>(first_rows.data() + 4 * number),
                      end = number_at<Id>(first_rows.data() + 4 * number + 4);
    if (begin != next || end <= begin || end > index.size()) return false;
    next = end;
    const std::size_t rows = end - begin;
    if (rows * own_bytes > page.size()) return false;
    const auto half = [&](std::size_t i) -> std::size_t { return number_at<std::uint16_t>(page.data() + 2 * i); };
    const std::size_t links = half(0), slots = half(rows);
    const std::size_t head = (2 * (1 + rows + slots) + 3) / 4 * 4, own = head + 4 * links,
                      link_codes = own + rows * own_bytes, used = link_codes + links * link_bytes;
    if (used > page.size()) return false;
    const auto zeros = [&](std::size_t from, std::size_t to) {
      return std::all_of(page.begin() + static_cast<std::ptrdiff_t>(from),
                         page.begin() + static_cast<std::ptrdiff_t>(to), [](std::byte b) { return b == std::byte{0}; });
    };
    if (!zeros(2 * (1 + rows + slots), head) || !zeros(used, page.size())) return false;
    std::set<std::size_t> linked;
    for (std::size_t row = 0, slot = 0; row < rows; ++row) {
      std::set<std::size_t> mine;
      if (half(1 + row) > slots || half(1 + row) < slot || half(1 + row) - slot > 2 * graph.m) return false;
      for (; slot < half(1 + row); ++slot) {
        const std::size_t link = half(1 + rows + slot);
        if (link >= links || (!mine.empty() && link <= *mine.rbegin())) return false;
        mine.insert(link);
      }
      linked.insert(mine.begin(), mine.end());
    }
    if (linked.size() != links) return false;
    for (std::size_t i = 0; i < links; ++i) {
      const Id row = number_at<Id>(page.data() + head + 4 * i);
      if (row >= index.size() || (row >= begin && row < end) ||
          (i > 0 && row <= number_at<Id>(page.data() + head + 4 * i - 4)))
        return false;
      if (!same_code(row, page.subspan(link_codes + i * link_bytes, link_bytes))) return false;
    }
    if (!good_compact_heads(page.subspan(own, rows * own_bytes), own_bytes)) return false;
    if (!good_compact_heads(page.subspan(link_codes, links * link_bytes), link_bytes)) return false;
  }
  return next == index.size();
}

}  // namespace cassata::test
