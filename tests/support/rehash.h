// Gives a changed index file valid hashes again, so that only what its sections say is wrong with it.
#pragma once

#include <algorithm>
#include <cstring>

#include "tests/support/index_file.h"

namespace cassata::test {

/// `file`, whose sections were changed, with block hashes, manifest and header that fit.
inline Bytes with_section_hashes(Bytes file) {
  const Header header = header_of(file);
  const BlockHashesEntry entry =
      read_manifest(std::span(file).subspan(header.manifest_offset, header.manifest_length), "file", 0).block_hashes;
  for (std::uint64_t i = 0; i < entry.count; ++i) {
    const std::uint64_t begin = kHeaderBytes + i * kHashBlockBytes,
                        end = std::min(begin + kHashBlockBytes, entry.offset);
    const std::uint64_t hash = xxh3(std::span(file).subspan(begin, end - begin));
    std::memcpy(file.data() + entry.offset + i * sizeof hash, &hash, sizeof hash);
  }
  const std::uint64_t hash = xxh3(std::span(file).subspan(entry.offset, entry.count * sizeof(std::uint64_t)));
  return with_manifest(file, [&](Manifest& m) { m.block_hashes.xxh3 = hash; });
}

}  // namespace cassata::test
