// Residuals of dense vectors, in their own encoding. The dot product with a vector is the sum of those with its code
// and with its residual.
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// An encoder that stores the residuals x - decoded(x) by the encoder `rest`; decoded(x) is the vector x encoded and
/// decoded by `first`. Train `first` before it; `first` must outlive it.
std::unique_ptr<Encoder> residual_encoder(const Encoder& first, std::unique_ptr<Encoder> rest);

}  // namespace cassata
