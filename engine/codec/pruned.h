// Sparse vectors in two parts: the few entries that hold most of a vector, and the pruned ones. Each part is stored in
// its own encoding.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/codec/codes.h"

namespace cassata {

enum class Part {
  kept,   ///< the entries with the largest absolute values (kept_entries)
  pruned  ///< all others
};

/// Ascending places of the fewest entries that hold `percentage` % (0 to 100) of the sum of absolute values: the
/// largest ones, and the first of equal ones. At least one, unless all values are 0; entries of 0 are never kept.
std::vector<std::size_t> kept_entries(std::span<const float> values, double percentage);

/// An encoder that stores one part of each vector by the encoder `whole`.
std::unique_ptr<Encoder> part_encoder(std::unique_ptr<Encoder> whole, double percentage, Part part);

}  // namespace cassata
