// Vectors held in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cassata/stream.h"

namespace cassata {

/// Vectors of one shape and dim, dense or sparse.
class Rows {
 public:
  Rows(Shape shape, std::size_t dim) : shape_(shape), dim_(dim) {}
  /// All that is left of `stream`.
  explicit Rows(VectorStream& stream);

  void append(const Batch& rows);
  std::size_t size() const noexcept { return offsets_.size() - 1; }
  /// Borrowed, as the next.
  Batch batch() const;
  std::unique_ptr<VectorStream> stream(std::string name) const;

 private:
  Shape shape_;
  std::size_t dim_;
  std::vector<float> values_;
  std::vector<std::uint32_t> components_;  // of dense ones: none
  std::vector<std::uint64_t> offsets_ = {0};
};

}  // namespace cassata
