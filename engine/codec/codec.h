// An encoding whose rows all have one length: what the bytes of a row mean, wherever the row lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "cassata/types.h"
#include "format/file/section.h"

namespace cassata {

/// A query bound to a codec. One thread at a time; made once a thread and bound to one query after another. The codec
/// must outlive it.
class RowScorer {
 public:
  virtual ~RowScorer() = default;
  /// The next calls are about `query`, of RowCodec::dim() values. It is copied.
  virtual void bind(VectorView query) = 0;
  /// The next calls are about the encoded vector at `row`.
  virtual void bind(const std::byte* row) = 0;
  /// out[i] = distance(query, row places[i] of those that lie at `rows`, one after another). Allocates nothing.
  /// Prefetches rows ahead of the one being scored, but not the first ones (kernels/prefetch.h).
  virtual void score(const std::byte* rows, std::span<const Id> places, float* out) noexcept = 0;
  /// out[i] = distance(query, row first + i), i < count.
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
  virtual std::unique_ptr<RowScorer> scorer(Metric metric) const = 0;
  /// out = the dim() values of the encoded vector.
  virtual void decode(const std::byte* row, float* out) const = 0;
  /// Checks the model for values that no encoder of ours stores. Calls `reading` with each part before it is read.
  /// Throws Error(corrupt) naming the byte.
  virtual void verify_model(const Reading&) const {}
  /// Checks the row at byte `at` of `section` in the same way; `row` is its number, for the message.
  virtual void verify_row(const Section&, std::uint64_t at, std::uint64_t row) const = 0;

 protected:
  RowCodec(std::size_t dim, std::size_t row_bytes) : dim_(dim), row_bytes_(row_bytes) {}

 private:
  std::size_t dim_, row_bytes_;
};

}  // namespace cassata
