#include "engine/build/region_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/parallel.h"
#include "engine/base/sampling.h"
#include "format/input/vector_lengths.h"

namespace cassata {
namespace {

constexpr std::size_t kPasses = 5;        // of 2-means a split
constexpr std::size_t kSample = 8192;     // rows that make a half's mean
constexpr std::size_t kShared = 1 << 14;  // rows of a part from which on its threads work on it together

/// A direction in the space of rows; components beyond its places share them, which an order can bear.
class Direction {
 public:
  explicit Direction(std::size_t dim) : weights_(std::min(dim, kMostPlaces)) {}

  void add(VectorView row, float factor) {
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      weights_[row.components[i] % weights_.size()] += factor * row.values[i];
      touched_.push_back(row.components[i] % weights_.size());
    }
  }
  float along(VectorView row) const {
    float sum = 0;
    for (std::size_t i = 0; i < row.values.size(); ++i)
      sum += row.values[i] * weights_[row.components[i] % weights_.size()];
    return sum;
  }
  void clear() {
    for (const std::size_t place : touched_) weights_[place] = 0;
    touched_.clear();
  }

 private:
  static constexpr std::size_t kMostPlaces = std::size_t{1} << 20;
  std::vector<float> weights_;
  std::vector<std::size_t> touched_;
};

struct Part {
  std::size_t begin, end;
  std::size_t size() const { return end - begin; }
};

class Splitter {
 public:
  Splitter(const Batch& rows, std::vector<Id>& order, unsigned num_threads)
      : rows_(rows), order_(order), along_(rows.rows), weights_(weights_of(rows, num_threads)) {}

  /// Reorders the part so that its first half, of whole blocks, and its second are each more similar than the whole.
  /// Returns the middle.
  std::size_t split(const Part& part, std::size_t block, Direction& direction, unsigned num_threads) {
    const std::size_t middle = part.begin + (part.size() / 2 + block - 1) / block * block;
    for (std::size_t pass = 0; pass < kPasses; ++pass) {
      direction.clear();
      if (pass == 0) {
        add(part.begin + sampled(0, 2, part.size()), 1, direction);
        add(part.begin + sampled(1, 2, part.size()), -1, direction);
      } else {
        add_mean({part.begin, middle}, 1, direction);
        add_mean({middle, part.end}, -1, direction);
      }
      parallel_for(num_threads, part.size(), 1024, [&](std::size_t begin, std::size_t end, unsigned) {
        for (std::size_t i = part.begin + begin; i < part.begin + end; ++i)
          along_[order_[i]] = direction.along(rows_.row(order_[i]));
      });
      const auto at = [&](std::size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
      std::nth_element(at(part.begin), at(middle), at(part.end),
                       [&](Id a, Id b) { return along_[a] != along_[b] ? along_[a] > along_[b] : a < b; });
      std::sort(at(part.begin), at(middle));  // the next pass must not depend on how nth_element left them
      std::sort(at(middle), at(part.end));
    }
    return middle;
  }

 private:
  /// By which rows count in means: those of more than kMostTimes the usual length as if they had that, so that a few of
  /// them do not count for all.
  static std::vector<float> weights_of(const Batch& rows, unsigned num_threads) {
    constexpr float kMostTimes = 4;
    std::vector<float> lengths(rows.rows);
    parallel_for(num_threads, rows.rows, 1024, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) lengths[i] = std::sqrt(squared_length(rows.row(i).values));
    });
    std::vector<float> sorted = lengths;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    const float most = kMostTimes * (sorted.empty() ? 0 : *middle);
    for (float& length : lengths) length = length > most && most > 0 ? most / length : 1;
    return lengths;
  }
  void add(std::size_t place, float factor, Direction& direction) const {
    direction.add(rows_.row(order_[place]), factor * weights_[order_[place]]);
  }
  void add_mean(const Part& half, float sign, Direction& direction) const {
    const std::size_t count = std::min(half.size(), kSample);
    for (std::size_t i = 0; i < count; ++i)
      add(half.begin + sampled(i, count, half.size()), sign / static_cast<float>(count), direction);
  }

  const Batch& rows_;
  std::vector<Id>& order_;
  std::vector<float> along_;
  std::vector<float> weights_;
};

}  // namespace

std::vector<Id> order_by_similarity(const Batch& rows, std::size_t block, unsigned num_threads,
                                    const Progress& progress) {
  std::vector<Id> order(rows.rows);
  std::iota(order.begin(), order.end(), Id{0});
  std::vector<Direction> directions(threads_of(num_threads), Direction(rows.dim));
  Splitter splitter(rows, order, num_threads);
  std::vector<Part> parts = {{0, order.size()}};
  std::uint64_t placed = 0;  // rows whose block is known
  while (!parts.empty()) {
    std::vector<std::size_t> middles(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (parts[i].size() > kShared) middles[i] = splitter.split(parts[i], block, directions[0], num_threads);
    parallel_for(num_threads, parts.size(), 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
      for (std::size_t i = begin; i < end; ++i)
        if (parts[i].size() > block && parts[i].size() <= kShared)
          middles[i] = splitter.split(parts[i], block, directions[thread], 1);
    });
    std::vector<Part> halves;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].size() <= block) {
        placed += parts[i].size();
        continue;
      }
      halves.push_back({parts[i].begin, middles[i]});
      halves.push_back({middles[i], parts[i].end});
    }
    parts = std::move(halves);
    if (progress) progress("order", placed, rows.rows);
  }
  return order;
}

}  // namespace cassata
