// The center of a collection: a mean that outliers hardly move (docs/decisions/codes-have-a-robust-center.md).
#pragma once

#include <span>
#include <vector>

#include "engine/codec/codes.h"

namespace cassata {

/// Usual values: low to high. Values outside are outliers.
struct Range {
  float low, high;
};

/// The range of `values` without the lowest 2 % and the highest 2 % (at least one of each, if there are three or more),
/// widened by its own length on both sides: all usual values lie in it, and outliers that are 1 % of the values hardly
/// move it. Requires at least one value, and reorders them.
Range usual_range(std::span<float> values);

/// The mean of all vectors, dim values. Each value is clamped to the usual range of its coordinate, which is estimated
/// from a sample: if 1 % of the values are outliers, they move the mean by less than a tenth of the spread of the
/// others. Reads all vectors once, in order, and before that a sample, in at most 16 MiB of memory. Reports a stage
/// "learn" to `progress`, if any.
std::vector<float> robust_mean(const DenseRows& vectors, const Progress& progress);

}  // namespace cassata
