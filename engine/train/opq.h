// OPQ (Ge et al., CVPR 2013): a learned rotation of vectors before product quantization. It makes the subspaces nearly
// uncorrelated, which lowers the quantization error; dot products and distances do not change.
//
// A rotation is an orthogonal matrix, dim x dim f32, row by row.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cassata/types.h"

namespace cassata {

/// to = rotation x from, of dim values each. `from` and `to` must not overlap.
void rotate(const float* rotation, std::size_t dim, const float* from, float* to) noexcept;
/// to = the inverse of the rotation x from. `from` and `to` must not overlap.
void rotate_back(const float* rotation, std::size_t dim, const float* from, float* to) noexcept;

/// Learns a rotation that lowers the error of product quantization, from samples: rows of `dim` values, any number of
/// them. Subspace s is coordinates bounds[s] to bounds[s + 1] - 1. The parametric solution (Ge et al., 3.2): principal
/// directions, distributed so that the products of the variances in the subspaces are about equal. Does not depend on
/// `num_threads`. Reports a stage "rotation" to `progress`, if any.
std::vector<float> learn_rotation(std::span<const float> samples, std::size_t dim, std::span<const std::size_t> bounds,
                                  unsigned num_threads, const Progress& progress = {});

}  // namespace cassata
