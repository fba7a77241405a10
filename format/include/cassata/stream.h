// Streams of vectors: collections of any format, read front to back in bounded memory.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cassata/checksum.h"
#include "cassata/manifest.h"
#include "cassata/types.h"

namespace cassata {

/// A source of `size()` vectors of `dim()` elements. One thread at a time.
class VectorStream {
 public:
  virtual ~VectorStream() = default;
  VectorStream(const VectorStream&) = delete;
  VectorStream& operator=(const VectorStream&) = delete;

  VectorKind vector_kind() const noexcept { return vector_kind_; }
  std::uint64_t size() const noexcept { return size_; }
  std::size_t dim() const noexcept { return dim_; }
  /// Number of stored values over all vectors: size() * dim() for dense vectors, the number of entries for sparse ones.
  virtual std::uint64_t entries() const noexcept = 0;
  /// Name of the source in messages: for a file, its path as given.
  const std::string& name() const noexcept { return name_; }
  /// True if the source is a file and name() is its path.
  bool is_file() const noexcept { return is_file_; }

  /// The next rows, some megabytes, valid until the next call; no rows at the end. Throws Error(invalid_argument),
  /// naming the row, for an invalid vector or if the file ends early.
  virtual Batch next_batch() = 0;

  /// Name of the source, and number of rows, bytes and hash of what has been read so far, for the provenance.
  virtual InputEntry entry() const;

 protected:
  VectorStream(std::string name, VectorKind vector_kind, std::uint64_t size, std::size_t dim, bool is_file);
  /// Counts `rows` rows that were read, and hashes their bytes in the input.
  void note(std::uint64_t rows, std::span<const std::byte> raw);
  std::uint64_t done() const noexcept { return done_; }

 private:
  std::string name_;
  bool is_file_;
  VectorKind vector_kind_;
  std::uint64_t size_;
  std::size_t dim_;
  std::uint64_t done_ = 0;
  std::uint64_t bytes_ = 0;
  Xxh3 hash_;
};

/// Dense vectors.
class DenseStream : public VectorStream {
 public:
  ElementType element_type() const noexcept { return element_type_; }
  Batch next_batch() final;
  std::uint64_t entries() const noexcept final { return size() * dim(); }

  /// Reads the next out.size() / dim() rows, at least 1, or the rest, as f32; returns how many rows, 0 at the end.
  /// Throws Error(invalid_argument), naming row and column, for a NaN, an infinity, a value beyond f32 or a vector too
  /// long or too short (vector_lengths.h), and if the file ends early.
  std::size_t next(std::span<float> out);

  /// Sets the name of a row in messages; default: "row 7".
  void call_rows(std::function<std::string(std::uint64_t row)> name) { row_name_ = std::move(name); }
  /// Also refuse values beyond the range of f16.
  void expect_halves() { expected_ = Expected::halves; }
  /// Accept rows of any L2 length, for rows that are not vectors to compare.
  void expect_numbers() { expected_ = Expected::numbers; }

 protected:
  DenseStream(std::string name, std::uint64_t size, std::size_t dim, ElementType type, bool is_file = false);
  /// Reads exactly `rows` rows of raw elements, tightly packed; throws if there are fewer.
  virtual void read_rows(std::span<std::byte> out, std::size_t rows) = 0;

 private:
  enum class Expected { vectors, halves, numbers };

  /// Checks a row, given as raw bytes and as f32, against expected_.
  void check(std::span<const std::byte> raw, std::span<const float> values, std::uint64_t row) const;

  ElementType element_type_;
  std::function<std::string(std::uint64_t row)> row_name_;
  Expected expected_ = Expected::vectors;
  std::vector<std::byte> raw_;
  std::vector<float> batch_;
};

/// The extension by which a file's format is recognized, in lower case. Ignores the row count that big-ann-benchmarks
/// appends, as in "base.1B.fbin.crop_nb_10000000".
std::string input_extension(const std::filesystem::path& path);

/// Opens a file of dense vectors by its extension: .npy .fvecs .bvecs .fbin .u8bin .i8bin. Throws Error:
/// invalid_argument (unknown extension, or not a valid file of that format), io.
std::unique_ptr<DenseStream> open_stream(const std::filesystem::path& path);

/// A stream over borrowed memory: rows x dim elements of `type`, row-major, of any alignment.
std::unique_ptr<DenseStream> memory_stream(std::string name, const void* data, std::uint64_t rows, std::size_t dim,
                                           ElementType type);

/// Reads a whole stream into rows x dim floats. For queries and other small collections.
std::vector<float> read_all(DenseStream& stream);

}  // namespace cassata
