#include "engine/index/normalize.h"

#include <cmath>
#include <cstddef>
#include <span>

#include "cassata/manifest.h"
#include "cassata/metric.h"

namespace cassata {
namespace {

void normalize(std::span<float> values) {
  double squares = 0;
  for (const float value : values) squares += double{value} * double{value};
  if (squares == 0) return;
  const double scale = 1 / std::sqrt(squares);
  for (float& value : values) value = static_cast<float>(double{value} * scale);
}

/// The rows of another stream, normalized. Reports the input of that stream.
class NormalizedStream final : public VectorStream {
 public:
  explicit NormalizedStream(VectorStream& inner)
      : VectorStream(inner.name(), inner.vector_kind(), inner.size(), inner.dim(), inner.is_file()), inner_(inner) {}

  std::uint64_t entries() const noexcept override { return inner_.entries(); }
  InputEntry entry() const override { return inner_.entry(); }
  Batch next_batch() override {
    rows_ = NormalizedBatch(inner_.next_batch());
    return rows_.batch();
  }

 private:
  VectorStream& inner_;
  NormalizedBatch rows_;
};

}  // namespace

NormalizedBatch::NormalizedBatch(const Batch& batch) : batch_(batch) {
  const std::uint64_t begin = batch.sparse() ? batch.offsets[0] : 0,
                      end = batch.sparse() ? batch.offsets[batch.rows] : batch.rows * batch.dim;
  values_.assign(batch.data + begin, batch.data + end);
  batch_.data = values_.data();
  if (batch.sparse()) {
    for (std::size_t i = 0; i <= batch.rows; ++i) offsets_.push_back(batch.offsets[i] - begin);
    batch_.components = batch.components + begin;
    batch_.offsets = offsets_.data();
  }
  for (std::size_t i = 0; i < batch.rows; ++i) {
    const std::size_t first = batch.sparse() ? offsets_[i] : i * batch.dim, count = batch_.row(i).values.size();
    normalize(std::span(values_).subspan(first, count));
  }
}

VectorStream& stream_for(Metric metric, VectorStream& inner, std::unique_ptr<VectorStream>& holder) {
  if (!row_of(metric).normalized) return inner;
  holder = std::make_unique<NormalizedStream>(inner);
  return *holder;
}

}  // namespace cassata
