// Codecs: encodings whose rows have one length. A codec decodes, checks and scores rows, wherever they are stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "cassata/types.h"
#include "format/file/section.h"

namespace cassata {

/// Computes distances from a bound query to rows given by pointer. One thread at a time: each thread makes its own and
/// binds one query after another. The codec must outlive it.
class RowScorer {
 public:
  virtual ~RowScorer() = default;
  /// Binds `query`, of RowCodec::dim() values, which are copied.
  virtual void bind(VectorView query) = 0;
  /// Binds the encoded vector at `row`.
  virtual void bind(const std::byte* row) = 0;
  /// out[i] = distance(query, row places[i]) of the rows that are stored one after another at `rows`. Allocates
  /// nothing. Prefetches rows ahead of the one being scored, but not the first ones (kernels/prefetch.h).
  virtual void score(const std::byte* rows, std::span<const Id> places, float* out) noexcept = 0;
  /// out[i] = distance(query, row first + i) of the rows at `rows`, i < count.
  virtual void score_range(const std::byte* rows, std::size_t first, std::size_t count, float* out) noexcept = 0;
};

/// Decodes, checks and scores rows given by pointer. Immutable; any number of threads. Borrows its model.
class RowCodec {
 public:
  virtual ~RowCodec() = default;
  RowCodec(const RowCodec&) = delete;
  RowCodec& operator=(const RowCodec&) = delete;

  std::size_t dim() const noexcept { return dim_; }
  std::size_t row_bytes() const noexcept { return row_bytes_; }
  /// Throws Error(invalid_argument) for a metric whose distances the encoding does not compute.
  virtual std::unique_ptr<RowScorer> scorer(Metric metric) const = 0;
  /// out = the dim() values of the encoded vector.
  virtual void decode(const std::byte* row, float* out) const = 0;
  /// Checks the model for values that no encoder stores. Calls `reading` with each part before it is read. Throws
  /// Error(corrupt) naming the byte.
  virtual void verify_model(const Reading&) const {}
  /// Checks the row at byte `at` of `section` in the same way. `row` is its number, for the message.
  virtual void verify_row(const Section&, std::uint64_t at, std::uint64_t row) const = 0;

 protected:
  RowCodec(std::size_t dim, std::size_t row_bytes) : dim_(dim), row_bytes_(row_bytes) {}

 private:
  std::size_t dim_, row_bytes_;
};

}  // namespace cassata
