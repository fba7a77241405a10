#include "engine/payload/stored_documents.h"

#include <zdict.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "cassata/error.h"
#include "engine/base/parallel.h"
#include "engine/base/sampling.h"
#include "format/base/text.h"
#include "format/file/row_reads.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

// Measured: docs/decisions/documents-in-small-blocks-with-a-dictionary.md.
constexpr std::uint32_t kBlockBytes = 4096;
constexpr int kLevel = 12;  // no level below 11: their matches may depend on what a context compressed before
constexpr std::size_t kDictionaryBytes = std::size_t{64} << 10;
constexpr std::size_t kDictionaryShare = 64;  // of a short collection, the dictionary is at most 1 / 64
/// The sample that a dictionary is trained on, and as much again on which it is tried.
constexpr std::size_t kSampleBytes = std::size_t{4} << 20;

// Bounds of what a file may ask for.
constexpr std::uint32_t kMaxBlockBytes = std::uint32_t{16} << 20;
constexpr std::uint64_t kMaxDictionaryBytes = std::uint64_t{4} << 20;
constexpr std::uint64_t kMaxDocumentBytes = std::numeric_limits<std::uint32_t>::max();

constexpr std::size_t kRecordBytes = 64;
constexpr std::uint64_t kMaxShort = std::numeric_limits<std::uint16_t>::max();

std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0); }

/// Bytes of a length in a record of places.
std::size_t length_bytes(const DocumentsEntry& entry) {
  return entry.largest > kMaxShort ? sizeof(std::uint32_t) : sizeof(std::uint16_t);
}

std::uint64_t record_size(const DocumentsEntry& entry) {
  return (kRecordBytes - sizeof(std::uint64_t)) / length_bytes(entry);
}

std::string block_name(std::uint64_t number) { return "block " + std::to_string(number); }
std::string document_name(std::uint64_t row) { return "document " + std::to_string(row); }

zstd::CompressorDictionary compressor_dictionary(std::span<const std::byte> dictionary) {
  if (dictionary.empty()) return {};
  return zstd::CompressorDictionary(zstd::allocated(ZSTD_createCDict(dictionary.data(), dictionary.size(), kLevel)));
}

/// Block number `i` of the uncompressed string.
std::span<const std::byte> block_of(std::span<const std::byte> whole, std::uint64_t i) {
  return whole.subspan(i * kBlockBytes, std::min<std::uint64_t>(kBlockBytes, whole.size() - i * kBlockBytes));
}

/// A dictionary for the blocks of `whole`, trained on every second block of a sample; empty if it would save fewer
/// bytes than it has, judged by the other blocks.
std::vector<std::byte> trained_dictionary(std::span<const std::byte> whole) {
  const std::uint64_t blocks = ceil_div(whole.size(), kBlockBytes),
                      count = std::min<std::uint64_t>(blocks, 2 * kSampleBytes / kBlockBytes);
  std::vector<std::byte> sample;
  std::vector<std::size_t> lengths;
  std::vector<std::span<const std::byte>> others;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::span<const std::byte> block = block_of(whole, sampled(i, count, blocks));
    if (i % 2 != 0) {
      others.push_back(block);
      continue;
    }
    sample.insert(sample.end(), block.begin(), block.end());
    lengths.push_back(block.size());
  }
  std::vector<std::byte> dictionary(std::min(kDictionaryBytes, whole.size() / kDictionaryShare));
  const std::size_t length = ZDICT_trainFromBuffer(dictionary.data(), dictionary.size(), sample.data(), lengths.data(),
                                                   static_cast<unsigned>(lengths.size()));
  if (ZDICT_isError(length)) return {};  // too few or too similar samples
  dictionary.resize(length);
  const zstd::CompressorDictionary loaded = compressor_dictionary(dictionary);
  const auto compressed = [&](const ZSTD_CDict* with) {
    const zstd::Compressor compressor(kLevel, with);
    std::vector<std::byte> out;
    std::uint64_t bytes = 0;
    for (const auto block : others) {
      compressor.compress(block, out);
      bytes += out.size();
    }
    return static_cast<double>(bytes);
  };
  const double saved = compressed(nullptr) - compressed(loaded.get());
  const double share = static_cast<double>(blocks) / static_cast<double>(std::max<std::size_t>(others.size(), 1));
  if (saved * share <= static_cast<double>(dictionary.size())) dictionary.clear();
  return dictionary;
}

}  // namespace

StagedDocuments::Spool::Spool(const std::filesystem::path& folder) : file_(PendingFile::unnamed(folder)) {}

void StagedDocuments::Spool::append(std::span<const std::byte> bytes) {
  constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) flush();
}

void StagedDocuments::Spool::flush() {
  file_.write(buffer_, written_);
  written_ += buffer_.size();
  buffer_.clear();
}

void StagedDocuments::Spool::finish() {
  flush();
  buffer_.shrink_to_fit();
  if (written_ != 0) mapping_ = file_.map();
}

StagedDocuments::StagedDocuments(DocumentStream& stream, std::uint64_t size, const std::filesystem::path& folder,
                                 const Progress& progress)
    : name_(stream.name()), size_(size), entry_{.text = stream.text()}, documents_(folder), lengths_(folder) {
  constexpr std::uint64_t kDocumentsAReport = 65'536;
  entry_.block_bytes = kBlockBytes;
  std::uint64_t count = 0;
  while (const std::optional<std::string_view> document = stream.next()) {
    const std::string_view text = *document;
    if (count == size)
      invalid_argument(name_ + ": more than " + std::to_string(size) + " documents, expected " + std::to_string(size) +
                       ", one for each vector");
    const std::string place = name_ + ": " + document_name(count) + ": ";
    if (text.size() > kMaxDocumentBytes)
      invalid_argument(place + bytes_text(text.size()) + ", expected at most " + bytes_text(kMaxDocumentBytes));
    if (const std::size_t valid = entry_.text ? utf8_prefix(text) : text.size(); valid != text.size())
      invalid_argument(place + "byte " + std::to_string(valid) + " is not UTF-8, expected a text");
    const auto bytes = std::as_bytes(std::span(text));
    const auto length = static_cast<std::uint32_t>(text.size());
    hash_.update(bytes);
    documents_.append(bytes);
    lengths_.append(std::as_bytes(std::span(&length, 1)));
    entry_.bytes += length;
    entry_.largest = std::max<std::uint64_t>(entry_.largest, length);
    if (++count % kDocumentsAReport == 0 && progress) progress("documents", count, size);
  }
  if (count != size)
    invalid_argument(name_ + ": " + std::to_string(count) + " documents, expected " + std::to_string(size) +
                     ", one for each vector");
  if (progress) progress("documents", count, size);
  documents_.finish();
  lengths_.finish();
}

InputEntry StagedDocuments::input() const {
  return {.name = std::filesystem::path(name_).filename().string(),
          .rows = size_,
          .bytes = entry_.bytes,
          .xxh3 = hash_.digest()};
}

DocumentsEntry StagedDocuments::write(unsigned num_threads, const Progress& progress, FileWriter& writer) const {
  const std::vector<std::byte> dictionary = trained_dictionary(documents_.bytes());
  if (!dictionary.empty()) {
    writer.begin(kDocumentDictionarySection, Tier::cold, dictionary.size());
    writer.append(std::span<const std::byte>(dictionary));
  }
  write_blocks(dictionary, num_threads, progress, writer);
  write_places(writer);
  return entry_;
}

void StagedDocuments::write_blocks(std::span<const std::byte> dictionary, unsigned num_threads,
                                   const Progress& progress, FileWriter& writer) const {
  constexpr std::uint64_t kBlocksAtOnce = 1024;
  const std::span<const std::byte> whole = documents_.bytes();
  const zstd::CompressorDictionary loaded = compressor_dictionary(dictionary);
  const std::uint64_t blocks = ceil_div(whole.size(), kBlockBytes);
  const Threads threads(num_threads);
  std::vector<std::optional<zstd::Compressor>> compressors(threads.count);
  std::vector<std::vector<std::byte>> frames(std::min(blocks, kBlocksAtOnce));
  std::vector<std::uint64_t> offsets = {0};
  writer.begin(kDocumentBlocksSection, Tier::cold);
  for (std::uint64_t first = 0; first < blocks; first += frames.size()) {
    const std::uint64_t count = std::min<std::uint64_t>(frames.size(), blocks - first);
    parallel_for(threads, count, 16, [&](std::size_t begin, std::size_t end, unsigned thread) {
      if (!compressors[thread]) compressors[thread].emplace(kLevel, loaded.get());
      for (std::size_t i = begin; i < end; ++i) compressors[thread]->compress(block_of(whole, first + i), frames[i]);
    });
    for (std::uint64_t i = 0; i < count; ++i) {
      writer.append(std::span<const std::byte>(frames[i]));
      offsets.push_back(offsets.back() + frames[i].size());
    }
    if (progress)
      progress("compress", std::min<std::uint64_t>((first + count) * kBlockBytes, whole.size()), whole.size());
  }
  writer.begin(kDocumentBlockOffsetsSection, Tier::cold);
  writer.append(std::span<const std::uint64_t>(offsets));
}

void StagedDocuments::write_places(FileWriter& writer) const {
  const std::span<const std::byte> lengths = lengths_.bytes();
  const std::uint64_t documents = record_size(entry_);
  const std::size_t width = length_bytes(entry_);
  writer.begin(kDocumentPlacesSection, Tier::cold);
  std::vector<std::byte> record;
  std::uint64_t begin = 0;
  for (std::uint64_t first = 0; first < size_; first += documents) {
    record.clear();
    append_bytes(begin, record);
    for (std::uint64_t row = first; row < std::min(first + documents, size_); ++row) {
      const auto length = number_at<std::uint32_t>(lengths.data() + row * sizeof(std::uint32_t));
      width == sizeof length ? append_bytes(length, record) : append_bytes(static_cast<std::uint16_t>(length), record);
      begin += length;
    }
    record.resize(kRecordBytes);
    writer.append(std::span<const std::byte>(record));
  }
}

/// Decompresses blocks; one at a time is in memory.
class StoredDocuments::BlockReader {
 public:
  explicit BlockReader(const StoredDocuments& documents) : documents_(documents) {}

  /// The uncompressed bytes of a block; valid until the next call. Throws Error(corrupt).
  std::string_view block(std::uint64_t number) {
    if (number_ == number) return block_;
    number_.reset();
    const std::span<const std::byte> frame = documents_.frame_of(number);
    documents_.frames_.touch(frame);
    frame_.assign(frame.begin(), frame.end());  // the file may change while zstd reads
    block_.resize(documents_.block_length(number));
    const std::string fault =
        zstd::decompress(frame_, std::as_writable_bytes(std::span(block_)), documents_.dictionary());
    if (!fault.empty())
      throw documents_.frames_.damaged(documents_.place_in_frames(frame), block_name(number) + ": " + fault);
    number_ = number;
    return block_;
  }

  /// Appends bytes begin to begin + length - 1 of the uncompressed string to `out`.
  void read(const Place& place, std::string& out) {
    for (std::uint64_t at = place.begin, end = place.begin + place.length; at < end;) {
      const std::uint64_t number = at / documents_.entry_.block_bytes, in = at % documents_.entry_.block_bytes;
      const std::string_view part = block(number).substr(in, end - at);
      out += part;
      at += part.size();
    }
  }

 private:
  const StoredDocuments& documents_;
  std::optional<std::uint64_t> number_;  // of the block in block_
  std::vector<std::byte> frame_;
  std::string block_;
};

/// Checks a text that arrives in parts.
class StoredDocuments::TextCheck {
 public:
  /// False if the text is not UTF-8.
  bool add(std::string_view part) {
    rest_ += part;
    rest_.erase(0, utf8_prefix(rest_));
    return rest_.size() < kLongest;
  }
  /// False if the text ends within a character. Begins the next text.
  bool end() { return std::exchange(rest_, {}).empty(); }

 private:
  static constexpr std::size_t kLongest = 4;  // bytes of a character
  std::string rest_;                          // the beginning of a character
};

StoredDocuments::StoredDocuments(const MappedFile& file)
    : file_(file), entry_(*file.manifest().documents), size_(file.manifest().size) {
  if (entry_.block_bytes == 0 || entry_.block_bytes > kMaxBlockBytes)
    corrupt(file.manifest_place() + "documents in blocks of " + std::to_string(entry_.block_bytes) +
            " bytes, expected 1 to " + std::to_string(kMaxBlockBytes));
  if (entry_.largest > entry_.bytes || entry_.largest > kMaxDocumentBytes)
    corrupt(file.manifest_place() + "a document of " + std::to_string(entry_.largest) +
            " bytes, expected at most the " + std::to_string(entry_.bytes) + " of all, and at most " +
            std::to_string(kMaxDocumentBytes));
  if (entry_.bytes > size_ * entry_.largest)  // also bounds the number of blocks
    corrupt(file.manifest_place() + "documents of " + std::to_string(entry_.bytes) + " bytes, expected at most " +
            std::to_string(size_) + " of " + std::to_string(entry_.largest));
  blocks_ = ceil_div(entry_.bytes, entry_.block_bytes);
  record_size_ = record_size(entry_);
  frames_ = file.section(kDocumentBlocksSection);
  offsets_ = file.section(kDocumentBlockOffsetsSection);
  static_cast<void>(offsets_.as<std::uint64_t>(blocks_ + 1));
  places_ = file.section(kDocumentPlacesSection);
  static_cast<void>(places_.as<std::array<std::byte, kRecordBytes>>(ceil_div(size_, record_size_)));
  if (file.manifest().find(kDocumentDictionarySection) == nullptr) return;
  dictionary_ = file.section(kDocumentDictionarySection);
  if (dictionary_.bytes.size() > kMaxDictionaryBytes)
    throw dictionary_.damaged(
        0, "holds " + bytes_text(dictionary_.bytes.size()) + ", expected at most " + bytes_text(kMaxDictionaryBytes));
}

std::uint64_t StoredDocuments::block_length(std::uint64_t block) const noexcept {
  return std::min<std::uint64_t>(entry_.block_bytes, entry_.bytes - block * entry_.block_bytes);
}

std::uint64_t StoredDocuments::place_of_record(std::uint64_t row) const noexcept {
  return row / record_size_ * kRecordBytes;
}

std::span<const std::byte> StoredDocuments::record(std::uint64_t row) const noexcept {
  return places_.bytes.subspan(place_of_record(row), kRecordBytes);
}

std::uint64_t StoredDocuments::length_in(std::span<const std::byte> record, std::uint64_t i) const noexcept {
  const std::byte* const lengths = record.data() + sizeof(std::uint64_t);
  return record_size_ == record_size({.largest = 0}) ? read_once(reinterpret_cast<const std::uint16_t*>(lengths)[i])
                                                     : read_once(reinterpret_cast<const std::uint32_t*>(lengths)[i]);
}

StoredDocuments::Place StoredDocuments::place_of(Id row) const {
  const std::span<const std::byte> record = this->record(row);
  places_.touch(record);
  const std::uint64_t i = row % record_size_;
  Place place{.begin = read_once(*reinterpret_cast<const std::uint64_t*>(record.data())),
              .length = length_in(record, i)};
  for (std::uint64_t before = 0; before < i; ++before) place.begin += length_in(record, before);
  if (place.length > entry_.largest || place.begin > entry_.bytes || place.length > entry_.bytes - place.begin)
    throw places_.damaged(place_of_record(row), document_name(row) + " has " + std::to_string(place.length) +
                                                    " bytes from byte " + std::to_string(place.begin) +
                                                    " on, expected at most " + std::to_string(entry_.largest) + " of " +
                                                    std::to_string(entry_.bytes));
  return place;
}

std::uint64_t StoredDocuments::offset(std::uint64_t block) const noexcept {
  const std::span<const std::byte> bytes = offsets_.bytes.subspan(block * sizeof(std::uint64_t), sizeof(std::uint64_t));
  offsets_.touch(bytes);
  return read_once(*reinterpret_cast<const std::uint64_t*>(bytes.data()));
}

std::span<const std::byte> StoredDocuments::frame_of(std::uint64_t block) const {
  const std::uint64_t begin = offset(block), end = offset(block + 1), most = ZSTD_compressBound(block_length(block));
  if (begin > end || end > frames_.bytes.size() || end - begin > most)
    throw offsets_.damaged(block * sizeof begin,
                           block_name(block) + " at bytes " + std::to_string(begin) + " to " + std::to_string(end) +
                               ", expected at most " + std::to_string(most) + " bytes of the " +
                               std::to_string(frames_.bytes.size()) + " in '" + std::string(frames_.name) + "'");
  return frames_.bytes.subspan(begin, end - begin);
}

std::uint64_t StoredDocuments::place_in_frames(std::span<const std::byte> frame) const noexcept {
  return static_cast<std::uint64_t>(frame.data() - frames_.bytes.data());
}

std::span<const std::byte> StoredDocuments::frames_of(const Place& place) const noexcept {
  if (place.length == 0) return {};
  const std::uint64_t last = (place.begin + place.length - 1) / entry_.block_bytes;
  const std::uint64_t end = std::min<std::uint64_t>(offset(last + 1), frames_.bytes.size()),
                      begin = std::min(offset(place.begin / entry_.block_bytes), end);
  return frames_.bytes.subspan(begin, end - begin);
}

const ZSTD_DDict_s* StoredDocuments::dictionary() const {
  if (dictionary_.bytes.empty()) return nullptr;
  std::call_once(dictionary_once_, [&] {
    dictionary_.touch(dictionary_.bytes);
    loaded_dictionary_.reset(ZSTD_createDDict(dictionary_.bytes.data(), dictionary_.bytes.size()));
    if (!loaded_dictionary_) throw dictionary_.damaged(0, "not a dictionary of zstd");
  });
  return loaded_dictionary_.get();
}

std::vector<std::string> StoredDocuments::at(std::span<const Id> rows) const {
  for (const Id row : rows)
    if (row >= size_)
      invalid_argument("row: " + std::to_string(row) + " given, expected less than " + std::to_string(size_));
  std::vector<std::string> out(rows.size());
  file_.reading([&] {
    RowFetch places(places_.reads), frames(frames_.reads);
    places.fetch(rows, [&](Id row) { return record(row); });
    std::vector<Place> found;
    found.reserve(rows.size());
    for (const Id row : rows) found.push_back(place_of(row));
    places.scored();
    std::vector<Id> order(rows.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Id>(i);
    frames.fetch(order, [&](Id i) { return frames_of(found[i]); });
    BlockReader blocks(*this);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      blocks.read(found[i], out[i]);
      if (entry_.text && utf8_prefix(out[i]) != out[i].size())
        throw places_.damaged(place_of_record(rows[i]), document_name(rows[i]) + " is not UTF-8");
    }
    frames.scored();
  });
  return out;
}

void StoredDocuments::verify(const Reading& reading) const {
  reading(dictionary_.bytes);
  static_cast<void>(dictionary());
  reading(offsets_.bytes);
  BlockReader blocks(*this);
  TextCheck text;
  std::uint64_t next_block = 0, frames_end = 0, begin = 0, largest = 0;
  for (std::uint64_t row = 0; row < ceil_div(size_, record_size_) * record_size_; ++row) {
    const std::span<const std::byte> record = this->record(row);
    const std::uint64_t i = row % record_size_;
    const auto damaged = [&](const std::string& found) { return places_.damaged(place_of_record(row), found); };
    if (i == 0) {
      reading(record);
      if (const std::uint64_t found = number_at<std::uint64_t>(record.data()); found != begin)
        throw damaged(document_name(row) + " begins at byte " + std::to_string(found) + ", expected " +
                      std::to_string(begin));
    }
    const std::uint64_t length = length_in(record, i);
    if (length > (row < size_ ? entry_.bytes - begin : 0))
      throw damaged(document_name(row) + " has " + std::to_string(length) + " bytes, expected at most " +
                    std::to_string(row < size_ ? entry_.bytes - begin : 0));
    for (std::uint64_t at = begin; at < begin + length;) {
      const std::uint64_t number = at / entry_.block_bytes;
      if (number == next_block) {
        if (const std::uint64_t found = offset(number); found != frames_end)
          throw offsets_.damaged(number * sizeof found, block_name(number) + " at byte " + std::to_string(found) +
                                                            ", expected " + std::to_string(frames_end));
        frames_end = verify_frame(number, reading);
        ++next_block;
      }
      const std::string_view part = blocks.block(number).substr(at % entry_.block_bytes, begin + length - at);
      if (entry_.text && !text.add(part)) throw damaged(document_name(row) + " is not UTF-8");
      at += part.size();
    }
    if (!text.end()) throw damaged(document_name(row) + " is not UTF-8");
    begin += length;
    largest = std::max(largest, length);
  }
  if (begin != entry_.bytes || largest != entry_.largest)
    throw places_.damaged(0, "documents of " + std::to_string(begin) + " bytes, the largest of " +
                                 std::to_string(largest) + ", expected " + std::to_string(entry_.bytes) + " and " +
                                 std::to_string(entry_.largest));
  if (frames_end != frames_.bytes.size() || offset(blocks_) != frames_end)
    throw offsets_.damaged(blocks_ * sizeof frames_end, "blocks end at byte " + std::to_string(offset(blocks_)) +
                                                            ", expected " + std::to_string(frames_end) +
                                                            ", the end of '" + std::string(frames_.name) + "'");
}

/// Checks that exactly one frame lies between the offsets of a block. Returns where it ends.
std::uint64_t StoredDocuments::verify_frame(std::uint64_t block, const Reading& reading) const {
  const std::span<const std::byte> frame = frame_of(block);
  reading(frame);
  if (const std::size_t length = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
      ZSTD_isError(length) || length != frame.size())
    throw frames_.damaged(place_in_frames(frame),
                          block_name(block) + ": not one zstd frame of " + std::to_string(frame.size()) + " bytes");
  return place_in_frames(frame) + frame.size();
}

}  // namespace cassata
