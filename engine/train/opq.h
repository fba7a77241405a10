// Rotations of vectors before they are quantized in pieces. Turned so that their pieces have little to do with each
// other, less of them is lost; dot products and distances stay as they are. (Ge et al., CVPR 2013: "OPQ".)
//
// A rotation is an orthogonal matrix, dim x dim f32, row by row.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cassata/types.h"

namespace cassata {

/// to = rotation x from. Not in place.
void rotate(const float* rotation, std::size_t dim, const float* from, float* to) noexcept;
/// The other way round.
void rotate_back(const float* rotation, std::size_t dim, const float* from, float* to) noexcept;

/// A rotation after which little of the samples, which are rows of `dim` values, is lost where they are cut. Piece s is
/// coordinates bounds[s] to bounds[s + 1] - 1. The parametric solution: principal directions, dealt out so that all
/// pieces are alike. The same whatever the threads. Tells `progress`, if any, of a stage "rotation".
std::vector<float> learn_rotation(std::span<const float> samples, std::size_t dim, std::span<const std::size_t> bounds,
                                  unsigned num_threads, const Progress& progress = {});

}  // namespace cassata
