#include "engine/multivector/centroids.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/base/parallel.h"
#include "engine/base/sampling.h"
#include "engine/kernels/maxsim.h"

namespace cassata {
namespace {

constexpr std::size_t kVisited = 16;  // groups, by a vector that looks for its centroid
constexpr std::size_t kRounds = 8;
constexpr double kLeastGain = 0.005;  // of a round, as a share of the error

std::vector<float> biases(std::span<const float> rows, std::size_t dim) {
  std::vector<float> out;
  for (std::size_t at = 0; at < rows.size(); at += dim) {
    double sum = 0;
    for (const float value : rows.subspan(at, dim)) sum += static_cast<double>(value) * static_cast<double>(value);
    out.push_back(static_cast<float>(sum / 2));
  }
  return out;
}

/// Numbers of things, gathered by the class of each: those of class c are order[begin[c]] to order[begin[c + 1] - 1],
/// in order.
struct Classes {
  std::vector<std::uint32_t> begin, order;

  Classes(std::span<const std::uint32_t> class_of, std::size_t classes) : begin(classes + 1), order(class_of.size()) {
    for (const std::uint32_t c : class_of) ++begin[c + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<std::uint32_t> next(begin.begin(), begin.end() - 1);
    for (std::uint32_t i = 0; i < class_of.size(); ++i) order[next[class_of[i]]++] = i;
  }
  std::span<const std::uint32_t> of(std::size_t c) const {
    return std::span(order).subspan(begin[c], begin[c + 1] - begin[c]);
  }
};

class Lloyd {
 public:
  Lloyd(std::span<const float> samples, std::size_t dim, std::size_t count, unsigned num_threads)
      : samples_(samples.data()),
        size_(samples.size() / dim),
        dim_(dim),
        piece_(Centroids::piece(dim)),
        threads_(num_threads),
        count_(count),
        which_(size_),
        distances_(size_) {}

  /// Samples from everywhere.
  std::vector<float> first_rows() const {
    std::vector<float> rows(count_ * dim_);
    for (std::size_t c = 0; c < count_; ++c)
      std::copy_n(sample(sampled(c, count_, size_)), dim_, rows.data() + c * dim_);
    return rows;
  }

  /// Finds the nearest centroid of each sample. Returns the sum of the squared distances.
  double assign(const Centroids& centroids, const std::function<void(std::size_t)>& done) {
    const auto report = [&](std::size_t pieces) { done(std::min(pieces * piece_, size_)); };
    parallel_for(threads_, (size_ + piece_ - 1) / piece_, 1, 2, report,
                 [&](std::size_t begin, std::size_t end, unsigned) {
                   for (std::size_t p = begin; p < end; ++p) assign_piece(centroids, p * piece_);
                 });
    return std::accumulate(distances_.begin(), distances_.end(), 0.0);
  }

  /// The means of the samples that are nearest to each.
  std::vector<float> means() {
    const Classes classes(which_, count_);
    std::vector<float> rows(count_ * dim_);
    parallel_for(threads_, count_, 64, [&](std::size_t begin, std::size_t end, unsigned) {
      std::vector<double> sums(dim_);
      for (std::size_t c = begin; c < end; ++c) {
        const std::span<const std::uint32_t> own = classes.of(c);
        std::ranges::fill(sums, 0.0);
        for (const std::uint32_t i : own)
          for (std::size_t j = 0; j < dim_; ++j) sums[j] += static_cast<double>(sample(i)[j]);
        for (std::size_t j = 0; j < dim_; ++j)
          rows[c * dim_ + j] = own.empty() ? 0 : static_cast<float>(sums[j] / static_cast<double>(own.size()));
      }
    });
    refill(classes, rows);
    return rows;
  }

 private:
  const float* sample(std::size_t i) const { return samples_ + i * dim_; }

  void assign_piece(const Centroids& centroids, std::size_t first) {
    const std::size_t n = std::min(piece_, size_ - first);
    centroids.nearest(sample(first), n, which_.data() + first);
    for (std::size_t i = first; i < first + n; ++i) {
      float sum = 0;
      const float *a = sample(i), *b = centroids.row(which_[i]);
      for (std::size_t j = 0; j < dim_; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
      distances_[i] = sum;
    }
  }

  /// Centroids without samples go where others are farthest from a sample of theirs, of equals the first; two never to
  /// one sample's copies.
  void refill(const Classes& classes, std::vector<float>& rows) const {
    std::vector<std::size_t> unused;
    std::vector<std::pair<float, std::uint32_t>> far;  // less the squared distance, sample
    for (std::size_t c = 0; c < count_; ++c) {
      std::pair<float, std::uint32_t> farthest{0, 0};
      for (const std::uint32_t i : classes.of(c)) farthest = std::min(farthest, {-distances_[i], i});
      if (classes.of(c).empty()) unused.push_back(c);
      if (farthest.first < 0) far.push_back(farthest);
    }
    std::ranges::sort(far);
    for (std::size_t u = 0; u < unused.size(); ++u)
      std::copy_n(sample(u < far.size() ? far[u].second : 0), dim_, rows.data() + unused[u] * dim_);
  }

  const float* samples_;
  std::size_t size_, dim_, piece_;
  unsigned threads_;
  std::size_t count_;
  std::vector<std::uint32_t> which_;
  std::vector<float> distances_;
};

}  // namespace

Centroids::Centroids(std::vector<float> rows, std::size_t dim, unsigned num_threads)
    : dim_(dim), rows_(std::move(rows)) {
  if (rows_.size() / dim_ > kSearchedWhole) group(num_threads);
  bias_ = biases(rows_, dim_);
}

void Centroids::group(unsigned num_threads) {
  const std::size_t n = rows_.size() / dim_,
                    groups = std::bit_ceil(static_cast<std::size_t>(2 * std::sqrt(static_cast<double>(n))));
  const Centroids heads = train_centroids(rows_, dim_, groups, num_threads);
  std::vector<std::uint32_t> group_of(n);
  for (std::size_t first = 0; first < n; first += piece(dim_))
    heads.nearest(row(first), std::min(piece(dim_), n - first), group_of.data() + first);
  Classes classes(group_of, groups);
  std::vector<float> ordered;
  ordered.reserve(rows_.size());
  for (const std::uint32_t i : classes.order) ordered.insert(ordered.end(), row(i), row(i) + dim_);
  rows_ = std::move(ordered);
  heads_ = heads.rows_;
  head_bias_ = heads.bias_;
  group_begin_ = std::move(classes.begin);
}

/// kVisited numbers for each vector.
std::vector<std::uint32_t> Centroids::visited_groups(const float* vectors, std::size_t n) const {
  const std::size_t groups = head_bias_.size();
  kernels::maxsim::PackedVectors packed;
  packed.pack(vectors, n, dim_);
  std::vector<std::uint32_t> all(groups);
  std::iota(all.begin(), all.end(), 0U);
  std::vector<float> products(groups * packed.parts().lanes);
  kernels::maxsim::dispatch().products(packed.parts(), heads_.data(), all.data(), groups, products.data());
  std::vector<std::uint32_t> visited;
  std::vector<std::pair<float, std::uint32_t>> near(groups);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::uint32_t g = 0; g < groups; ++g)  // fmin: no NaN, which has no place in an order
      near[g] = {
          std::fmin(head_bias_[g] - products[g * packed.parts().lanes + i], std::numeric_limits<float>::infinity()), g};
    std::ranges::nth_element(near, near.begin() + static_cast<std::ptrdiff_t>(kVisited) - 1);
    for (std::size_t v = 0; v < kVisited; ++v) visited.push_back(near[v].second);
  }
  return visited;
}

void Centroids::nearest(const float* vectors, std::size_t n, std::uint32_t* which) const {
  std::vector<float> best(n, -std::numeric_limits<float>::infinity()), some, best_of_some(n);
  if (heads_.empty())
    return kernels::maxsim::nearest_rows(vectors, n, dim_, rows_.data(), bias_.data(), size(), best.data(), which);
  std::fill_n(which, n, 0U);
  std::vector<std::uint32_t> which_of_some(n);
  const Classes visits(visited_groups(vectors, n), head_bias_.size());
  for (std::size_t g = 0; g < head_bias_.size(); ++g) {
    const std::uint32_t begin = group_begin_[g], end = group_begin_[g + 1];
    const std::span<const std::uint32_t> visitors = visits.of(g);
    if (begin == end || visitors.empty()) continue;
    some.clear();
    for (const std::uint32_t visit : visitors)
      some.insert(some.end(), vectors + visit / kVisited * dim_, vectors + (visit / kVisited + 1) * dim_);
    kernels::maxsim::nearest_rows(some.data(), visitors.size(), dim_, row(begin), bias_.data() + begin, end - begin,
                                  best_of_some.data(), which_of_some.data());
    for (std::size_t v = 0; v < visitors.size(); ++v) {
      const std::size_t i = visitors[v] / kVisited;
      if (best_of_some[v] <= best[i]) continue;
      best[i] = best_of_some[v];
      which[i] = begin + which_of_some[v];
    }
  }
}

Centroids train_centroids(std::span<const float> samples, std::size_t dim, std::size_t count, unsigned num_threads,
                          const Progress& progress) {
  Lloyd lloyd(samples, dim, count, num_threads);
  const std::size_t size = samples.size() / dim, total = kRounds * size;
  Centroids centroids(lloyd.first_rows(), dim, num_threads);
  double error = std::numeric_limits<double>::infinity();
  for (std::size_t round = 0; round < kRounds; ++round) {
    const auto report = [&](std::size_t done) {
      if (progress) progress("centroids", round * size + done, total);
    };
    const double former = std::exchange(error, lloyd.assign(centroids, report));
    if (!(error < (1 - kLeastGain) * former)) break;
    centroids = Centroids(lloyd.means(), dim, num_threads);
  }
  if (progress) progress("centroids", total, total);
  return centroids;
}

}  // namespace cassata
