#include "engine/search/rerank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cassata {
namespace {

constexpr std::size_t kBlock = 64;  // rows a call, so that a scorer can fetch them ahead

/// The k best of the candidates offered: a heap at the front of the list that they come from, the worst on top. It never grows beyond
/// those that were taken from there.
class Best {
 public:
  Best(std::span<Candidate> places, std::size_t k) : places_(places), k_(k) {}

  /// False if the candidate is none of them.
  bool offer(const Candidate& candidate) {
    if (count_ == k_) {
      if (!(candidate < places_.front())) return false;
      std::pop_heap(places_.begin(), end());
      --count_;
    }
    places_[count_++] = candidate;
    std::push_heap(places_.begin(), end());
    return true;
  }
  /// Once k have been offered.
  float worst() const { return places_.front().distance; }
  std::size_t finish() {
    std::sort_heap(places_.begin(), end());
    return count_;
  }

 private:
  std::span<Candidate>::iterator end() const { return places_.begin() + static_cast<std::ptrdiff_t>(count_); }

  std::span<Candidate> places_;
  std::size_t k_;
  std::size_t count_ = 0;
};

/// By how much second distances differ from first ones.
class Errors {
 public:
  void add(float error) {
    ++count_;
    sum_ += error;
    squares_ += double{error} * error;
  }
  /// What an error seldom stays below: so many standard deviations under the mean.
  float least(float deviations) const {
    const double mean = sum_ / count_;
    return static_cast<float>(mean - deviations * std::sqrt(std::max(0.0, squares_ / count_ - mean * mean)));
  }

 private:
  double count_ = 0, sum_ = 0, squares_ = 0;
};

/// How many of the candidates are not too far behind the k-th.
std::size_t count_within(std::span<const Candidate> candidates, std::size_t k, std::optional<float> alpha) {
  if (!alpha || candidates.size() <= k) return candidates.size();
  const float worst = candidates[k - 1].distance, bound = worst + std::abs(worst) * *alpha;
  const auto near = [&](const Candidate& c) { return c.distance <= worst || c.distance <= bound; };  // infinity x 0 is no bound
  return static_cast<std::size_t>(std::ranges::partition_point(candidates, near) - candidates.begin());
}

class SummedScorer final : public Scorer {
 public:
  SummedScorer(std::unique_ptr<Scorer> first, std::unique_ptr<Scorer> second) : first_(std::move(first)), second_(std::move(second)) {}

  void bind(VectorView query) override {
    first_->bind(query);
    second_->bind(query);
  }
  void bind(Id id) override {
    first_->bind(id);
    second_->bind(id);
  }
  void score(std::span<const Id> ids, float* out) noexcept override {
    first_->score(ids, out);
    std::array<float, kBlock> rest;
    for (std::size_t begin = 0; begin < ids.size(); begin += kBlock) {
      const std::size_t n = std::min(kBlock, ids.size() - begin);
      second_->prefetch(ids.subspan(begin, n));
      second_->score(ids.subspan(begin, n), rest.data());
      for (std::size_t i = 0; i < n; ++i) out[begin + i] += rest[i];
    }
  }
  void prefetch(std::span<const Id> ids) const noexcept override {
    first_->prefetch(ids);
    second_->prefetch(ids);
  }
  void fetch(std::span<const Id> ids) noexcept override {
    first_->fetch(ids);
    second_->fetch(ids);
  }
  void score_range(Id first, std::size_t count, float* out) noexcept override {
    first_->score_range(first, count, out);
    std::array<float, kBlock> rest;
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      const std::size_t n = std::min(kBlock, count - begin);
      second_->score_range(first + static_cast<Id>(begin), n, rest.data());
      for (std::size_t i = 0; i < n; ++i) out[begin + i] += rest[i];
    }
  }

 private:
  std::unique_ptr<Scorer> first_, second_;
};

}  // namespace

void rerank(std::vector<Candidate>& candidates, Scorer& second, std::span<const Id> ids, const RerankParams& params) {
  if (params.k == 0) return candidates.clear();
  candidates.resize(count_within(candidates, params.k, params.alpha));
  const std::size_t size = candidates.size(), patience = params.beta.value_or(size);
  Best best(candidates, params.k);
  Errors errors;
  std::array<Id, kBlock> rows;
  std::array<float, kBlock> distances;
  const auto take = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) rows[i - begin] = candidates[i].id;
    return std::span<const Id>(rows.data(), end - begin);
  };
  std::size_t fetched = 0;
  const auto fetch = [&](std::size_t end) {
    for (std::size_t next; fetched < end; fetched = next) {
      next = std::min(fetched + kBlock, end);
      second.fetch(take(fetched, next));
    }
  };
  for (std::size_t done = 0, idle = 0;;) {
    // Rows up to here are scored whatever they turn out to be, or, where errors are known, unless the next ones are unusually close.
    std::size_t end = done < params.k ? std::min(size, params.k) : done;
    end += std::min(size - end, idle < patience ? patience - idle : 0);
    if (params.margin && done >= params.k) {
      const float bound = best.worst() - errors.least(*params.margin);
      while (end < size && candidates[end].distance <= bound) ++end;
    }
    if (done == end) break;
    const std::size_t n = std::min(kBlock, end - done);
    fetch(std::min(end, done + n + kBlock));  // the second block is on its way while the first is scored
    second.prefetch(take(done, done + n));
    second.score({rows.data(), n}, distances.data());
    for (std::size_t i = 0; i < n; ++i, ++done) {
      float distance = params.sum ? candidates[done].distance + distances[i] : distances[i];
      if (distance != distance) distance = std::numeric_limits<float>::infinity();
      errors.add(distance - candidates[done].distance);
      idle = best.offer({distance, ids.empty() ? rows[i] : ids[rows[i]]}) ? 0 : idle + 1;
    }
  }
  candidates.resize(best.finish());
}

std::unique_ptr<Scorer> SummedCodes::scorer(Metric metric) const {
  return std::make_unique<SummedScorer>(first_.scorer(metric), second_.scorer(metric));
}

void SummedCodes::verify() const {
  first_.verify();
  second_.verify();
}

}  // namespace cassata
