#include "engine/train/opq.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/parallel.h"
#include "engine/kernels/dense_distance.h"
#include "engine/train/center.h"

namespace cassata {
namespace {

constexpr std::size_t kRowsAPiece = 16;  // of matrices, for a thread

/// out[i] = dot product of `row` with row i of `matrix`, i < rows.
void products(const float* row, const float* matrix, std::size_t dim, std::size_t rows, float* out) noexcept {
  kernels::dense::dispatch(Metric::dot_product, ElementType::f32).range(row, matrix, dim, 0, rows, out);
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

/// Tells how far the learning of a rotation is.
class Report {
 public:
  explicit Report(const Progress& progress) : progress_(progress) {}

  /// `done` of `all` steps of a part, which are numbered from 0.
  void operator()(std::size_t part, std::size_t done, std::size_t all) const {
    constexpr std::uint64_t kParts = 3, kUnits = 1000;  // of a part
    if (progress_) progress_("rotation", part * kUnits + done * kUnits / all, kParts * kUnits);
  }

 private:
  const Progress& progress_;
};

/// Transposed m x m.
Matrix squares_of_columns(const Matrix& m, unsigned num_threads, const Report& report) {
  constexpr std::size_t kRows = 512;  // that stay in the cache
  Matrix sum(m.columns, m.columns);
  for (std::size_t first = 0; first < m.rows; first += kRows) {
    const Matrix columns = transposed(m.row(first), std::min(kRows, m.rows - first), m.columns),
                 part = product(columns, columns, num_threads);
    for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += part.values[i];
    report(0, first, m.rows);
  }
  return sum;
}

double norm(const float* values, std::size_t count) noexcept {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum);
}

/// How far the products of rows with each other are from those of an orthogonal matrix.
float error_of(const Matrix& products) {
  float most = 0;
  for (std::size_t i = 0; i < products.rows; ++i)
    for (std::size_t j = 0; j < products.columns; ++j)
      most = std::max(most, std::abs(products.row(i)[j] - (i == j ? 1.0F : 0.0F)));
  return most;
}

/// Makes `m` the orthogonal matrix that is nearest to it, its polar factor, by Newton's and Schulz's iteration, which
/// takes nothing but products. False if that does not converge, as where `m` is singular or not finite.
bool make_orthogonal(Matrix& m, unsigned num_threads, const Report& report) {
  constexpr int kMostSteps = 80;
  constexpr float kEnough = 1e-5F;
  const double size = norm(m.row(0), m.values.size());
  if (!(size > 0 && std::isfinite(size))) return false;
  for (float& value : m.values)
    value = static_cast<float>(static_cast<double>(value) / size);  // no singular value is over 1 now
  for (int step = 0; step < kMostSteps; ++step) {
    report(2, static_cast<std::size_t>(step), kMostSteps);
    const Matrix squares = product(m, m, num_threads);
    if (error_of(squares) < kEnough) return true;
    const Matrix cubes = product(squares, transposed(m.row(0), m.rows, m.columns), num_threads);
    for (std::size_t i = 0; i < m.values.size(); ++i) m.values[i] = 1.5F * m.values[i] - 0.5F * cubes.values[i];
  }
  return false;
}

/// The samples' covariances, times their number. Values outside of their usual range count at its ends: a few wild ones
/// would hide all others.
Matrix covariances(std::span<const float> samples, std::size_t dim, unsigned num_threads, const Report& report) {
  Matrix centred(samples.size() / dim, dim);
  std::vector<float> column(centred.rows);
  for (std::size_t j = 0; j < dim; ++j) {
    for (std::size_t i = 0; i < centred.rows; ++i) column[i] = samples[i * dim + j];
    const Range usual = usual_range(column);
    double mean = 0;
    for (std::size_t i = 0; i < centred.rows; ++i) {
      column[i] = std::clamp(samples[i * dim + j], usual.low, usual.high);
      mean += static_cast<double>(column[i]) / static_cast<double>(centred.rows);
    }
    for (std::size_t i = 0; i < centred.rows; ++i)
      centred.row(i)[j] = static_cast<float>(static_cast<double>(column[i]) - mean);
  }
  return squares_of_columns(centred, num_threads, report);
}

/// Turns two rows in their plane until they are orthogonal. Returns how far they were from that, as a cosine.
double separate(float* a, float* b, std::size_t dim) noexcept {
  const auto dot = [=](const float* x, const float* y) {
    float product = 0;
    products(x, y, dim, 1, &product);
    return static_cast<double>(product);
  };
  const double aa = dot(a, a), bb = dot(b, b), ab = dot(a, b), size = std::sqrt(aa * bb);
  if (!(std::abs(ab) > 1e-6 * size)) return 0;
  const double zeta = (bb - aa) / (2 * ab), t = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
  const auto cosine = static_cast<float>(1 / std::sqrt(1 + t * t)), sine = static_cast<float>(t / std::sqrt(1 + t * t));
  for (std::size_t j = 0; j < dim; ++j) {
    const float x = a[j], y = b[j];
    a[j] = cosine * x - sine * y;
    b[j] = sine * x + cosine * y;
  }
  return std::abs(ab) / size;
}

/// Eigenvectors of a symmetric matrix without negative eigenvalues, as rows, each as long as its eigenvalue: one-sided
/// Jacobi (Hestenes, 1958). About, that is: to where turning further would not change what is lost.
void make_eigenvectors(Matrix& m, const Report& report) {
  constexpr int kMostSweeps = 12;
  constexpr double kEnough = 1e-2;
  double trace = 0;
  for (std::size_t i = 0; i < m.rows; ++i) trace += static_cast<double>(m.row(i)[i]);
  for (std::size_t i = 0; i < m.rows; ++i)
    m.row(i)[i] += static_cast<float>(1e-5 * trace / static_cast<double>(m.rows));  // no eigenvalue is 0 then
  double most = 1;
  for (int sweep = 0; sweep < kMostSweeps && most > kEnough; ++sweep) {
    most = 0;
    for (std::size_t i = 0; i < m.rows; ++i) {
      for (std::size_t j = i + 1; j < m.rows; ++j) most = std::max(most, separate(m.row(i), m.row(j), m.columns));
      report(1, static_cast<std::size_t>(sweep) * m.rows + i, kMostSweeps * m.rows);
    }
  }
}

/// Of the rows, each as long as the variance in its direction, a rotation whose pieces have about equal products of
/// variances: each row, of falling length, goes to the piece with room whose product is least (Ge et al., 3.2).
Matrix balanced(const Matrix& axes, std::span<const std::size_t> bounds) {
  const std::size_t dim = axes.rows, pieces = bounds.size() - 1;
  std::vector<double> sizes(dim), logs(pieces);
  for (std::size_t i = 0; i < dim; ++i) sizes[i] = norm(axes.row(i), dim);
  const double least = *std::ranges::min_element(sizes);
  std::vector<std::size_t> order(dim), next(bounds.begin(), bounds.end() - 1);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  Matrix out(dim, dim);
  for (const std::size_t i : order) {
    std::size_t piece = pieces;
    for (std::size_t s = 0; s < pieces; ++s)
      if (next[s] < bounds[s + 1] && (piece == pieces || logs[s] < logs[piece])) piece = s;
    float* row = out.row(next[piece]++);
    for (std::size_t j = 0; j < dim; ++j) row[j] = static_cast<float>(static_cast<double>(axes.row(i)[j]) / sizes[i]);
    logs[piece] += std::log(sizes[i] / least);
  }
  return out;
}

}  // namespace

void rotate(const float* rotation, std::size_t dim, const float* from, float* to) noexcept {
  products(from, rotation, dim, dim, to);
}

void rotate_back(const float* rotation, std::size_t dim, const float* from, float* to) noexcept {
  std::fill_n(to, dim, 0.0F);
  for (std::size_t i = 0; i < dim; ++i)
    for (std::size_t j = 0; j < dim; ++j) to[j] += rotation[i * dim + j] * from[i];
}

std::vector<float> learn_rotation(std::span<const float> samples, std::size_t dim, std::span<const std::size_t> bounds,
                                  unsigned num_threads, const Progress& progress) {
  const Report report(progress);
  Matrix axes = covariances(samples, dim, num_threads, report);
  make_eigenvectors(axes, report);
  if (std::isfinite(norm(axes.row(0), axes.values.size()))) {
    Matrix rotation = balanced(axes, bounds);
    if (make_orthogonal(rotation, num_threads, report)) return std::move(rotation.values);
  }
  Matrix none(dim, dim);  // of samples so large that their squares are no numbers, or that are all equal
  for (std::size_t i = 0; i < dim; ++i) none.row(i)[i] = 1;
  return std::move(none.values);
}

}  // namespace cassata
