#include "engine/codes/opq.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "engine/codes/kmeans.h"
#include "engine/kernels/dense.h"
#include "engine/kernels/lookup.h"
#include "engine/parallel.h"

namespace cassata {
namespace {

constexpr int kRounds = 8;
constexpr std::size_t kRowsAPiece = 16;  // of matrices, for a thread

/// out[i] = dot product of `row` with row i of `matrix`, i < rows.
void products(const float* row, const float* matrix, std::size_t dim, std::size_t rows, float* out) noexcept {
  kernels::dense_kernels(Metric::dot_product, ElementType::f32).range(row, matrix, dim, 0, rows, out);
  for (std::size_t i = 0; i < rows; ++i) out[i] = -out[i];  // the kernel gives distances
}

/// A row-major matrix.
struct Matrix {
  std::size_t rows, columns;
  std::vector<float> values;

  Matrix(std::size_t rows_, std::size_t columns_) : rows(rows_), columns(columns_), values(rows * columns) {}

  float* row(std::size_t i) noexcept { return values.data() + i * columns; }
  const float* row(std::size_t i) const noexcept { return values.data() + i * columns; }
};

/// The rows `first` to `first + count` - 1, of `columns` values each, as columns.
Matrix transposed(const float* rows, std::size_t count, std::size_t columns) {
  Matrix out(columns, count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < columns; ++j) out.row(j)[i] = rows[i * columns + j];
  return out;
}

/// a x transposed b.
Matrix product(const Matrix& a, const Matrix& b, unsigned num_threads) {
  Matrix out(a.rows, b.rows);
  parallel_for(num_threads, a.rows, kRowsAPiece, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) products(a.row(i), b.row(0), a.columns, b.rows, out.row(i));
  });
  return out;
}

/// Transposed a x b, of as many rows each.
Matrix correlation(const Matrix& a, std::span<const float> b, unsigned num_threads) {
  constexpr std::size_t kRows = 512;  // that stay in the cache
  Matrix sum(a.columns, a.columns);
  for (std::size_t first = 0; first < a.rows; first += kRows) {
    const std::size_t count = std::min(kRows, a.rows - first);
    const Matrix part = product(transposed(a.row(first), count, a.columns), transposed(b.data() + first * a.columns, count, a.columns), num_threads);
    for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += part.values[i];
  }
  return sum;
}

double norm(const Matrix& m) {
  double sum = 0;
  for (const float value : m.values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

/// How far the products of rows with each other are from those of an orthogonal matrix.
float error_of(const Matrix& products) {
  float most = 0;
  for (std::size_t i = 0; i < products.rows; ++i)
    for (std::size_t j = 0; j < products.columns; ++j) most = std::max(most, std::abs(products.row(i)[j] - (i == j ? 1.0F : 0.0F)));
  return most;
}

/// Makes `m` the orthogonal matrix that is nearest to it, its polar factor, by Newton's and Schulz's iteration, which takes nothing but
/// products. False if that does not converge, as where `m` is singular or not finite.
bool make_orthogonal(Matrix& m, unsigned num_threads) {
  constexpr int kMostSteps = 80;
  constexpr float kEnough = 1e-5F;
  const double size = norm(m);
  if (!(size > 0) || !std::isfinite(size)) return false;
  for (float& value : m.values) value = static_cast<float>(static_cast<double>(value) / size);  // no singular value is over 1 now
  for (int step = 0; step < kMostSteps; ++step) {
    const Matrix squares = product(m, m, num_threads);
    if (error_of(squares) < kEnough) return true;
    const Matrix cubes = product(squares, transposed(m.row(0), m.rows, m.columns), num_threads);
    for (std::size_t i = 0; i < m.values.size(); ++i) m.values[i] = 1.5F * m.values[i] - 0.5F * cubes.values[i];
  }
  return false;
}

/// The rotated samples, each piece as its nearest centroid.
Matrix quantized(const Matrix& rotation, std::span<const float> samples, std::span<const std::size_t> bounds, unsigned num_threads) {
  const std::size_t dim = rotation.rows, size = samples.size() / dim;
  Matrix out(size, dim);
  parallel_for(num_threads, size, kRowsAPiece, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) rotate(rotation.row(0), dim, samples.data() + i * dim, out.row(i));
  });
  parallel_for(num_threads, bounds.size() - 1, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t s = begin; s < end; ++s) {
      VectorBlocks pieces(size, bounds[s + 1] - bounds[s]);
      for (std::size_t i = 0; i < size; ++i) pieces.set(i, out.row(i) + bounds[s]);
      const std::vector<float> codebook = train_codebook(pieces);
      std::vector<std::uint8_t> codes(size);
      pieces.nearest(codebook.data(), codes);
      for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < pieces.dims(); ++j) out.row(i)[bounds[s] + j] = codebook[j * kernels::kCentroids + codes[i]];
    }
  });
  return out;
}

/// Variances of the coordinates.
std::vector<double> variances(std::span<const float> samples, std::size_t dim) {
  const auto size = static_cast<double>(samples.size() / dim);
  std::vector<double> sums(dim), squares(dim);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto value = static_cast<double>(samples[i]);
    sums[i % dim] += value;
    squares[i % dim] += value * value;
  }
  for (std::size_t j = 0; j < dim; ++j) squares[j] = std::max(0.0, squares[j] / size - sums[j] / size * (sums[j] / size));
  return squares;
}

/// A permutation of the coordinates after which the pieces have about equal products of variances (Ge et al., 3.2, of the axes as they are): each
/// coordinate, of falling variance, goes to the piece with room whose product is least.
Matrix balanced(const std::vector<double>& variances, std::span<const std::size_t> bounds) {
  const std::size_t dim = variances.size(), pieces = bounds.size() - 1;
  double least = INFINITY;
  for (const double v : variances)
    if (v > 0) least = std::min(least, v);
  std::vector<std::size_t> order(dim), next(bounds.begin(), bounds.end() - 1);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return variances[a] > variances[b]; });
  std::vector<double> logs(pieces);
  Matrix out(dim, dim);
  for (const std::size_t j : order) {
    std::size_t piece = pieces;
    for (std::size_t s = 0; s < pieces; ++s)
      if (next[s] < bounds[s + 1] && (piece == pieces || logs[s] < logs[piece])) piece = s;
    out.row(next[piece]++)[j] = 1;
    if (variances[j] > 0) logs[piece] += std::log(variances[j] / least);
  }
  return out;
}

}  // namespace

void rotate(const float* rotation, std::size_t dim, const float* from, float* to) noexcept { products(from, rotation, dim, dim, to); }

void rotate_back(const float* rotation, std::size_t dim, const float* from, float* to) noexcept {
  std::fill_n(to, dim, 0.0F);
  for (std::size_t i = 0; i < dim; ++i)
    for (std::size_t j = 0; j < dim; ++j) to[j] += rotation[i * dim + j] * from[i];
}

std::vector<float> learn_rotation(std::span<const float> samples, std::size_t dim, std::span<const std::size_t> bounds, unsigned num_threads) {
  Matrix rotation = balanced(variances(samples, dim), bounds);
  for (int round = 0; round < kRounds; ++round) {
    Matrix next = correlation(quantized(rotation, samples, bounds, num_threads), samples, num_threads);
    // Where the samples do not tell, as in directions in which they do not lie, the rotation stays.
    const float inertia = static_cast<float>(1e-3 * norm(next) / std::sqrt(static_cast<double>(dim)));
    for (std::size_t i = 0; i < next.values.size(); ++i) next.values[i] += inertia * rotation.values[i];
    if (!make_orthogonal(next, num_threads)) break;
    rotation = std::move(next);
  }
  return std::move(rotation.values);
}

}  // namespace cassata
