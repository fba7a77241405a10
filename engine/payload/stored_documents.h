// Documents in an index file: one string of bytes, cut into blocks of equal length, each compressed by zstd.
//
//   documents.dictionary       a zstd dictionary for all blocks; only where it saves bytes
//   documents.blocks           a zstd frame for each block, no gaps
//   documents.blocks.offsets   where each frame begins, u64, and the end of the last one
//   documents.places           records of 64 bytes:
//                                u64          where the record's first document begins, in the uncompressed string
//                                28 u16       length of each document; zeros after the last one;
//                                or 14 u32    if the largest document has more than 65,535 bytes
//
// A document may span blocks. A look-up therefore reads one record and the blocks that hold the document, and the
// length of an uncompressed block is known before its frame is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "cassata/checksum.h"
#include "cassata/documents.h"
#include "cassata/manifest.h"
#include "cassata/types.h"
#include "engine/base/zstd.h"
#include "format/file/file_writer.h"
#include "format/file/mapped_file.h"
#include "format/file/section.h"
#include "format/os/mapping.h"
#include "format/os/publish.h"

namespace cassata {

/// Documents between their stream and the index file, in unnamed files.
class StagedDocuments {
 public:
  /// Reads all of `stream` into files in `folder`; memory holds some megabytes. Reports stage "documents" to
  /// `progress`, in documents. Throws Error: invalid_argument (not exactly `size` documents; a text that is not UTF-8;
  /// a document of 4 GiB or more), io.
  StagedDocuments(DocumentStream& stream, std::uint64_t size, const std::filesystem::path& folder,
                  const Progress& progress);

  /// Source, number, length and hash of the documents, for the provenance.
  InputEntry input() const;
  /// Compresses the documents and writes their sections, which do not depend on the number of threads. Returns their
  /// entry in the manifest. Reports stage "compress" to `progress`, in bytes.
  DocumentsEntry write(unsigned num_threads, const Progress& progress, FileWriter& writer) const;

 private:
  /// An unnamed file that is written front to back and then mapped.
  class Spool {
   public:
    explicit Spool(const std::filesystem::path& folder);
    void append(std::span<const std::byte> bytes);
    /// Ends appending.
    void finish();
    std::span<const std::byte> bytes() const noexcept { return mapping_.bytes(); }

   private:
    void flush();

    PendingFile file_;
    std::vector<std::byte> buffer_;  // bytes not yet written
    std::uint64_t written_ = 0;
    Mapping mapping_;
  };

  void write_blocks(std::span<const std::byte> dictionary, unsigned num_threads, const Progress& progress,
                    FileWriter& writer) const;
  void write_places(FileWriter& writer) const;

  std::string name_;
  std::uint64_t size_;
  DocumentsEntry entry_;
  Xxh3 hash_;
  Spool documents_;
  Spool lengths_;  // u32
};

/// The documents of an open file.
class StoredDocuments final : public Documents {
 public:
  /// Borrows `file`, whose manifest has an entry for documents. Throws Error(corrupt) if the entry and the lengths of
  /// the sections do not fit each other.
  explicit StoredDocuments(const MappedFile& file);

  const DocumentsEntry& entry() const noexcept override { return entry_; }
  using Documents::at;
  std::vector<std::string> at(std::span<const Id> rows) const override;

  /// Decompresses every block, and checks offsets, places and the UTF-8 of texts. Calls `reading` with each part before
  /// it is read. Throws Error(corrupt).
  void verify(const Reading& reading) const;

 private:
  class BlockReader;
  class TextCheck;

  /// A document: bytes begin to begin + length - 1 of the uncompressed string.
  struct Place {
    std::uint64_t begin, length;
  };

  std::uint64_t block_length(std::uint64_t block) const noexcept;
  std::uint64_t place_of_record(std::uint64_t row) const noexcept;
  /// The record of places that holds `row`.
  std::span<const std::byte> record(std::uint64_t row) const noexcept;
  /// Number `i` of the lengths of a record.
  std::uint64_t length_in(std::span<const std::byte> record, std::uint64_t i) const noexcept;
  Place place_of(Id row) const;
  std::uint64_t offset(std::uint64_t block) const noexcept;
  std::span<const std::byte> frame_of(std::uint64_t block) const;
  std::uint64_t place_in_frames(std::span<const std::byte> frame) const noexcept;
  /// The frames of the blocks that hold a document. Offsets of a damaged file are clamped to the section.
  std::span<const std::byte> frames_of(const Place& place) const noexcept;
  const ZSTD_DDict* dictionary() const;
  std::uint64_t verify_frame(std::uint64_t block, const Reading& reading) const;

  const MappedFile& file_;
  DocumentsEntry entry_;
  std::uint64_t size_, blocks_;
  std::uint64_t record_size_;  // documents of a record of places
  Section frames_, offsets_, places_, dictionary_;

  mutable std::once_flag dictionary_once_;
  mutable zstd::Dictionary loaded_dictionary_;
};

}  // namespace cassata
