// An archive is in zstd's seekable format (contrib/seekable_format of zstd):
//
//   skippable frame            kTitle: recognizes the file as an archive of an index
//   frames                     kBlockBytes of the index each, the last one the rest
//   skippable frame            the seek table:
//     entries                    u32 compressed and u32 decompressed length of each frame, the title's included
//     footer                     u32 number of entries, u8 descriptor (0: no checksums), u32 kSeekMagic
//
// A skippable frame begins with u32 magic number and u32 length of its content. Numbers are little-endian.
#include "cassata/archive.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cassata/error.h"
#include "engine/base/parallel.h"
#include "engine/base/zstd.h"
#include "format/base/text.h"
#include "format/file/file_writer.h"
#include "format/file/layout.h"
#include "format/file/mapped_file.h"
#include "format/file/section.h"
#include "format/os/file_reader.h"
#include "format/os/publish.h"

namespace cassata {
namespace {

constexpr std::uint32_t kTitleMagic = 0x184D'2A50, kTableMagic = 0x184D'2A5E, kSeekMagic = 0x8F92'EAB1;
constexpr std::string_view kTitle = "Cassata index, packed; \"cassata unpack\" or \"zstd -d\" unpacks it\n";
constexpr std::size_t kSkippableBytes = 8, kEntryBytes = 8, kFooterBytes = 9;
constexpr std::size_t kBlockBytes = std::size_t{4} << 20;
// Bounds of what the table of an archive may ask for.
constexpr std::size_t kMaxBlockBytes = std::size_t{16} << 20;
constexpr std::size_t kMinFrameBytes = 9;  // magic number, two bytes of header, and the header of a block

void append(std::uint32_t number, std::string& out) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::string skippable_frame(std::uint32_t magic, std::string_view content) {
  std::string out;
  append(magic, out);
  append(static_cast<std::uint32_t>(content.size()), out);
  return out.append(content);
}

const std::string& title_frame() {
  static const std::string frame = skippable_frame(kTitleMagic, kTitle);
  return frame;
}

const FileKind kArchiveFile = {.name = "a packed index",
                               .fits = [](std::string_view start) { return start.starts_with(title_frame()); }};

/// Calls work(i, thread) for i below `count`, in parallel, and then take(i) in order; a limited number at a time.
void in_rounds(unsigned num_threads, std::uint64_t count, std::uint64_t at_once,
               const std::function<void(std::uint64_t, std::size_t, unsigned)>& work,
               const std::function<void(std::uint64_t, std::size_t)>& take) {
  for (std::uint64_t first = 0; first < count; first += at_once) {
    const auto round = static_cast<std::size_t>(std::min(at_once, count - first));
    parallel_for(num_threads, round, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
      for (std::size_t i = begin; i < end; ++i) work(first + i, i, thread);
    });
    for (std::size_t i = 0; i < round; ++i) take(first + i, i);
  }
}

/// The frames of an archive, checked against each other and the length of the file.
class Archive {
 public:
  struct Frame {
    std::uint64_t offset, output;  // in the archive, and in the index
    std::size_t compressed, bytes;
  };

  explicit Archive(const std::filesystem::path& path) : file_(path) {
    const std::uint64_t end = file_.bytes(), least = title_frame().size() + kSkippableBytes + kFooterBytes;
    std::string title(title_frame().size(), '\0');
    if (end >= least) file_.read(std::as_writable_bytes(std::span(title)), 0);
    if (title != title_frame()) damaged(0, "not a packed index");
    const std::uint64_t footer = end - kFooterBytes;
    const auto count = file_.read<std::uint32_t>(footer);
    const auto descriptor = file_.read<std::uint8_t>(footer + 4);
    if (const auto magic = file_.read<std::uint32_t>(footer + 5); magic != kSeekMagic || descriptor != 0)
      damaged(footer, "no seek table, expected one; the archive is truncated");
    if (count < 2 || count > (end - least) / kEntryBytes)
      damaged(footer, "a seek table of " + std::to_string(count) + " frames");
    table_ = footer - count * kEntryBytes;
    const auto magic = file_.read<std::uint32_t>(table_ - kSkippableBytes);
    const auto length = file_.read<std::uint32_t>(table_ - kSkippableBytes + 4);
    if (magic != kTableMagic || length != count * kEntryBytes + kFooterBytes)
      damaged(table_ - kSkippableBytes, "not a seek table of " + std::to_string(count) + " frames");
    read_entries(count);
  }

  const std::vector<Frame>& frames() const noexcept { return frames_; }
  /// Length of the index.
  std::uint64_t bytes() const noexcept { return bytes_; }

  /// Decompresses a frame.
  void read(const Frame& frame, std::vector<std::byte>& compressed, std::vector<std::byte>& out) const {
    compressed.resize(frame.compressed);
    out.resize(frame.bytes);
    file_.read(compressed, frame.offset);
    if (const std::string fault = zstd::decompress(compressed, out); !fault.empty()) damaged(frame.offset, fault);
  }

  [[noreturn]] void damaged(std::uint64_t at, const std::string& found) const {
    corrupt(file_.name() + ": byte " + std::to_string(at) + ": " + found);
  }

 private:
  void read_entries(std::uint64_t count) {
    std::vector<std::uint32_t> entries(2 * count);  // no longer than the file
    file_.read(std::as_writable_bytes(std::span(entries)), table_);
    std::uint64_t offset = 0;
    frames_.reserve(count - 1);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint32_t compressed = entries[2 * i], bytes = entries[2 * i + 1];
      const bool fits = i == 0 ? compressed == title_frame().size() && bytes == 0
                               : bytes != 0 && bytes <= kMaxBlockBytes && compressed >= kMinFrameBytes &&
                                     compressed <= ZSTD_compressBound(bytes);
      if (!fits)
        damaged(table_ + i * kEntryBytes, "a frame of " + std::to_string(compressed) + " bytes, " +
                                              std::to_string(bytes) + " decompressed, expected at most " +
                                              std::to_string(kMaxBlockBytes));
      if (i != 0) frames_.push_back({.offset = offset, .output = bytes_, .compressed = compressed, .bytes = bytes});
      offset += compressed;
      bytes_ += bytes;
    }
    if (offset != table_ - kSkippableBytes)
      damaged(table_,
              "frames of " + std::to_string(offset) + " bytes, expected " + std::to_string(table_ - kSkippableBytes));
  }

  FileReader file_;
  std::uint64_t table_ = 0;  // offset of the entries
  std::vector<Frame> frames_;
  std::uint64_t bytes_ = 0;
};

/// Throws Error(corrupt) unless the index begins as one of this length.
void check_start(const Archive& archive, std::span<const std::byte> start) {
  Header header;
  if (start.size() < sizeof header) archive.damaged(0, "an index of " + std::to_string(start.size()) + " bytes");
  std::memcpy(&header, start.data(), sizeof header);
  if (header.magic != kMagic || header.file_length != archive.bytes())
    archive.damaged(0, "the frames hold " + std::to_string(archive.bytes()) + " bytes, expected an index of as many");
}

/// Throws Error(invalid_argument) if the output is the input.
void check_differ(const std::filesystem::path& input, const std::filesystem::path& output, const char* name) {
  if (std::error_code none; std::filesystem::equivalent(input, output, none))
    invalid_argument(std::string(name) + ": " + output.string() + " is the input, expected another file");
}

}  // namespace

void ArchiveParams::check() const {
  if (level < kMinLevel || level > kMaxLevel)
    invalid_argument("level: " + std::to_string(level) + " given, expected " + std::to_string(kMinLevel) + " to " +
                     std::to_string(kMaxLevel));
}

void pack(const std::filesystem::path& index, const std::filesystem::path& archive, const ArchiveParams& params) {
  params.check();
  check_differ(index, archive, "archive");
  const std::shared_ptr<const MappedFile> file = MappedFile::open(index);
  PendingFile out(archive, kArchiveFile, params.replace);
  file->verify(params.progress);
  const Threads threads(params.num_threads);
  const std::uint64_t length = file->bytes().size(), count = (length + kBlockBytes - 1) / kBlockBytes,
                      at_once = 2 * threads.count;
  std::vector<std::vector<std::byte>> blocks(threads.count), frames(at_once);
  std::string table;
  std::uint64_t end = 0;
  const auto put = [&](std::span<const std::byte> bytes) {
    out.write(bytes, end);
    end += bytes.size();
  };
  const auto add = [&](std::size_t compressed, std::size_t bytes) {
    append(static_cast<std::uint32_t>(compressed), table);
    append(static_cast<std::uint32_t>(bytes), table);
  };
  put(std::as_bytes(std::span(title_frame())));
  add(title_frame().size(), 0);
  const auto block_bytes = [&](std::uint64_t i) {
    return static_cast<std::size_t>(std::min<std::uint64_t>(kBlockBytes, length - i * kBlockBytes));
  };
  in_rounds(
      params.num_threads, count, at_once,
      [&](std::uint64_t i, std::size_t place, unsigned thread) {
        blocks[thread].resize(block_bytes(i));
        file->read(blocks[thread], i * kBlockBytes);
        // A context of its own: one that is used again may find other matches (zstd 1.5.6 and later).
        zstd::Compressor(params.level).compress(blocks[thread], frames[place]);
      },
      [&](std::uint64_t i, std::size_t place) {
        put(frames[place]);
        add(frames[place].size(), block_bytes(i));
        if (params.progress) params.progress("pack", i * kBlockBytes + block_bytes(i), length);
      });
  const std::uint64_t entries = table.size() / kEntryBytes;
  append(static_cast<std::uint32_t>(entries), table);
  table += '\0';
  append(kSeekMagic, table);
  const std::string table_frame = skippable_frame(kTableMagic, table);
  put(std::as_bytes(std::span(table_frame)));
  if (!file->unchanged()) corrupt(file->path() + ": changed while it was packed");
  out.publish();
}

void unpack(const std::filesystem::path& archive, const std::filesystem::path& index, const ArchiveParams& params) {
  params.check();
  check_differ(archive, index, "index");
  const Archive packed(archive);
  PendingFile out(index, kIndexFile, params.replace);
  const Threads threads(params.num_threads);
  const std::uint64_t at_once = 2 * threads.count;
  std::vector<std::vector<std::byte>> compressed(threads.count), blocks(at_once);
  in_rounds(
      params.num_threads, packed.frames().size(), at_once,
      [&](std::uint64_t i, std::size_t place, unsigned thread) {
        packed.read(packed.frames()[i], compressed[thread], blocks[place]);
      },
      [&](std::uint64_t i, std::size_t place) {
        if (i == 0) check_start(packed, blocks[place]);
        out.write(blocks[place], packed.frames()[i].output);
        if (params.progress)
          params.progress("unpack", packed.frames()[i].output + blocks[place].size(), packed.bytes());
      });
  out.complete();
  MappedFile::open(out.readable_path(), archive.string())->verify(params.progress);
  out.publish();
}

}  // namespace cassata
