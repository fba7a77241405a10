// Filters a neighbour list for unvisited nodes; dispatched at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cassata/types.h"

namespace cassata::kernels::unvisited {

/// Copies the unvisited ids to `out`, in order, duplicates included, and returns how many. May also copy ids that are
/// visited or not below `size`; the caller checks again. `words` holds one bit per id, set if visited, in size / 32 + 1
/// words; bit `size` must be set. Writes at most ids.size() places of `out`.
std::size_t filter(const std::uint32_t* words, Id size, std::span<const Id> ids, Id* out);

}  // namespace cassata::kernels::unvisited
