// Streams of sparse vectors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cassata/stream.h"

namespace cassata {

/// Largest component of a sparse vector.
inline constexpr std::uint32_t kMaxComponent = 0xFFFF'FFFE;

/// A stream of sparse vectors, which may be empty. dim() is the largest component plus 1; 1 if no vector has an entry.
class SparseStream : public VectorStream {
 public:
  Batch next_batch() final;
  std::uint64_t entries() const noexcept final { return entries_; }

 protected:
  SparseStream(std::string name, std::uint64_t size, std::size_t dim, std::uint64_t entries, bool is_file)
      : VectorStream(std::move(name), VectorKind::sparse, size, dim, is_file), entries_(entries) {}
  /// Appends the entries of the next vector. Called size() times.
  virtual void read_row(std::vector<std::uint32_t>& components, std::vector<float>& values) = 0;

 private:
  std::uint64_t entries_;
  std::vector<std::uint32_t> components_;
  std::vector<float> values_;
  std::vector<std::uint64_t> offsets_;
};

/// Opens a .bin file: u32 n; then for each vector u32 nnz, nnz x u32 components, nnz x f32 values; little-endian. Reads
/// the file once to check it and to find the largest component, and a second time as the stream. Throws Error:
/// invalid_argument, naming the file and the byte; io.
std::unique_ptr<SparseStream> open_sparse_stream(const std::filesystem::path& path);

/// A stream over borrowed compressed sparse rows: the entries of row i are offsets[i] to offsets[i + 1] - 1 of
/// `components` and `values`. Throws Error(invalid_argument) as check_offsets() does.
std::unique_ptr<SparseStream> sparse_memory_stream(std::string name, std::span<const std::uint32_t> components,
                                                   std::span<const float> values,
                                                   std::span<const std::uint64_t> offsets);

/// Order of a row's components: strictly increasing in stored vectors, any order in queries.
enum class ComponentOrder { rising, any };

/// Throws Error(invalid_argument) unless the components have the order `order` and are at most kMaxComponent, the
/// values are finite, and the vector is comparable() (vector_lengths.h). `name` and `row` are for the message.
void check_sparse_row(const std::string& name, std::uint64_t row, VectorView vector,
                      ComponentOrder order = ComponentOrder::rising);

/// Throws Error(invalid_argument) unless `offsets` start at 0, do not decrease and end at `values`, and `components`
/// equals `values`, the numbers of components and values. Messages begin with `name`.
void check_offsets(const std::string& name, std::span<const std::uint64_t> offsets, std::uint64_t components,
                   std::uint64_t values);

}  // namespace cassata
