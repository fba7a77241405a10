// A collection of vectors read front to back in bounded memory, whatever its format.
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

  Shape shape() const noexcept { return shape_; }
  std::uint64_t size() const noexcept { return size_; }
  std::size_t dim() const noexcept { return dim_; }
  /// Of all vectors: numbers of dense ones, and of sparse ones what is not 0.
  virtual std::uint64_t entries() const noexcept = 0;
  /// The file's path as given, or what else names the source in messages.
  const std::string& name() const noexcept { return name_; }
  /// Whether name() is the path of a file that is being read.
  bool is_file() const noexcept { return is_file_; }

  /// The next rows, some megabytes of them, valid until the next call; none at the end. Throws Error(invalid_argument)
  /// naming the row where a vector is not what it must be, and where the file ends early.
  virtual Batch next_batch() = 0;

  /// Name, rows, bytes and hash of what has been read so far, for the manifest's provenance.
  virtual InputEntry entry() const;

 protected:
  VectorStream(std::string name, Shape shape, std::uint64_t size, std::size_t dim, bool is_file);
  /// Counts rows that were read, and the bytes that they were made of.
  void note(std::uint64_t rows, std::span<const std::byte> raw);
  std::uint64_t done() const noexcept { return done_; }

 private:
  std::string name_;
  bool is_file_;
  Shape shape_;
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

  /// Reads the next rows as f32, at most `out.size() / dim()` of them, which must be 1 or more; returns how many, 0 at
  /// the end. Throws Error(invalid_argument) naming row and column at a NaN, an infinity, a value beyond f32 or a
  /// vector too long or short (lengths.h), and where the file ends early.
  std::size_t next(std::span<float> out);

  /// What messages call a row from now on, instead of "row 7".
  void call_rows(std::function<std::string(std::uint64_t row)> name) { row_name_ = std::move(name); }
  /// From now on values beyond f16 are refused, too.
  void expect_halves() { expected_ = Expected::halves; }
  /// From now on rows may have any length (L2): they are not vectors that are compared.
  void expect_numbers() { expected_ = Expected::numbers; }

 protected:
  DenseStream(std::string name, std::uint64_t size, std::size_t dim, ElementType type, bool is_file = false);
  /// Reads exactly `rows` rows of raw elements, tightly packed; throws if there are fewer.
  virtual void read_rows(std::span<std::byte> out, std::size_t rows) = 0;

 private:
  enum class Expected { vectors, halves, numbers };

  /// Throws unless a row, raw and as f32, is what is expected.
  void check(std::span<const std::byte> raw, std::span<const float> values, std::uint64_t row) const;

  ElementType element_type_;
  std::function<std::string(std::uint64_t row)> row_name_;
  Expected expected_ = Expected::vectors;
  std::vector<std::byte> raw_;
  std::vector<float> batch_;
};

/// The extension that tells a file's format, in small letters; big-ann-benchmarks adds how many rows of a collection a
/// file holds, as in "base.1B.fbin.crop_nb_10000000": that is left out.
std::string input_extension(const std::filesystem::path& path);

/// Opens a file by its extension: .npy .fvecs .bvecs .fbin .u8bin .i8bin. Throws Error(invalid_argument) naming the
/// file and what is wrong with it, or Error(io).
std::unique_ptr<DenseStream> open_stream(const std::filesystem::path& path);

/// A stream over rows in memory, borrowed. `data` holds rows x dim elements of `type`, row-major, not necessarily
/// aligned.
std::unique_ptr<DenseStream> memory_stream(std::string name, const void* data, std::uint64_t rows, std::size_t dim,
                                           ElementType type);

/// Reads a whole stream: rows x dim floats. For queries and other small collections.
std::vector<float> read_all(DenseStream& stream);

}  // namespace cassata
