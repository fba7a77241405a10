// The interfaces of stored vectors: codes, their scorers and their encoders, the same for every encoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/metric.h"
#include "cassata/types.h"
#include "engine/codec/codec.h"
#include "format/file/section.h"

namespace cassata {

/// Computes distances from a bound query to the vectors of one set of codes. Searches see vectors only through it. One
/// thread at a time: each thread makes its own and binds one query after another. The codes must outlive it.
class Scorer {
 public:
  virtual ~Scorer() = default;
  /// Binds `query`, of Codes::dim() values, which are copied.
  virtual void bind(VectorView query) = 0;
  /// Binds the stored vector `id`.
  virtual void bind(Id id) = 0;
  /// out[i] = distance(query, vector ids[i]); smaller is closer for every metric. Requires ids < Codes::size().
  /// Allocates nothing. Prefetches vectors ahead of the one being scored, but not the first ones: call prefetch() for
  /// these.
  virtual void score(std::span<const Id> ids, float* out) noexcept = 0;
  /// Starts to load vectors that score() is called with next into the processor's cache.
  virtual void prefetch(std::span<const Id>) const noexcept {}
  /// True while traversals should fetch() vectors before they score them. Otherwise they are likely to be in memory.
  virtual bool cold() const noexcept { return false; }
  /// Starts to read vectors that score() may be called with soon from disk, all at once. True if some of them are not
  /// in memory yet: the caller should do other work before it calls score().
  virtual bool fetch(std::span<const Id>) noexcept { return false; }
  /// out[i] = distance(query, vector first + i), i < count.
  virtual void score_range(Id first, std::size_t count, float* out) noexcept = 0;
};

/// Dense vectors, decoded one at a time.
class DenseRows {
 public:
  virtual ~DenseRows() = default;
  virtual std::uint64_t size() const noexcept = 0;
  virtual std::size_t dim() const noexcept = 0;
  /// out = the dim() values of vector `id`.
  virtual void decode(Id id, float* out) const = 0;
};

/// Sparse vectors, decoded one at a time.
class SparseEntries {
 public:
  virtual ~SparseEntries() = default;
  /// Appends the entries of vector `id`, in the order in which they are stored. Those of a damaged file may be any.
  virtual void append(Id id, std::vector<std::uint32_t>& components, std::vector<float>& values) const = 0;
};

/// The stored vectors of one encoding, borrowed from a mapping. Immutable; any number of threads.
class Codes {
 public:
  virtual ~Codes() = default;
  /// Throws Error(invalid_argument) for a metric whose distances the encoding does not compute.
  virtual std::unique_ptr<Scorer> scorer(Metric metric) const = 0;
  /// Checks what hashes cannot: values that no encoder stores. Calls `reading` with each part before it is read. Throws
  /// Error(corrupt) naming the byte.
  virtual void verify(const Reading& reading = {}) const = 0;
  /// Verifies the bytes of row `id` before their first use (Section::touch()).
  virtual void touch(Id) const noexcept {}
  /// Decodes the vectors; null if they are not dense.
  virtual const DenseRows* dense_rows() const noexcept { return nullptr; }
  /// Decodes the vectors; null if they are not sparse.
  virtual const SparseEntries* sparse_entries() const noexcept { return nullptr; }

  std::uint64_t size() const noexcept { return size_; }
  std::size_t dim() const noexcept { return dim_; }

 protected:
  Codes(std::uint64_t size, std::size_t dim) : size_(size), dim_(dim) {}

 private:
  std::uint64_t size_;
  std::size_t dim_;
};

/// Parameters of an encoding: those of the vectors and those of their codes. A build takes them from its parameters, a
/// reader from the manifest.
struct CodesSpec {
  std::size_t dim = 0;
  Metric metric = Metric::dot_product;
  CodeParams code = {};
  bool linear = false;  ///< dot products are exactly those with the decoded vectors, so that dot products with the
                        ///< residuals can be added
};

/// Whether codes that compute dot products and Euclidean distances, but no others, compute dot products for `metric`.
/// Throws Error(invalid_argument) if they compute neither.
inline bool by_product(Metric metric) {
  switch (metric) {
    case Metric::dot_product: return true;
    case Metric::euclidean: return false;
    case Metric::cosine:
    case Metric::manhattan: break;
  }
  unsupported(metric);
}

/// Sections of encoded rows. `rows` holds one after another; `offsets` holds their places, and is empty if all rows
/// have one length. `model` holds the parameters that a trained encoding has learned, and is empty for others.
struct RowSections {
  Section rows;
  Section offsets;
  Section model = {};
};

/// Encoded rows, one after another.
struct EncodedRows {
  std::vector<std::byte> bytes;
  std::vector<std::uint64_t> ends;  ///< end of each row in `bytes`; empty if all rows have one length
};

/// Turns vectors into the bytes of an encoding, a batch of rows at a time.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// True if the encoder learns from the collection before it encodes.
  virtual bool trains() const noexcept { return false; }
  /// Learns from the vectors, which are dense and as exact as the build has them. Called once, if trains(). The result
  /// does not depend on `num_threads`. Reports a stage "learn" to `progress`, if any, about once a second or more
  /// often.
  virtual void train(const DenseRows& vectors, unsigned num_threads, const Progress& progress);
  /// The learned parameters, as the file stores them; empty unless trains().
  virtual std::span<const std::byte> model() const noexcept { return {}; }
  /// Bytes of every row; 0 if rows differ in length.
  virtual std::size_t row_bytes() const noexcept = 0;
  /// If rows differ in length: bytes that each entry of a sparse vector takes at least; 0 if there is no such bound.
  virtual std::size_t entry_bytes() const noexcept { return 0; }
  /// Throws Error(invalid_argument) for a vector whose values are so small that the encoding would lose more than 1 %
  /// of it. The message names `source` and the row; `first` is the number of the batch's first row.
  virtual void check(const Batch&, std::string_view, std::uint64_t) const {}
  /// Appends the encoded rows to `out`. Any number of threads. `source` and `first`, the number of the batch's first
  /// row, are for messages. Throws Error(invalid_argument) for a value that the encoding cannot hold.
  virtual void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const = 0;
  /// The codec of its rows, with the model of `sections`; null if rows differ in length.
  virtual std::unique_ptr<RowCodec> codec(const RowSections&) const { return nullptr; }
  /// The codes of the `size` rows in `sections`. Unless overridden: PackedRows with codec(). Throws Error(corrupt) if
  /// the sections have wrong lengths.
  virtual std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const;
};

}  // namespace cassata
