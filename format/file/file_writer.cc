#include "format/file/file_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "cassata/error.h"
#include "format/file/layout.h"

namespace cassata {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{4} << 20;

/// A UUID made of the content's hashes (RFC 9562, version 8): equal files have equal ones.
std::array<std::uint8_t, 16> content_uuid(std::uint64_t a, std::uint64_t b) {
  std::array<std::uint8_t, 16> uuid;
  std::memcpy(uuid.data(), &a, 8);
  std::memcpy(uuid.data() + 8, &b, 8);
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0F) | 0x80);
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3F) | 0x80);
  return uuid;
}

}  // namespace

const FileKind kIndexFile = {.name = "a Cassata index file", .fits = [](std::string_view start) {
                               return start.starts_with(std::string_view(kMagic.data(), kMagic.size()));
                             }};

FileWriter::FileWriter(const std::filesystem::path& path, const ReplaceParams& replace)
    : file_(path.empty() ? PendingFile::unnamed() : PendingFile(path, kIndexFile, replace)), offset_(kHeaderBytes) {
  buffer_.reserve(kBufferBytes);
  buffer_.resize(
      kHeaderBytes);  // zeros until finish(); so all writes start at multiples of the buffer's size and fill huge pages
}

void FileWriter::begin(std::string_view name, Tier tier, std::uint64_t expected_bytes) {
  end_section();
  pad_to(tier == Tier::hot && expected_bytes >= kHugeAlignedBytes ? kHugePageBytes : kSectionAlignBytes);
  sections_.push_back({.name = std::string(name), .offset = offset_, .length = 0, .tier = tier});
}

void FileWriter::append(std::span<const std::byte> bytes) { put(bytes); }

void FileWriter::end_section() {
  if (!sections_.empty() && sections_.back().length == 0) sections_.back().length = offset_ - sections_.back().offset;
}

void FileWriter::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t n = std::min(
        {bytes.size(), kBufferBytes - buffer_.size(), static_cast<std::size_t>(kHashBlockBytes - block_fill_)});
    const auto piece = bytes.first(n);
    block_.update(piece);
    block_fill_ += n;
    if (block_fill_ == kHashBlockBytes) {
      hashes_.push_back(block_.digest());
      block_.reset();
      block_fill_ = 0;
    }
    buffer_.insert(buffer_.end(), piece.begin(), piece.end());
    offset_ += n;
    if (buffer_.size() == kBufferBytes) flush();
    bytes = bytes.subspan(n);
  }
}

void FileWriter::flush() {
  file_.write(buffer_, offset_ - buffer_.size());
  buffer_.clear();
}

void FileWriter::pad_to(std::uint64_t alignment) {
  static constexpr std::array<std::byte, kSectionAlignBytes> kZeros = {};
  while (offset_ % alignment != 0)
    put(std::span(kZeros).first(std::min<std::uint64_t>(kZeros.size(), alignment - offset_ % alignment)));
}

std::shared_ptr<const MappedFile> FileWriter::finish(Manifest manifest, const Check& check) {
  end_section();
  pad_to(kSectionAlignBytes);
  if (block_fill_ != 0) hashes_.push_back(block_.digest());
  flush();
  const auto table = std::as_bytes(std::span(hashes_));
  manifest.sections = std::move(sections_);
  manifest.block_hashes = {.offset = offset_, .count = hashes_.size(), .xxh3 = xxh3(table)};
  file_.write(table, offset_);
  const std::uint64_t end = offset_ + table.size();
  write_ends(manifest, end);
  file_.complete();
  if (check) {
    check(MappedFile::open(file_.readable_path(), file_.name()), manifest);
    file_.truncate(end);
    write_ends(manifest, end);
  }
  auto opened = MappedFile::open(file_.readable_path(), file_.name());  // before another writer can replace it
  file_.publish();
  return opened;
}

void FileWriter::write_ends(const Manifest& manifest, std::uint64_t offset) {
  const std::vector<std::byte> manifest_bytes = write_manifest(manifest);
  if (manifest_bytes.size() > kMaxManifestBytes)
    invalid_argument(file_.name() + ": its manifest would be longer than " + std::to_string(kMaxManifestBytes) +
                     " bytes");
  Header header;
  header.manifest_offset = offset;
  header.manifest_length = manifest_bytes.size();
  header.manifest_hash = xxh3(manifest_bytes);
  header.file_length = header.manifest_offset + header.manifest_length;
  if (manifest.graph && manifest.graph->duplicates != 0) header.incompatible_features |= kDuplicatesFeature;
  header.uuid = content_uuid(manifest.block_hashes.xxh3, header.manifest_hash);
  header.header_hash = xxh3(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_hash)));
  file_.write(manifest_bytes, header.manifest_offset);
  file_.write(std::as_bytes(std::span(&header, 1)), 0);
}

void copy_file(const MappedFile& file, const std::filesystem::path& path, const Progress& progress,
               const ReplaceParams& replace) {
  PendingFile out(path, kIndexFile, replace);
  file.verify(progress);
  const std::uint64_t length = file.bytes().size();
  std::vector<std::byte> buffer(std::min<std::uint64_t>(kBufferBytes, length));
  for (std::uint64_t begin = 0; begin < length; begin += buffer.size()) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), length - begin));
    file.read(piece, begin);
    out.write(piece, begin);
    if (progress) progress("save", begin + piece.size(), length);
  }
  file.check_intact();
  out.publish();
}

}  // namespace cassata
