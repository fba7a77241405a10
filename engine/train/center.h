// A centre of vectors that a few wild ones cannot move.
#pragma once

#include <span>
#include <vector>

#include "engine/codec/codes.h"

namespace cassata {

/// Where values stop being usual.
struct Range {
  float low, high;
};

/// The range of all but the lowest 2 % and the highest 2 % of `values`, at least one of each where there are three or
/// more, widened by its own length on both sides: all normal values lie in it, and 1 % of values that may be of any
/// size hardly move it. Reorders the values, of which there is at least one.
Range usual_range(std::span<float> values);

/// The mean of each coordinate's values, with those outside of their usual range (of a sample) counted at its ends:
/// where about 1 % of them are wild, they move it by less than a tenth of what the others differ by. Reads all vectors
/// once, in order, and before that a sample, of which it holds 16 MiB. Reports a stage "learn" to `progress`, if any.
std::vector<float> robust_mean(const Codes& vectors, const Progress& progress);

}  // namespace cassata
