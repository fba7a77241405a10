// Vectors of length 1, for metrics that compare such.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cassata/stream.h"
#include "cassata/types.h"

namespace cassata {

/// A batch whose vectors have length 1 (L2), or are zero where those of `batch` are. Borrows components and tokens.
class NormalizedBatch {
 public:
  NormalizedBatch() = default;
  explicit NormalizedBatch(const Batch& batch);

  /// Valid as long as this object and what the batch borrows.
  const Batch& batch() const noexcept { return batch_; }

 private:
  Batch batch_;
  std::vector<float> values_;
  std::vector<std::uint64_t> offsets_;
};

/// `inner` as the metric compares its vectors: itself, or normalized, which is then kept in `holder`.
VectorStream& stream_for(Metric metric, VectorStream& inner, std::unique_ptr<VectorStream>& holder);

}  // namespace cassata
