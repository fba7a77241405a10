// Vectors on their way from a stream to a file: in unnamed files, mapped, so that memory holds one batch.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cassata/stream.h"
#include "engine/build/work_files.h"
#include "engine/codec/codes.h"
#include "format/file/file_writer.h"
#include "format/os/publish.h"

namespace cassata {

/// Reads all vectors; calls take() with each batch and the number of its first row.
void read_all(VectorStream& vectors, const Progress& progress,
              const std::function<void(const Batch&, std::uint64_t)>& take);

/// The batch as rows, in memory that serves for the next one again.
void encode(const Encoder& encoder, const Batch& batch, std::string_view source, std::uint64_t first,
            EncodedRows& rows);

/// The vectors' codes, searchable where they lie.
class StagingFile {
 public:
  StagingFile(const Encoder& encoder, PendingFile file) : encoder_(&encoder), file_(std::move(file)) {}
  /// The rows that save() kept under that name. Throws Error(corrupt) if they are others.
  StagingFile(const Encoder& encoder, const WorkFiles& files, const std::string& name);

  void append(const Batch& batch, std::string_view source, std::uint64_t first);
  /// Nothing is appended for now; the rows can be read.
  void finish();
  /// In place of both: all of the vectors, as they are stored elsewhere.
  void fill(const Codes& vectors, unsigned num_threads, const Progress& progress);
  /// The same from rows of `other`, of the same encoder: those numbered `order`, all of them. Reads front to back,
  /// writes each of the runs that begin at `runs` so, too, and then puts those in order in which the numbers do not
  /// rise: memory holds some megabytes, and such a run.
  void gather(const StagingFile& other, std::span<const Id> order, std::span<const std::size_t> runs,
              const Progress& progress);
  /// Has the rows in this process's own memory from now on, from which nothing can take them.
  void hold();
  /// No longer. Codes that were opened before are no longer valid.
  void release() noexcept { held_ = {}; }
  /// Keeps what there is besides the rows, which are in a file that is kept under that name; and what tells if that
  /// changes.
  void save(const WorkFiles& files, const std::string& name) const;
  /// Removes all that save() kept, and the rows.
  static void remove(const WorkFiles& files, const std::string& name) noexcept;
  /// How the rows are read from now on.
  void advise(Advice advice) const noexcept { Mapping::advise(mapping_.bytes(), advice); }
  /// Starts to read the rows from `first` to `last`, which lie together, or takes them out of this process's memory.
  void advise(Id first, Id last, Advice advice) const noexcept;

  RowSections sections() const;
  std::span<const std::byte> model() const noexcept { return model_.empty() ? encoder_->model() : model_; }
  bool has_offsets() const noexcept { return encoder_->row_bytes() == 0; }
  std::uint64_t bytes() const noexcept { return rows().size(); }
  std::span<const std::byte> row(Id id) const {
    if (!has_offsets()) return rows().subspan(id * encoder_->row_bytes(), encoder_->row_bytes());
    return rows().subspan(offsets_[id], offsets_[id + 1] - offsets_[id]);
  }

  /// Keeps the rows from `first` to `last`, which lie together, in memory, as far as the system lets this process.
  void lock(Id first, Id last) const noexcept { Mapping::lock(rows_of(first, last)); }
  void unlock(Id first, Id last) const noexcept { Mapping::unlock(rows_of(first, last)); }

 private:
  std::span<const std::byte> rows() const noexcept {
    return held_.empty() ? mapping_.bytes() : std::span<const std::byte>(held_);
  }
  std::span<const std::byte> rows_of(Id first, Id last) const noexcept;
  void put_in_order(std::span<const Id> numbers, std::span<const std::uint64_t> places);

  const Encoder* encoder_;
  PendingFile file_;
  EncodedRows rows_;
  std::uint64_t length_ = 0;
  std::vector<std::uint64_t> offsets_ = {0};
  std::vector<std::byte> model_;  // empty: it is the encoder's
  std::vector<std::byte> held_;   // empty: rows are read where they are mapped
  Mapping mapping_;
};

/// Sparse vectors as they were given.
class SparseStagingFile {
 public:
  explicit SparseStagingFile(const WorkFiles& files) : components_(files.unnamed()), values_(files.unnamed()) {}

  void append(const Batch& batch);
  /// Nothing is appended any more; now the rows can be read.
  void finish();
  /// All of them, borrowed. `dim` is theirs.
  Batch rows(std::size_t dim) const;

 private:
  PendingFile components_, values_;
  std::vector<std::uint64_t> offsets_ = {0};
  Mapping mapped_components_, mapped_values_;
};

/// Writes the rows of `staged` numbered `order` as the section `name`. They are asked for ahead where they may have to
/// be read from disk.
void write_rows(const StagingFile& staged, std::span<const Id> order, std::string_view name, Tier tier, bool from_disk,
                const Progress& progress, FileWriter& writer);

}  // namespace cassata
