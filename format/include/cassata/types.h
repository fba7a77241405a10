// Types shared by all layers: ids, metrics, vectors, progress.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace cassata {

/// Number of a vector, from 0: its place in the collection (id) or in the file (row). Files hold at most kMaxSize
/// vectors.
using Id = std::uint32_t;
inline constexpr std::uint64_t kMaxSize = (std::uint64_t{1} << 31) - 1;
/// Largest dimension of a dense vector in a file.
inline constexpr std::size_t kMaxDim = std::size_t{1} << 20;
/// Marks an unused place in a list of ids.
inline constexpr Id kNoId = 0xFFFF'FFFF;

/// Measure of closeness; metric.h has a row for each. The engine compares *distances*, smaller for closer vectors, such
/// as -dot or squared L2; callers see *scores*. Cosine is the dot product of vectors scaled to length 1; a zero vector
/// or query scores 0, or only near 0 if product-quantized, int8, int4 or RaBitQ codes give the score.
enum class Metric : std::uint8_t { dot_product = 0, euclidean = 1, cosine = 2, manhattan = 3 };

/// Type of the elements of a stored or read vector.
enum class ElementType : std::uint8_t { f32, f16, f64, u8, i8 };

inline constexpr std::size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::f32: return 4;
    case ElementType::f16: return 2;
    case ElementType::f64: return 8;
    case ElementType::u8:
    case ElementType::i8: return 1;
  }
  return 0;
}

/// One vector, borrowed: its values, and for a sparse vector their components (same length, strictly increasing).
struct VectorView {
  std::span<const float> values;
  std::span<const std::uint32_t> components = {};
  /// Token vectors of a query, one after another, for an index with token vectors.
  std::span<const float> tokens = {};
};

/// Token vectors of several queries, borrowed: those of query i are offsets[i] to offsets[i + 1] - 1, each of `dim`
/// values.
struct TokenBatch {
  const float* data = nullptr;
  std::size_t dim = 0;
  const std::uint64_t* offsets = nullptr;  ///< null: no token vectors

  std::span<const float> row(std::size_t i) const {
    if (offsets == nullptr) return {};
    return {data + offsets[i] * dim, (offsets[i + 1] - offsets[i]) * dim};
  }
  /// The token vectors of the queries from `first` on.
  TokenBatch from(std::size_t first) const {
    return {.data = data, .dim = dim, .offsets = offsets == nullptr ? nullptr : offsets + first};
  }
};

/// A batch of vectors, borrowed. Dense: `rows` x `dim` values, row-major. Sparse: row i's entries are offsets[i] to
/// offsets[i + 1] - 1 of `data` and `components`; they are below `dim`.
struct Batch {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t dim = 0;
  const std::uint32_t* components = nullptr;
  const std::uint64_t* offsets = nullptr;
  TokenBatch tokens = {};  ///< token vectors of the same rows

  bool sparse() const noexcept { return offsets != nullptr; }
  VectorView row(std::size_t i) const {
    if (!sparse()) return {.values = {data + i * dim, dim}, .tokens = tokens.row(i)};
    const std::size_t count = offsets[i + 1] - offsets[i];
    return {
        .values = {data + offsets[i], count}, .components = {components + offsets[i], count}, .tokens = tokens.row(i)};
  }
  /// Rows `first` to `first + count - 1`.
  Batch part(std::size_t first, std::size_t count) const {
    if (sparse())
      return {.data = data,
              .rows = count,
              .dim = dim,
              .components = components,
              .offsets = offsets + first,
              .tokens = tokens.from(first)};
    return {.data = data + first * dim, .rows = count, .dim = dim, .tokens = tokens.from(first)};
  }
};

/// Layout of a folder of token vectors: plain vectors, or a centroid and a product-quantized residual for each.
enum class TokenLayout { plain, two_level };

/// Receives the progress of a long task: name of the stage, units done, units in all. Called on the calling thread
/// only. An exception that it throws cancels the task and reaches the caller.
using Progress = std::function<void(std::string_view stage, std::uint64_t done, std::uint64_t total)>;

}  // namespace cassata
