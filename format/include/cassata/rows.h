// Vectors held in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cassata/stream.h"

namespace cassata {

/// Vectors of one kind and dimension.
class Rows {
 public:
  Rows(VectorKind vector_kind, std::size_t dim) : vector_kind_(vector_kind), dim_(dim) {}
  /// Takes the vectors: of row i the values, and of sparse vectors the components, offsets[i] to offsets[i + 1] - 1.
  Rows(VectorKind vector_kind, std::size_t dim, std::vector<float> values, std::vector<std::uint32_t> components,
       std::vector<std::uint64_t> offsets)
      : vector_kind_(vector_kind),
        dim_(dim),
        values_(std::move(values)),
        components_(std::move(components)),
        offsets_(std::move(offsets)) {}
  /// Reads the rest of `stream`.
  explicit Rows(VectorStream& stream);

  void append(const Batch& rows);
  std::size_t size() const noexcept { return offsets_.size() - 1; }
  /// All rows, borrowed.
  Batch batch() const;
  /// A stream over the rows, which are borrowed. `name` is for messages.
  std::unique_ptr<VectorStream> stream(std::string name) const;

 private:
  VectorKind vector_kind_;
  std::size_t dim_;
  std::vector<float> values_;
  std::vector<std::uint32_t> components_;  // empty for dense vectors
  std::vector<std::uint64_t> offsets_ = {0};
};

}  // namespace cassata
