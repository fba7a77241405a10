#include "format/file/mapped_file.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>
#include <string_view>
#include <vector>

#include "cassata/checksum.h"
#include "cassata/error.h"
#include "format/base/text.h"
#include "format/file/section_memory.h"

namespace cassata {
namespace {

std::string at_byte(std::uint64_t byte) { return " at byte " + std::to_string(byte); }

/// True if [offset, offset + length) lies within `size` bytes. Does not overflow.
bool inside(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

/// Checks a header as it was read from a file of `file_bytes` bytes.
void check_header(const Header& h, std::uint64_t file_bytes, const std::string& path) {
  if (h.magic != kMagic)
    corrupt(path + ": header at byte 0: not a Cassata index file (its first 8 bytes are not the magic number)");
  const std::uint64_t hash = xxh3(std::as_bytes(std::span(&h, 1)).first(offsetof(Header, header_hash)));
  if (h.header_hash != hash)
    corrupt(path + ": header" + at_byte(offsetof(Header, header_hash)) + ": hash 0x" + hex(hash) + ", expected 0x" +
            hex(h.header_hash));
  if (h.byte_order_mark != kByteOrderMark)
    corrupt(path + ": header at byte 12: byte-order mark " + "0x" + hex(h.byte_order_mark) + ", expected " + "0x" +
            hex(kByteOrderMark));
  if (h.format_major != kFormatMajor)
    throw Error(Errc::incompatible, path + ": header at byte 8: format version " + std::to_string(h.format_major) +
                                        "." + std::to_string(h.format_minor) + ", this library reads " +
                                        std::to_string(kFormatMajor) + ".x; a newer Cassata wrote the file");
  if (const std::uint64_t unknown = h.incompatible_features & ~kKnownIncompatibleFeatures)
    throw Error(Errc::incompatible, path + ": header at byte 48: unknown incompatible features " + "0x" + hex(unknown) +
                                        "; a newer Cassata wrote the file");
  if (h.file_length != file_bytes)
    corrupt(path + ": header at byte 16: the file has " + std::to_string(file_bytes) + " bytes, expected " +
            std::to_string(h.file_length));
  if (h.manifest_offset < kHeaderBytes || !inside(h.manifest_offset, h.manifest_length, h.file_length) ||
      h.manifest_offset % alignof(std::uint64_t) != 0 || h.manifest_offset + h.manifest_length != h.file_length)
    corrupt(path + ": header at byte 24: the manifest's place (offset " + std::to_string(h.manifest_offset) +
            ", length " + std::to_string(h.manifest_length) + ") is not the end of the file");
  if (h.manifest_length > kMaxManifestBytes)
    corrupt(path + ": header at byte 32: a manifest of " + std::to_string(h.manifest_length) +
            " bytes, expected at most " + std::to_string(kMaxManifestBytes));
}

[[noreturn]] void too_short(std::uint64_t file_bytes, const std::string& path) {
  corrupt(path + ": header at byte 0: the file has " + std::to_string(file_bytes) +
          " bytes, an index file has at least " + std::to_string(sizeof(Header)));
}

constexpr std::uint64_t kBlocksAtOnce = 64;  // 4 MiB, read by one call

/// The hash block that holds byte `byte` >= kHeaderBytes.
std::uint64_t block_of(std::uint64_t byte) { return (byte - kHeaderBytes) / kHashBlockBytes; }
std::uint64_t begin_of(std::uint64_t block) { return kHeaderBytes + block * kHashBlockBytes; }

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path, const std::string& name,
                                                   Mapping::Lost lost) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = name.empty() ? path.string() : name;
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error) io_error("cannot open " + file->path_, error.value());
  if (std::filesystem::is_directory(status)) io_error("cannot open " + file->path_, EISDIR);
  if (!std::filesystem::is_regular_file(status))
    invalid_argument(file->path_ + ": not a regular file, expected one, since an index is mapped");
  if (std::filesystem::file_size(path, error) == 0 && !error) too_short(0, file->path_);  // nothing to map
  file->mapping_ = Mapping(path, file->path_, false, lost);
  file->modified_ = file->mapping_.modified();
  file->mapping_.expect_random_reads();
  // Header and manifest are copied before they are checked, since mapped bytes may change in between.
  Header& h = file->header_;
  if (file->bytes().size() < sizeof h) too_short(file->bytes().size(), file->path_);
  file->read(std::as_writable_bytes(std::span(&h, 1)), 0);
  check_header(h, file->bytes().size(), file->path_);
  std::vector<std::byte> manifest(h.manifest_length);
  file->read(manifest, h.manifest_offset);
  if (const std::uint64_t hash = xxh3(manifest); hash != h.manifest_hash)
    corrupt(file->manifest_place() + "hash 0x" + hex(hash) + ", expected 0x" + hex(h.manifest_hash));
  file->manifest_ = read_manifest(manifest, file->path_, h.manifest_offset);
  file->check_places();
  file->checked_ = std::vector<std::atomic<std::uint64_t>>(file->manifest_.block_hashes.count / 64 + 1);
  file->memory_ = std::make_unique<SectionMemory>(*file);
  file->poison(true);
  return file;
}

MappedFile::MappedFile() = default;

MappedFile::~MappedFile() { poison(false); }

#ifdef __SANITIZE_ADDRESS__
void MappedFile::poison(bool on) const noexcept {
  if (!on) {
    ASAN_UNPOISON_MEMORY_REGION(bytes().data(), bytes().size());
    return;
  }
  std::uint64_t end = kHeaderBytes;
  const auto poison_to = [&](std::uint64_t begin) { ASAN_POISON_MEMORY_REGION(bytes().data() + end, begin - end); };
  for (const SectionEntry& s : manifest_.sections) {
    poison_to(s.offset);
    end = s.offset + s.length;
  }
  poison_to(manifest_.block_hashes.offset);
}
#else
void MappedFile::poison(bool) const noexcept {}
#endif

std::uint64_t MappedFile::hot_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const SectionEntry& section : manifest_.sections) bytes += section.tier == Tier::hot ? section.length : 0;
  return bytes;
}

void MappedFile::check_places() const {
  const BlockHashesEntry& hashes = manifest_.block_hashes;
  const std::uint64_t covered = hashes.offset < kHeaderBytes ? 0 : hashes.offset - kHeaderBytes;
  if (hashes.offset < kHeaderBytes || hashes.offset % kSectionAlignBytes != 0 ||
      hashes.count != (covered + kHashBlockBytes - 1) / kHashBlockBytes ||
      !inside(hashes.offset, hashes.count * sizeof(std::uint64_t), header_.manifest_offset) ||
      hashes.offset + hashes.count * sizeof(std::uint64_t) != header_.manifest_offset)
    corrupt(manifest_place() + "the block hashes' place (offset " + std::to_string(hashes.offset) + ", count " +
            std::to_string(hashes.count) + ") does not fit the file");
  std::uint64_t end = kHeaderBytes;
  std::set<std::string_view> names;
  for (const SectionEntry& s : manifest_.sections) {
    if (!names.insert(s.name).second) corrupt(manifest_place() + "two sections are named '" + s.name + "'");
    if (s.offset < end || s.offset % kSectionAlignBytes != 0 || !inside(s.offset, s.length, hashes.offset))
      corrupt(manifest_place() + "section '" + s.name + "' (offset " + std::to_string(s.offset) + ", length " +
              std::to_string(s.length) + ") overlaps another part of the file or leaves it");
    end = s.offset + s.length;
  }
}

Section MappedFile::section(std::string_view name) const {
  const SectionEntry* s = manifest_.find(name);
  if (!s) corrupt(manifest_place() + "the file has no section '" + std::string(name) + "'");
  return {.file = path_,
          .name = s->name,
          .offset = s->offset,
          .bytes = bytes().subspan(s->offset, s->length),
          .check = checks_touched_ && !memory_->warms(*s) ? this : nullptr,
          .reads = memory_->reads(*s)};
}

bool MappedFile::same_header() const noexcept {
  // Compares only two cache lines: the fields, and the hash of the whole page.
  return std::memcmp(bytes().data(), &header_, offsetof(Header, reserved)) == 0 &&
         std::memcmp(bytes().data() + offsetof(Header, header_hash), &header_.header_hash,
                     sizeof header_.header_hash) == 0;
}

bool MappedFile::unchanged() const {
  Header now;
  if (damaged_ || mapping_.lost() || mapping_.file_bytes() != bytes().size() || mapping_.modified() != modified_)
    return false;
  read(std::as_writable_bytes(std::span(&now, 1)), 0);
  return std::memcmp(&now, &header_, sizeof now) == 0;
}

void MappedFile::note(const Error& damage) const noexcept {
  const std::lock_guard lock(damage_mutex_);
  if (!damage_) damage_.emplace(damage);
  damaged_.store(true, std::memory_order_release);
}

/// The error of a file that lost pages or whose header has changed.
Error MappedFile::change() const {
  const std::string changed =
      path_ + ": changed in place while it was in use; replace index files by a rename, and open this one again";
  try {
    if (mapping_.file_bytes() >= kHeaderBytes) {
      Header now;
      read(std::as_writable_bytes(std::span(&now, 1)), 0);
      if (std::memcmp(&now, &header_, sizeof now) != 0) return Error(Errc::corrupt, changed);
    }
    std::byte any;
    read({&any, 1}, bytes().size() - 1);
    if (const auto lost = mapping_.lost()) read({&any, 1}, *lost);
  } catch (const Error& e) {  // truncated, or an error of the disk or the file server
    return e;
  }
  return Error(Errc::corrupt, changed);
}

void MappedFile::check_intact() const {
  if (!damaged_.load(std::memory_order_acquire)) {
    const bool same = same_header();  // before lost(), since the header's page may be lost, too
    if (same && !mapping_.lost()) return;
    note(change());
  }
  const std::lock_guard lock(damage_mutex_);
  throw Error(*damage_);
}

std::string MappedFile::where(std::uint64_t begin, std::uint64_t end) const {
  for (const SectionEntry& s : manifest_.sections)
    if (s.offset < end && begin < s.offset + s.length)
      return "section '" + s.name + "'" + at_byte(std::max(begin, s.offset));
  return "padding" + at_byte(begin);
}

void MappedFile::check_hash_table() const {
  const BlockHashesEntry& entry = manifest_.block_hashes;
  std::vector<std::byte> piece(std::min(entry.count * sizeof(std::uint64_t), kBlocksAtOnce * kHashBlockBytes));
  Xxh3 hash;
  for (std::uint64_t at = entry.offset; at < header_.manifest_offset; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), header_.manifest_offset - at));
    read(piece, at);
    hash.update(piece);
  }
  if (hash.digest() != entry.xxh3)
    corrupt(path_ + ": block hashes" + at_byte(entry.offset) + ": hash " + hex(hash.digest()) + ", expected " +
            hex(entry.xxh3) + ", as in the manifest");
}

/// Compares blocks first to end - 1, at most kBlocksAtOnce, with their hashes. `buffer` has room for them.
void MappedFile::check_blocks(std::uint64_t first, std::uint64_t end, std::span<std::byte> buffer) const {
  const BlockHashesEntry& entry = manifest_.block_hashes;
  std::array<std::uint64_t, kBlocksAtOnce> expected;
  const std::uint64_t offset = begin_of(first), stop = std::min(begin_of(end), entry.offset);
  read(std::as_writable_bytes(std::span(expected).first(end - first)), entry.offset + first * sizeof(std::uint64_t));
  read(buffer.first(stop - offset), offset);
  for (std::uint64_t i = first; i < end; ++i) {
    const std::uint64_t block = begin_of(i), block_end = std::min(block + kHashBlockBytes, entry.offset);
    const std::uint64_t found = xxh3(buffer.subspan(block - offset, block_end - block));
    if (found != expected[i - first])
      corrupt(path_ + ": " + where(block, block_end) + ": the 64 KiB block from byte " + std::to_string(block) +
              " has hash " + "0x" + hex(found) + ", expected " + "0x" + hex(expected[i - first]));
  }
}

void MappedFile::check_block_once(std::uint64_t block) const noexcept {
  try {
    if (!table_checked_.load(std::memory_order_relaxed)) {
      check_hash_table();
      table_checked_.store(true, std::memory_order_relaxed);
    }
    std::array<std::byte, kHashBlockBytes> buffer;
    check_blocks(block, block + 1, buffer);
  } catch (const Error& e) {
    note(e);
  } catch (const std::exception& e) {
    note(Error(Errc::io, path_ + ": cannot check the block" + at_byte(begin_of(block)) + ": " + e.what()));
  }
  checked_[block / 64].fetch_or(std::uint64_t{1} << (block % 64), std::memory_order_relaxed);
}

void MappedFile::touch(std::span<const std::byte> part) const noexcept {
  if (part.empty()) return;
  const auto begin = static_cast<std::uint64_t>(part.data() - bytes().data());
  for (std::uint64_t block = block_of(begin); block <= block_of(begin + part.size() - 1); ++block)
    if ((checked_[block / 64].load(std::memory_order_relaxed) >> (block % 64) & 1) == 0) check_block_once(block);
}

void MappedFile::check_warmed(std::uint64_t begin, std::uint64_t end, bool to_the_end) const noexcept {
  if (!to_the_end) end = begin_of(block_of(end));
  if (begin < end) touch(bytes().subspan(begin, end - begin));
}

/// Reads and compares all hash blocks, in the order in which the rules ask for them.
class MappedFile::Verification {
 public:
  Verification(const MappedFile& file, const Progress& progress)
      : file_(file),
        progress_(progress),
        end_(file.manifest_.block_hashes.offset),
        checked_(file.manifest_.block_hashes.count),
        buffer_(std::min(checked_.size(), kBlocksAtOnce) * kHashBlockBytes) {}

  /// Compares the blocks that overlap `part`, unless that was done.
  void reach(std::span<const std::byte> part) {
    if (part.empty()) return;
    const auto begin = static_cast<std::uint64_t>(part.data() - file_.bytes().data());
    for (std::uint64_t block = block_of(begin); block <= block_of(begin + part.size() - 1); ++block)
      if (!checked_[block]) check_from(block);
    advance(part.size());
  }
  void finish() {
    for (std::uint64_t block = 0; block < checked_.size(); ++block)
      if (!checked_[block]) check_from(block);
    if (progress_ && !checked_.empty()) progress_("verify", done_, end_ - kHeaderBytes);
  }

 private:
  /// Compares `block` and the uncompared blocks after it, up to kBlocksAtOnce.
  void check_from(std::uint64_t block) {
    std::uint64_t end = block;
    while (end < checked_.size() && end - block < kBlocksAtOnce && !checked_[end]) ++end;
    file_.mapping_.read_ahead(begin_of(end), buffer_.size());
    file_.check_blocks(block, end, buffer_);
    std::fill(checked_.begin() + static_cast<std::ptrdiff_t>(block),
              checked_.begin() + static_cast<std::ptrdiff_t>(end), true);
    const std::uint64_t bytes = std::min(begin_of(end), end_) - begin_of(block);
    done_ += bytes;
    advance(bytes);
  }
  /// Counts bytes that were hashed or checked by rules, and reports progress.
  void advance(std::uint64_t bytes) {
    constexpr std::uint64_t kBytesAReport = std::uint64_t{16} << 20;
    since_report_ += bytes;
    if (since_report_ < kBytesAReport) return;
    since_report_ = 0;
    if (progress_) progress_("verify", done_, end_ - kHeaderBytes);
  }

  const MappedFile& file_;
  const Progress& progress_;
  std::uint64_t end_;
  std::vector<bool> checked_;
  std::vector<std::byte> buffer_;
  std::uint64_t done_ = 0, since_report_ = 0;  // bytes
};

void MappedFile::verify(const Progress& progress, const std::function<void(const Reading&)>& rules) const {
  reading([&] {
    check_hash_table();
    const SectionMemory::FrontToBack front_to_back(*memory_);
    Verification verification(*this, progress);
    if (rules) rules(Reading([&](std::span<const std::byte> part) { verification.reach(part); }));
    verification.finish();
  });
  for (auto& bits : checked_) bits.store(~std::uint64_t{0}, std::memory_order_relaxed);
  table_checked_.store(true, std::memory_order_relaxed);
}

}  // namespace cassata
