// What the engine knows about stored vectors, whatever their encoding.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/types.h"
#include "engine/codec/row_residency.h"
#include "format/file/section.h"

namespace cassata {

/// A query bound to one set of codes: all that a search knows about vectors. One thread at a time; made once a thread
/// and bound to one query after another. The codes must outlive it.
class Scorer {
 public:
  virtual ~Scorer() = default;
  /// The next calls are about `query`, of Codes::dim() values. It is copied.
  virtual void bind(VectorView query) = 0;
  /// The next calls are about the stored vector `id`.
  virtual void bind(Id id) = 0;
  /// out[i] = distance(query, vector ids[i]); smaller is closer for every metric. Requires ids < Codes::size().
  /// Allocates nothing. Fetches vectors ahead of the one in hand, but for the first ones: these prefetch() is for.
  virtual void score(std::span<const Id> ids, float* out) noexcept = 0;
  /// Starts to fetch vectors that score() is about to be asked of.
  virtual void prefetch(std::span<const Id>) const noexcept {}
  /// Has vectors that score() may soon be asked of read from disk, all at once. True if some are on their way now, so
  /// that it pays to do something else first.
  virtual bool fetch(std::span<const Id>) noexcept { return false; }
  /// out[i] = distance(query, the row at place places[i] of those that lie at `rows`, in the codes' encoding, one after
  /// another, and not in their section). Of encodings whose Codes::row_bytes() tells how long a row is.
  virtual void score_at(const std::byte* rows, std::span<const Id> places, float* out) noexcept;
  /// out[i] = distance(query, vector first + i), i < count.
  virtual void score_range(Id first, std::size_t count, float* out) noexcept = 0;
};

/// The stored vectors of one encoding, borrowed from a mapping. Immutable; any number of threads.
class Codes {
 public:
  virtual ~Codes() = default;
  virtual std::unique_ptr<Scorer> scorer(Metric metric) const = 0;
  /// Checks what hashes cannot: values that no writer of ours stores. Calls `reading` with each part before it is read.
  /// Throws Error(corrupt) naming the byte.
  virtual void verify(const Reading& reading = {}) const = 0;
  /// Says to the sections that row `id` is about to be used (Section::touch()).
  virtual void touch(Id) const noexcept {}
  /// Length of a row where rows may lie elsewhere than in their section, as in the pages of a graph; else 0.
  virtual std::size_t row_bytes() const noexcept { return 0; }
  /// As verify(), of one such row, at byte `at` of `section`. `row` is its number, for the message.
  virtual void verify_row(const Section& section, std::uint64_t at, std::uint64_t row) const;
  /// out = the dim() values that are stored of the vector, as near to those given as the encoding can. Of dense vectors
  /// alone.
  virtual void decode(Id id, float* out) const;

  /// Whether rows are in memory, as its scorers found them.
  Residency& residency() const noexcept { return residency_; }
  std::uint64_t size() const noexcept { return size_; }
  std::size_t dim() const noexcept { return dim_; }

 protected:
  Codes(std::uint64_t size, std::size_t dim) : size_(size), dim_(dim) {}

 private:
  std::uint64_t size_;
  std::size_t dim_;
  mutable Residency residency_;
};

/// What an encoding has to know of the vectors and of how it is to hold them; a build's choices and a file's manifest
/// say the same.
struct CodesSpec {
  std::size_t dim = 0;
  Metric metric = Metric::dot_product;
  CodeParams code = {};
  bool linear = false;  ///< distances of dot products are those to decoded vectors, so that those to what was left out
                        ///< can be added
};

/// Where encoded rows lie: one after another; where their lengths differ, `offsets` tells each one's place, else it is
/// empty. `model` is what the encoder learned of the collection, if it does.
struct RowSections {
  Section rows;
  Section offsets;
  Section model = {};
};

/// Rows that were encoded.
struct EncodedRows {
  std::vector<std::byte> bytes;
  std::vector<std::uint64_t> ends;  ///< of each row in `bytes`; empty where all rows have one length
};

/// Turns vectors into the bytes of an encoding, a batch of rows at a time.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Whether the encoder has to learn from the collection before it encodes.
  virtual bool trains() const noexcept { return false; }
  /// Learns from the vectors, which are dense and as exact as the build has them. Once, where trains(). The same
  /// whatever the threads. Tells `progress`, if any, of a stage "learn", about once a second or more often.
  virtual void train(const Codes& vectors, unsigned num_threads, const Progress& progress);
  /// What was learned, as the file keeps it; empty where nothing is.
  virtual std::span<const std::byte> model() const noexcept { return {}; }
  /// Length of every row; 0 if it differs.
  virtual std::size_t row_bytes() const noexcept = 0;
  /// Where it does, the least that an entry of a vector takes; 0: that depends on the vector.
  virtual std::size_t entry_bytes() const noexcept { return 0; }
  /// Throws Error(invalid_argument) at a vector of which the encoding would keep next to nothing; names `source` and
  /// the row, of which the batch's first has the number `first`.
  virtual void check(const Batch&, std::string_view, std::uint64_t) const {}
  /// Appends the rows to `out`; any number of threads. `source` and `first`, the number of the batch's first row, are
  /// for messages. Throws Error(invalid_argument) at a value that the encoding cannot hold.
  virtual void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const = 0;
  /// The codes of `size` rows that lie in `sections`.
  virtual std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const = 0;
};

}  // namespace cassata
