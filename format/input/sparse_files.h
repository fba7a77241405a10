// Sparse collections, read front to back in bounded memory.
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

/// Sparse vectors; dim() is their largest component plus 1, and 1 if none has an entry. A vector may be empty.
class SparseStream : public VectorStream {
 public:
  Batch next_batch() final;
  std::uint64_t entries() const noexcept final { return entries_; }

 protected:
  SparseStream(std::string name, std::uint64_t size, std::size_t dim, std::uint64_t entries, bool is_file)
      : VectorStream(std::move(name), Shape::sparse, size, dim, is_file), entries_(entries) {}
  /// Appends the next vector's entries; called size() times.
  virtual void read_row(std::vector<std::uint32_t>& components, std::vector<float>& values) = 0;

 private:
  std::uint64_t entries_;
  std::vector<std::uint32_t> components_;
  std::vector<float> values_;
  std::vector<std::uint64_t> offsets_;
};

/// u32 n; then for each vector u32 nnz, nnz x u32 components, nnz x f32 values; little-endian. Read twice: the first
/// time for the largest component. Throws Error(invalid_argument) naming the file, the byte and what is wrong there, or
/// Error(io).
std::unique_ptr<SparseStream> open_sparse_stream(const std::filesystem::path& path);

/// A stream over compressed rows in memory, borrowed: row i's entries are offsets[i] to offsets[i + 1] - 1 of
/// `components` and `values`. Throws Error(invalid_argument) where offsets fall, do not start at 0 or do not end at the
/// number of entries.
std::unique_ptr<SparseStream> sparse_memory_stream(std::string name, std::span<const std::uint32_t> components,
                                                   std::span<const float> values,
                                                   std::span<const std::uint64_t> offsets);

/// The order of a row's components: of stored vectors they rise strictly, of queries they need not.
enum class ComponentOrder { rising, any };

/// Throws Error(invalid_argument) unless the components are in that order and at most kMaxComponent, the values are
/// finite, and the vector's length is within its bounds (lengths.h). `name` and `row` are for the message.
void check_sparse_row(const std::string& name, std::uint64_t row, VectorView vector,
                      ComponentOrder order = ComponentOrder::rising);

/// Throws Error(invalid_argument), beginning with `name`, unless the offsets start at 0, do not fall, and end at the
/// number of components and values, which agree.
void check_offsets(const std::string& name, std::span<const std::uint64_t> offsets, std::uint64_t components,
                   std::uint64_t values);

}  // namespace cassata
