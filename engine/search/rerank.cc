#include "engine/search/rerank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cassata {
namespace {

constexpr std::size_t kBlock = Rerank::kBlock;

/// How many of the candidates are not too far behind the k-th.
std::size_t count_within(std::span<const Candidate> candidates, std::size_t k, std::optional<float> alpha) {
  if (!alpha || candidates.size() <= k) return candidates.size();
  const float worst = candidates[k - 1].distance, bound = worst + std::abs(worst) * *alpha;
  const auto near = [&](const Candidate& c) {
    return c.distance <= worst || c.distance <= bound;
  };  // infinity x 0 is no bound
  return static_cast<std::size_t>(std::ranges::partition_point(candidates, near) - candidates.begin());
}

class SummedScorer final : public Scorer {
 public:
  SummedScorer(std::unique_ptr<Scorer> first, std::unique_ptr<Scorer> second)
      : first_(std::move(first)), second_(std::move(second)) {}

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
  bool fetch(std::span<const Id> ids) noexcept override {
    const bool reads = first_->fetch(ids);
    return second_->fetch(ids) || reads;
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

bool Rerank::Best::offer(const Candidate& candidate) {
  if (count_ == k_) {
    if (!(candidate < places_.front())) return false;
    std::pop_heap(places_.begin(), end());
    --count_;
  }
  places_[count_++] = candidate;
  std::push_heap(places_.begin(), end());
  return true;
}

std::size_t Rerank::Best::finish() {
  std::sort_heap(places_.begin(), end());
  return count_;
}

void Rerank::Errors::add(float error) {
  ++count_;
  sum_ += error;
  squares_ += double{error} * error;
}

float Rerank::Errors::least(float deviations) const {
  const double mean = sum_ / count_;
  return static_cast<float>(mean - deviations * std::sqrt(std::max(0.0, squares_ / count_ - mean * mean)));
}

void Rerank::start(std::vector<Candidate>& candidates, Scorer& second, std::span<const Id> ids,
                   const RerankParams& params) {
  candidates_ = &candidates;
  second_ = &second;
  ids_ = ids;
  params_ = params;
  candidates.resize(params.k == 0 ? 0 : count_within(candidates, params.k, params.alpha));
  best_ = Best(candidates, params.k);
  errors_ = {};
  done_ = asked_ = fetched_ = misses_ = 0;
}

std::span<const Id> Rerank::take(std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) rows_[i - begin] = (*candidates_)[i].id;
  return {rows_.data(), end - begin};
}

bool Rerank::step() {
  score();
  const std::size_t end = certain();
  if (done_ == end) {
    candidates_->resize(best_.finish());
    return false;
  }
  asked_ = std::min(done_ + kBlock, end);
  pending_ = false;
  const std::size_t ahead = std::min(asked_ + kBlock, end);  // the second block is on its way while the first is scored
  for (std::size_t next; fetched_ < ahead; fetched_ = next) {
    next = std::min(fetched_ + kBlock, ahead);
    pending_ = second_->fetch(take(fetched_, next)) || pending_;
  }
  return true;
}

std::size_t Rerank::certain() const {
  const std::vector<Candidate>& candidates = *candidates_;
  std::size_t end = std::min(candidates.size(), std::max(done_, params_.k));
  const std::size_t patience = params_.beta.value_or(candidates.size());
  end += std::min(candidates.size() - end, patience - std::min(misses_, patience));
  if (params_.margin && done_ >= params_.k) {
    const float bound = best_.worst() - errors_.least(*params_.margin);
    while (end < candidates.size() && candidates[end].distance <= bound) ++end;
  }
  return end;
}

void Rerank::score() {
  const std::size_t n = asked_ - done_;
  if (n == 0) return;
  std::array<float, kBlock> distances;
  const std::span<const Id> rows = take(done_, asked_);
  second_->prefetch(rows);
  second_->score(rows, distances.data());
  for (std::size_t i = 0; i < n; ++i, ++done_) {
    const float first = (*candidates_)[done_].distance;
    float distance = params_.sum ? first + distances[i] : distances[i];
    if (distance != distance) distance = std::numeric_limits<float>::infinity();
    errors_.add(distance - first);
    misses_ = best_.offer({distance, ids_.empty() ? rows[i] : ids_[rows[i]]}) ? 0 : misses_ + 1;
  }
}

void rerank(std::vector<Candidate>& candidates, Scorer& second, std::span<const Id> ids, const RerankParams& params) {
  Rerank again;
  again.start(candidates, second, ids, params);
  while (again.step()) {
  }
}

std::unique_ptr<Scorer> SummedCodes::scorer(Metric metric) const {
  return std::make_unique<SummedScorer>(first_.scorer(metric), second_.scorer(metric));
}

void SummedCodes::verify(const Reading& reading) const {
  first_.verify(reading);
  second_.verify(reading);
}

void SummedCodes::touch(Id id) const noexcept {
  first_.touch(id);
  second_.touch(id);
}

}  // namespace cassata
