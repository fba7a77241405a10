// Small files in the index format with random content, and crafted ones: changed, then given valid hashes again.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cassata/checksum.h"
#include "cassata/manifest.h"
#include "format/file/file_writer.h"
#include "format/file/layout.h"
#include "tests/support/random.h"

namespace cassata::test {

using Bytes = std::vector<std::byte>;

inline Bytes random_bytes(Random& random, std::size_t n) {
  Bytes bytes(n);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

struct Part {
  std::string name;
  Tier tier = Tier::hot;
  std::uint64_t expected_bytes = 0;
  Bytes bytes;
};

/// `count` sections of up to `max_bytes`, some of them empty.
inline std::vector<Part> random_parts(Random& random, std::size_t count, std::size_t max_bytes) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < count; ++i)
    parts.push_back({.name = "part." + std::to_string(i),
                     .tier = random() % 2 ? Tier::hot : Tier::cold,
                     .bytes = random_bytes(random, below(random, max_bytes + 1))});
  return parts;
}

inline Manifest small_manifest() {
  Manifest m;
  m.size = 3;
  m.dim = 5;
  m.codes = {{Encoding::f32, "part.0"}};
  m.provenance = {.library_version = "0.0.0", .inputs = {{"x.npy", 3, 60, 7}}, .parameters = {{"m", "8"}}};
  return m;
}

/// Streams the parts into `writer` in pieces of random lengths.
inline void append(FileWriter& writer, const std::vector<Part>& parts, Random& random) {
  for (const Part& part : parts) {
    writer.begin(part.name, part.tier, part.expected_bytes);
    for (std::span<const std::byte> rest = part.bytes; !rest.empty();) {
      const std::size_t n = 1 + below(random, rest.size());
      writer.append(rest.first(n));
      rest = rest.subspan(n);
    }
  }
}

inline std::shared_ptr<const MappedFile> write_parts(const std::filesystem::path& path, const std::vector<Part>& parts,
                                                     Random& random) {
  FileWriter writer(path);
  append(writer, parts, random);
  return writer.finish(small_manifest());
}

inline Header header_of(const Bytes& file) {
  Header header;
  std::memcpy(&header, file.data(), sizeof header);
  return header;
}

/// `file` with its header changed by `edit` and hashed again.
template <class Edit>
Bytes with_header(Bytes file, Edit edit) {
  Header header = header_of(file);
  edit(header);
  header.header_hash = xxh3(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_hash)));
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

/// `file` with other bytes as its manifest, hashed again.
inline Bytes with_manifest_bytes(Bytes file, const Bytes& manifest) {
  const Header header = header_of(file);
  file.resize(header.manifest_offset);
  file.insert(file.end(), manifest.begin(), manifest.end());
  return with_header(std::move(file), [&](Header& h) {
    h.manifest_length = manifest.size();
    h.manifest_hash = xxh3(manifest);
    h.file_length = h.manifest_offset + h.manifest_length;
  });
}

/// `file` with its manifest changed by `edit` and hashed again.
template <class Edit>
Bytes with_manifest(const Bytes& file, Edit edit) {
  const Header header = header_of(file);
  Manifest manifest = read_manifest(std::span(file).subspan(header.manifest_offset, header.manifest_length), "file", 0);
  edit(manifest);
  return with_manifest_bytes(file, write_manifest(manifest));
}

/// Writes `file` to `path` once more, with other bytes in some of its sections.
inline void write_with_sections(const std::filesystem::path& path, const MappedFile& file,
                                const std::map<std::string, Bytes>& changed) {
  FileWriter writer(path);
  Manifest manifest = file.manifest();
  for (const SectionEntry& section : std::exchange(manifest.sections, {})) {
    writer.begin(section.name, section.tier);
    const auto other = changed.find(section.name);
    writer.append(other == changed.end() ? file.section(section.name).bytes
                                         : std::span<const std::byte>(other->second));
  }
  writer.finish(std::move(manifest));
}

}  // namespace cassata::test
