// The self-check of a build: it measures the recall of the new index, so that a bad index is noticed.
#pragma once

#include <cstdint>
#include <functional>

#include "cassata/manifest.h"
#include "cassata/params.h"
#include "cassata/rows.h"
#include "cassata/stream.h"

namespace cassata {

class Searcher;

/// A stream that keeps a sample of the rows that pass through it, always the same.
class SampledStream final : public VectorStream {
 public:
  /// Borrows `inner`, which must be unread.
  explicit SampledStream(VectorStream& inner);

  std::uint64_t entries() const noexcept override { return inner_.entries(); }
  InputEntry entry() const override { return inner_.entry(); }
  Batch next_batch() override;
  /// The sampled rows, in their order.
  const Rows& sample() const noexcept { return sample_; }

 private:
  VectorStream& inner_;
  Rows sample_;
  std::uint64_t wanted_, seen_ = 0;
};

/// Searches for rows of the sample and for as many held-out queries, points halfway between a row and the closest other
/// row of the sample, with default parameters. Compares the results with a scan of all rows by the codes that score
/// results, so a loss by these codes is not included. A result counts if its score reaches the k-th best.
SelfCheck self_check(const Searcher& searcher, const Manifest& manifest, const Rows& sample, unsigned num_threads);

}  // namespace cassata
