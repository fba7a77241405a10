// Staging files: mapped files that hold encoded vectors between the input and the index file, so that memory holds one
// batch.
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
#include "format/file/row_reads.h"
#include "format/os/publish.h"

namespace cassata {

/// Reads all vectors; calls take(batch, first) for each batch, where `first` is the number of its first row. Reports
/// stage "read" to `progress`, in rows.
void read_all(VectorStream& vectors, const Progress& progress,
              const std::function<void(const Batch&, std::uint64_t)>& take);

/// Encodes a batch into `rows`, whose memory is reused. `source` and `first`, the number of the batch's first row, are
/// for error messages. Throws Error(invalid_argument) for values that the encoding cannot store.
void encode(const Encoder& encoder, const Batch& batch, std::string_view source, std::uint64_t first,
            EncodedRows& rows);

/// Writes the offsets of `count` rows that lie one after another, and the end of the last one. length_of(i) is the
/// length of row i; `bytes`, at least that of all, decides the width of an offset.
void write_offsets(std::size_t count, std::uint64_t bytes, const std::function<std::uint64_t(std::size_t)>& length_of,
                   FileWriter& writer);

/// The codes of one encoder, in a mapped file that can be searched.
class StagingFile {
 public:
  StagingFile(const Encoder& encoder, PendingFile file) : encoder_(&encoder), file_(std::move(file)) {}
  /// Opens what save() stored under `name`. Throws Error(corrupt) if the rows differ from it.
  StagingFile(const Encoder& encoder, const WorkFiles& files, const std::string& name);

  void append(const Batch& batch, std::string_view source, std::uint64_t first);
  /// Ends appending; the rows can be read from now on.
  void finish();
  /// Instead of append() and finish(): encodes all of `vectors`. Reports stage "encode" to `progress`.
  void fill(const DenseRows& vectors, unsigned num_threads, const Progress& progress);
  /// Instead of append() and finish(): copies all rows of `other`, a file of the same encoder, in the order `order`.
  /// Reads `other` front to back and distributes its rows to the runs of the order that begin at `runs`; then sorts, in
  /// memory, each run whose row numbers do not ascend. Memory holds some megabytes and one run. Reports stage "sort".
  void gather(const StagingFile& other, std::span<const Id> order, std::span<const std::size_t> runs,
              const Progress& progress);
  /// Copies the rows into the memory of the process, which the system cannot evict as it does pages of a file.
  void hold();
  /// Frees that memory. Invalidates codes opened since hold().
  void release() noexcept { held_ = {}; }
  /// Stores offsets, model, length and hash of the rows under `name`; the rows must be in the work file `name`.
  void save(const WorkFiles& files, const std::string& name) const;
  /// Removes the rows and all that save() stored.
  static void remove(const WorkFiles& files, const std::string& name) noexcept;
  /// Advises the system how the rows will be read.
  void advise(Advice advice) const noexcept { Mapping::advise(mapping_.bytes(), advice); }
  /// The same for rows first to last - 1, which must be contiguous.
  void advise(Id first, Id last, Advice advice) const noexcept;

  RowSections sections() const;
  std::span<const std::byte> model() const noexcept { return model_.empty() ? encoder_->model() : model_; }
  bool has_offsets() const noexcept { return encoder_->row_bytes() == 0; }
  std::uint64_t bytes() const noexcept { return rows().size(); }
  std::span<const std::byte> row(Id id) const {
    if (!has_offsets()) return rows().subspan(id * encoder_->row_bytes(), encoder_->row_bytes());
    return rows().subspan(offsets_[id], offsets_[id + 1] - offsets_[id]);
  }

  /// Locks rows first to last - 1, which must be contiguous, in memory, as far as the process may.
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
  std::vector<std::byte> model_;  // empty: the encoder's model applies
  std::vector<std::byte> held_;   // empty: rows are read from the mapping
  Mapping mapping_;
  std::unique_ptr<RowReads> reads_ = std::make_unique<RowReads>();
};

/// Sparse vectors as components and f32 values, in unnamed mapped files.
class SparseStagingFile {
 public:
  explicit SparseStagingFile(const WorkFiles& files) : components_(files.unnamed()), values_(files.unnamed()) {}

  void append(const Batch& batch);
  /// Ends appending; the rows can be read from now on.
  void finish();
  /// All rows, borrowed, of dimension `dim`.
  Batch rows(std::size_t dim) const;

 private:
  PendingFile components_, values_;
  std::vector<std::uint64_t> offsets_ = {0};
  Mapping mapped_components_, mapped_values_;
};

/// Writes the rows of `file` in the order `order` as section `name`, with its model and offsets if it has them. With
/// `from_disk`, fetches rows ahead, since they may not be in memory.
void write_rows(const StagingFile& file, std::span<const Id> order, std::string_view name, Tier tier, bool from_disk,
                const Progress& progress, FileWriter& writer);

}  // namespace cassata
