// Sparse vectors in two parts: the few entries that carry most of a vector, and the rest. Each part is stored in an
// encoding of its own.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/codec/codes.h"

namespace cassata {

enum class Part {
  kept,   // the entries with the largest absolute values
  pruned  // all others
};

/// Places, rising, of the fewest entries that together have `percentage` % of the sum of all absolute values: the
/// largest, and of equal ones the first; one at least. `percentage` is 0 to 100. Entries of 0 are never among them.
std::vector<std::size_t> kept_entries(std::span<const float> values, double percentage);

/// Stores that part of each vector as `whole` does.
std::unique_ptr<Encoder> part_encoder(std::unique_ptr<Encoder> whole, double percentage, Part part);

}  // namespace cassata
