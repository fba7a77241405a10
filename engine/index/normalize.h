// Normalization of vectors, for metrics that compare vectors of length 1.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cassata/stream.h"
#include "cassata/types.h"

namespace cassata {

/// The vectors of `batch` scaled to length 1 (L2); zero vectors stay zero. Borrows components and tokens.
class NormalizedBatch {
 public:
  NormalizedBatch() = default;
  explicit NormalizedBatch(const Batch& batch);

  /// Valid while this object and the memory of `batch` live.
  const Batch& batch() const noexcept { return batch_; }

 private:
  Batch batch_;
  std::vector<float> values_;
  std::vector<std::uint64_t> offsets_;
};

/// `inner`, or a stream of its normalized vectors, kept in `holder`, if the metric asks for it.
VectorStream& stream_for(Metric metric, VectorStream& inner, std::unique_ptr<VectorStream>& holder);

}  // namespace cassata
