#include "engine/train/opq.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/parallel.h"
#include "engine/kernels/dense_distance.h"
#include "engine/train/center.h"

namespace cassata {
namespace {

constexpr std::size_t kRowsPerTask = 16;  // rows of a matrix that a thread takes at a time

/// out[i] = dot product of `row` with row i of `matrix`, i < rows.
void products(const float* row, const float* matrix, std::size_t dim, std::size_t rows, float* out) noexcept {
  kernels::dense::dispatch(Metric::dot_product, ElementType::f32).range(row, matrix, dim, 0, rows, out);
  for (std::size_t i = 0; i < rows; ++i) out[i] = -out[i];  // the kernel computes distances, -dot
}

/// A row-major matrix.
struct Matrix {
  std::size_t rows, columns;
  std::vector<float> values;

  Matrix(std::size_t rows_, std::size_t columns_) : rows(rows_), columns(columns_), values(rows * columns) {}

  float* row(std::size_t i) noexcept { return values.data() + i * columns; }
  const float* row(std::size_t i) const noexcept { return values.data() + i * columns; }
};

/// The transposed matrix of `count` rows of `columns` values each.
Matrix transposed(const float* rows, std::size_t count, std::size_t columns) {
  Matrix out(columns, count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < columns; ++j) out.row(j)[i] = rows[i * columns + j];
  return out;
}

/// a x transposed(b).
Matrix product(const Matrix& a, const Matrix& b, unsigned num_threads) {
  Matrix out(a.rows, b.rows);
  parallel_for(num_threads, a.rows, kRowsPerTask, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) products(a.row(i), b.row(0), a.columns, b.rows, out.row(i));
  });
  return out;
}

/// Reports the progress of learn_rotation(), which has three parts.
class Report {
 public:
  explicit Report(const Progress& progress) : progress_(progress) {}

  /// Reports that `done` of `all` steps of `part` (0 to 2) are made.
  void operator()(std::size_t part, std::size_t done, std::size_t all) const {
    constexpr std::uint64_t kParts = 3, kUnits = 1000;  // units a part
    if (progress_) progress_("rotation", part * kUnits + done * kUnits / all, kParts * kUnits);
  }

 private:
  const Progress& progress_;
};

/// transposed(m) x m.
Matrix squares_of_columns(const Matrix& m, unsigned num_threads, const Report& report) {
  constexpr std::size_t kRows = 512;  // stay in the cache
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

/// The largest error of an entry of `products`, the products of a matrix's rows with each other, if that matrix were
/// orthogonal.
float error_of(const Matrix& products) {
  float max = 0;
  for (std::size_t i = 0; i < products.rows; ++i)
    for (std::size_t j = 0; j < products.columns; ++j)
      max = std::max(max, std::abs(products.row(i)[j] - (i == j ? 1.0F : 0.0F)));
  return max;
}

/// Replaces `m` by the nearest orthogonal matrix, its polar factor, by the Newton-Schulz iteration, which needs matrix
/// products alone. False if that does not converge, e.g. because `m` is singular or not finite.
bool make_orthogonal(Matrix& m, unsigned num_threads, const Report& report) {
  constexpr int kMaxSteps = 80;
  constexpr float kEnough = 1e-5F;
  const double size = norm(m.row(0), m.values.size());
  if (!(size > 0 && std::isfinite(size))) return false;
  for (float& value : m.values)
    value = static_cast<float>(static_cast<double>(value) / size);  // singular values are at most 1
  for (int step = 0; step < kMaxSteps; ++step) {
    report(2, static_cast<std::size_t>(step), kMaxSteps);
    const Matrix squares = product(m, m, num_threads);
    if (error_of(squares) < kEnough) return true;
    const Matrix cubes = product(squares, transposed(m.row(0), m.rows, m.columns), num_threads);
    for (std::size_t i = 0; i < m.values.size(); ++i) m.values[i] = 1.5F * m.values[i] - 0.5F * cubes.values[i];
  }
  return false;
}

/// The covariance matrix of the samples, times their number. Values are clamped to their usual range (center.h): a few
/// outliers would hide all other values.
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

/// Rotates two rows in their plane so that they become orthogonal (a Jacobi rotation). Returns the absolute cosine of
/// their angle before that.
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

/// Replaces a positive semidefinite matrix by its eigenvectors as rows, the length of each its eigenvalue, by one-sided
/// Jacobi iteration (Hestenes, 1958). It stops early, at cosines of 0.01: more sweeps do not lower the quantization
/// error.
void make_eigenvectors(Matrix& m, const Report& report) {
  constexpr int kMaxSweeps = 12;
  constexpr double kEnough = 1e-2;
  double trace = 0;
  for (std::size_t i = 0; i < m.rows; ++i) trace += static_cast<double>(m.row(i)[i]);
  for (std::size_t i = 0; i < m.rows; ++i)
    m.row(i)[i] += static_cast<float>(1e-5 * trace / static_cast<double>(m.rows));  // no eigenvalue is 0
  double max_cosine = 1;
  for (int sweep = 0; sweep < kMaxSweeps && max_cosine > kEnough; ++sweep) {
    max_cosine = 0;
    for (std::size_t i = 0; i < m.rows; ++i) {
      for (std::size_t j = i + 1; j < m.rows; ++j)
        max_cosine = std::max(max_cosine, separate(m.row(i), m.row(j), m.columns));
      report(1, static_cast<std::size_t>(sweep) * m.rows + i, kMaxSweeps * m.rows);
    }
  }
}

/// Distributes the rows of `axes`, each as long as the variance in its direction, over the subspaces: by falling
/// length, each to the subspace with free places whose product of variances is smallest (Ge et al., 3.2). Returns the
/// rotation whose rows they are, with length 1.
Matrix balanced(const Matrix& axes, std::span<const std::size_t> bounds) {
  const std::size_t dim = axes.rows, subspaces = bounds.size() - 1;
  std::vector<double> sizes(dim), logs(subspaces);
  for (std::size_t i = 0; i < dim; ++i) sizes[i] = norm(axes.row(i), dim);
  const double least = *std::ranges::min_element(sizes);
  std::vector<std::size_t> order(dim), next(bounds.begin(), bounds.end() - 1);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  Matrix out(dim, dim);
  for (const std::size_t i : order) {
    std::size_t subspace = subspaces;
    for (std::size_t s = 0; s < subspaces; ++s)
      if (next[s] < bounds[s + 1] && (subspace == subspaces || logs[s] < logs[subspace])) subspace = s;
    float* row = out.row(next[subspace]++);
    for (std::size_t j = 0; j < dim; ++j) row[j] = static_cast<float>(static_cast<double>(axes.row(i)[j]) / sizes[i]);
    logs[subspace] += std::log(sizes[i] / least);
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
  Matrix identity(dim, dim);  // nothing to learn: all samples are equal, or so large that their squares overflow
  for (std::size_t i = 0; i < dim; ++i) identity.row(i)[i] = 1;
  return std::move(identity.values);
}

}  // namespace cassata
