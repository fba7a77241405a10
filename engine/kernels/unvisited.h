// Which nodes of a list a walk has not met yet; dispatched at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cassata/types.h"

namespace cassata::kernels::unvisited {

/// Of a set of numbers below `size`, a bit for each in size / 32 + 1 words, that of `size` being set, too: puts all
/// `ids` below `size` that are not in it to `out`, in their order and as often as they are given, and perhaps others of
/// `ids`. Returns how many. Writes to no more than out[0] to out[ids.size() - 1].
std::size_t filter(const std::uint32_t* words, Id size, std::span<const Id> ids, Id* out);

}  // namespace cassata::kernels::unvisited
