// Whether stored documents are as docs/format.md demands, checked by that page and zstd alone.
#pragma once

#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "cassata/index.h"
#include "format/base/text.h"
#include "format/file/mapped_file.h"

namespace cassata::test {

/// For documents without a dictionary.
inline bool good_documents(const Index& index) {
  if (!index.manifest().documents) return true;
  const DocumentsEntry& entry = *index.manifest().documents;
  const auto bytes_of = [&](const char* section) { return index.file().section(section).bytes; };
  const auto frames = bytes_of("documents.blocks"), offsets = bytes_of("documents.blocks.offsets"),
             places = bytes_of("documents.places");
  const auto number = [](std::span<const std::byte> from, std::size_t at, std::size_t width) {
    std::uint64_t out = 0;
    std::memcpy(&out, from.data() + at, width);
    return out;
  };
  std::string whole;
  std::uint64_t end = 0;
  for (std::size_t block = 0; block + 1 < offsets.size() / 8; ++block) {
    const std::uint64_t begin = number(offsets, 8 * block, 8);
    if (begin != end) return false;
    end = number(offsets, 8 * block + 8, 8);
    if (end < begin || end > frames.size()) return false;
    std::string out(std::min<std::uint64_t>(entry.block_bytes, entry.bytes - whole.size()), ' ');
    const std::byte* const frame = frames.data() + begin;
    if (ZSTD_findFrameCompressedSize(frame, end - begin) != end - begin ||
        ZSTD_decompress(out.data(), out.size(), frame, end - begin) != out.size())
      return false;
    whole += out;
  }
  if (end != frames.size() || number(offsets, offsets.size() - 8, 8) != end) return false;
  const std::size_t width = entry.largest > 65'535 ? 4 : 2;
  std::uint64_t begin = 0, largest = 0;
  for (std::size_t at = 0, row = 0; at < places.size(); at += 64) {
    if (number(places, at, 8) != begin) return false;
    for (std::size_t in = 8; in < 64; in += width, ++row) {
      const std::uint64_t length = number(places, at + in, width);
      if (length > whole.size() - begin || (row >= index.size() && length != 0)) return false;
      if (entry.text && !is_utf8(std::string_view(whole).substr(begin, length))) return false;
      begin += length;
      largest = std::max(largest, length);
    }
  }
  return begin == whole.size() && largest == entry.largest;
}

}  // namespace cassata::test
