// Whether inverted lists are as docs/format.md demands, checked by that page alone. For collections of up to 64 blocks
// of rows.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cassata/index.h"
#include "format/file/mapped_file.h"
#include "tests/conformance/good_sparse_rows.h"

namespace cassata::test {

/// A run at `at` of `bytes`: `at` comes to stand behind it. False if it is none of that block.
inline bool good_run(std::span<const std::byte> bytes, std::uint64_t& at, std::uint64_t block, std::uint64_t rows,
                     std::uint32_t& entries, unsigned& largest) {
  if (at + 4 > bytes.size()) return false;
  const auto mask = numbers_at<std::uint32_t>(bytes, at, 1).front();
  const auto count = static_cast<std::uint64_t>(std::popcount(mask));
  if (count == 0 || at + 4 + count > bytes.size() ||
      block * 32 + static_cast<std::uint64_t>(std::bit_width(mask)) > rows)
    return false;
  largest = 0;
  for (std::uint64_t i = at + 4; i < at + 4 + count; ++i) {
    const auto code = std::to_integer<unsigned>(bytes[i]);
    if (code == 0) return false;
    largest = std::max(largest, code);
  }
  at += 4 + count;
  entries += static_cast<std::uint32_t>(count);
  return true;
}

/// The bytes of one list: a has_block_maxima one has a table of 64 places before its runs, another the block's number
/// before each run.
inline bool good_list(std::span<const std::byte> bytes, bool has_block_maxima, std::uint64_t rows,
                      std::uint32_t entries) {
  const std::uint64_t blocks = (rows + 31) / 32;
  std::uint32_t found = 0;
  unsigned largest = 0;
  std::uint64_t at = 0;
  if (!has_block_maxima) {
    for (std::int64_t last = -1; at < bytes.size();) {
      if (at + 4 > bytes.size()) return false;
      const std::int64_t block = numbers_at<std::uint32_t>(bytes, at, 1).front();
      at += 4;
      if (block <= last || block >= static_cast<std::int64_t>(blocks) ||
          !good_run(bytes, at, static_cast<std::uint64_t>(block), rows, found, largest))
        return false;
      last = block;
    }
    return found == entries;
  }
  if (bytes.size() < 64 * 3 + 8) return false;
  const auto offsets = numbers_at<std::uint16_t>(bytes, 64, 64);
  const auto base = numbers_at<std::uint64_t>(bytes, 192, 1).front();
  const auto runs = bytes.subspan(200);
  for (std::uint64_t block = 0; block < 64; ++block) {
    const auto bound = std::to_integer<unsigned>(bytes[block]);
    if (offsets[block] == 65535) {
      if (bound != 0) return false;
      continue;
    }
    if (base + offsets[block] != at || !good_run(runs, at, block, rows, found, largest) || bound > largest)
      return false;
  }
  return at == runs.size() && found == entries;
}

inline bool good_lists(const Index& index) {
  const auto bytes_of = [&](const char* name) { return index.file().section(name).bytes; };
  const PostingsEntry& entry = *index.manifest().postings;
  const auto lists = bytes_of("postings.lists"), directory = bytes_of("postings.directory"),
             bucket_bytes = bytes_of("postings.buckets");
  const auto buckets = numbers_at<std::uint32_t>(bucket_bytes, 0, bucket_bytes.size() / 4);
  if (buckets.front() != 0 || buckets.back() != entry.lists || !std::ranges::is_sorted(buckets)) return false;
  std::uint64_t last = 0;
  for (std::uint32_t i = 0; i < entry.lists; ++i) {
    const auto words = numbers_at<std::uint32_t>(directory, i * 32, 8);
    const auto place = numbers_at<std::uint64_t>(directory, i * 32 + 8, 2);
    const float step = numbers_at<float>(directory, i * 32 + 28, 1).front();
    const std::uint32_t component = words[0], flags = words[1];
    const std::uint64_t key = 2 * std::uint64_t{component} + (flags & 1) + 1, end = lists.size() - 64;
    if (key <= last || flags > 3 || component >= index.dim() || !(step > 0) || !std::isfinite(step)) return false;
    const std::uint32_t bucket = component >> entry.bucket_shift;
    if (buckets[bucket] > i || buckets[bucket + 1] <= i) return false;
    if (place[0] > end || place[1] > end - place[0] || ((flags & 2) != 0 && place[0] % 8 != 0)) return false;
    if (!good_list(lists.subspan(place[0], place[1]), (flags & 2) != 0, index.size(), words[6])) return false;
    last = key;
  }
  if (entry.n_knn == 0) return true;
  const auto neighbors = numbers_at<std::uint32_t>(bytes_of("postings.neighbors"), 0, index.size() * entry.n_knn);
  return std::ranges::all_of(neighbors, [&](std::uint32_t row) { return row < index.size() || row == kNoId; });
}

}  // namespace cassata::test
