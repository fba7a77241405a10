// Every build of an approximate index searches it once, so that a bad one does not pass for a good one.
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
  /// Borrows `inner`, of which nothing has been read.
  explicit SampledStream(VectorStream& inner);

  std::uint64_t entries() const noexcept override { return inner_.entries(); }
  InputEntry entry() const override { return inner_.entry(); }
  Batch next_batch() override;
  /// The rows kept, in their order.
  const Rows& sample() const noexcept { return sample_; }

 private:
  VectorStream& inner_;
  Rows sample_;
  std::uint64_t wanted_, seen_ = 0;
};

/// Asks for rows of the sample, and for as many fresh queries: points halfway between a row and the closest other one
/// of the sample. Both by the default parameters, against a scan of all rows by the codes that results are scored by:
/// what these codes lose does not show. A result counts if its score reaches the k-th best.
SelfCheck self_check(const Searcher& searcher, const Manifest& manifest, const Rows& sample, unsigned num_threads);

}  // namespace cassata
