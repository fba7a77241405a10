// What other codes leave out of dense vectors, in an encoding of its own: dot products with both add up to those with
// the whole.
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Stores x - decoded(x) as `rest` does, where decoded(x) is what is left of a vector x in the codes of `first`, which
/// learns before and outlives it.
std::unique_ptr<Encoder> residual_encoder(const Encoder& first, std::unique_ptr<Encoder> rest);

}  // namespace cassata
