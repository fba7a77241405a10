// Which nodes of a list a walk has not met yet; dispatched at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "format/types.h"

namespace cassata::kernels {

/// Places that are written to beyond those of the ids given.
inline constexpr std::size_t kUnmetOverrun = 15;

/// Of a set of numbers up to `size`, a bit for each, 32 to a word, that of `size` being set: puts all `ids` below `size` that are not in it to
/// `out`, in their order, and perhaps others. Returns how many. Writes to out[0] to out[ids.size() + kUnmetOverrun - 1].
std::size_t unmet(const std::uint32_t* words, Id size, std::span<const Id> ids, Id* out);

}  // namespace cassata::kernels
