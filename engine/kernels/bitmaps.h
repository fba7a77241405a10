// Bitmaps of row numbers, by vectors; dispatched at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cassata/types.h"

namespace cassata::kernels::bitmaps {

/// Number of bits that are set.
std::size_t count(std::span<const std::uint64_t> words);

/// Sets bit i of `out` to bit ids[i] of `words`, for each i. Ids of `size` or more give 0, as do bits of `out` beyond
/// the ids. `words` has at least size / 64 words, rounded up, and `out` ids.size() / 64, rounded up.
void select(std::span<const std::uint64_t> words, std::uint64_t size, std::span<const Id> ids,
            std::span<std::uint64_t> out);

}  // namespace cassata::kernels::bitmaps
