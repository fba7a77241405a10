#include "cassata/rows.h"

#include <utility>

#include "format/input/sparse_files.h"

namespace cassata {

Rows::Rows(VectorStream& stream) : Rows(stream.shape(), stream.dim()) {
  for (Batch batch = stream.next_batch(); batch.rows != 0; batch = stream.next_batch()) append(batch);
}

void Rows::append(const Batch& rows) {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const VectorView row = rows.row(i);
    values_.insert(values_.end(), row.values.begin(), row.values.end());
    components_.insert(components_.end(), row.components.begin(), row.components.end());
    offsets_.push_back(values_.size());
  }
}

Batch Rows::batch() const {
  if (shape_ == Shape::dense) return {.data = values_.data(), .rows = size(), .dim = dim_};
  return {.data = values_.data(),
          .rows = size(),
          .dim = dim_,
          .components = components_.data(),
          .offsets = offsets_.data()};
}

std::unique_ptr<VectorStream> Rows::stream(std::string name) const {
  if (shape_ == Shape::dense) return memory_stream(std::move(name), values_.data(), size(), dim_, ElementType::f32);
  return sparse_memory_stream(std::move(name), components_, values_, offsets_);
}

}  // namespace cassata
