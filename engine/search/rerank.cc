#include "engine/search/rerank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cassata {
namespace {

constexpr std::size_t kBlock = Rerank::kBlock;

/// Number of candidates within `alpha` of the k-th distance (RerankParams::alpha).
std::size_t count_within(std::span<const Candidate> candidates, std::size_t k, std::optional<float> alpha) {
  if (!alpha || candidates.size() <= k) return candidates.size();
  const float worst = candidates[k - 1].distance, bound = worst + std::abs(worst) * *alpha;
  // The first comparison is for an infinite k-th distance: infinity x 0 is a NaN.
  const auto near = [&](const Candidate& c) { return c.distance <= worst || c.distance <= bound; };
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

float Rerank::Errors::smallest_likely(float deviations) const {
  const double mean = sum_ / count_;
  return static_cast<float>(mean - deviations * std::sqrt(std::max(0.0, squares_ / count_ - mean * mean)));
}

void Rerank::start(std::vector<Candidate>& candidates, Scorer& scorer, std::span<const Id> ids,
                   const RerankParams& params) {
  candidates_ = &candidates;
  scorer_ = &scorer;
  ids_ = ids;
  params_ = params;
  candidates.resize(params.k == 0 ? 0 : count_within(candidates, params.k, params.alpha));
  last_ = candidates.empty() ? 0 : candidates.back().distance;
  ran_out_ = false;
  best_ = Best(candidates, params.k);
  errors_ = {};
  scored_ = requested_ = fetched_ = misses_ = 0;
}

std::span<const Id> Rerank::rows(std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) rows_[i - begin] = (*candidates_)[i].id;
  return {rows_.data(), end - begin};
}

bool Rerank::step() {
  score();
  const std::size_t end = certain();
  if (scored_ == end) {
    ran_out_ = params_.margin && scored_ == candidates_->size() && scored_ > params_.k && last_ <= bound();
    candidates_->resize(best_.finish());
    return false;
  }
  requested_ = std::min(scored_ + kBlock, end);
  pending_ = false;
  const std::size_t ahead = std::min(requested_ + kBlock, end);  // one more block is read while this one is scored
  for (std::size_t next; fetched_ < ahead; fetched_ = next) {
    next = std::min(fetched_ + kBlock, ahead);
    pending_ = scorer_->fetch(rows(fetched_, next)) || pending_;
  }
  return true;
}

std::size_t Rerank::certain() const {
  const std::vector<Candidate>& candidates = *candidates_;
  std::size_t end = std::min(candidates.size(), std::max(scored_, params_.k));
  const std::size_t patience = params_.beta.value_or(candidates.size());
  end += std::min(candidates.size() - end, patience - std::min(misses_, patience));
  if (params_.margin && scored_ >= params_.k) {
    const float most = bound();
    while (end < candidates.size() && candidates[end].distance <= most) ++end;
  }
  return end;
}

void Rerank::score() {
  const std::size_t n = requested_ - scored_;
  if (n == 0) return;
  std::array<float, kBlock> distances;
  const std::span<const Id> block = rows(scored_, requested_);
  scorer_->prefetch(block);
  scorer_->score(block, distances.data());
  for (std::size_t i = 0; i < n; ++i, ++scored_) {
    const float first = (*candidates_)[scored_].distance;
    float distance = params_.sum ? first + distances[i] : distances[i];
    if (distance != distance) distance = std::numeric_limits<float>::infinity();
    errors_.add(distance - first);
    misses_ = best_.offer({distance, ids_.empty() ? block[i] : ids_[block[i]]}) ? 0 : misses_ + 1;
  }
}

void rerank(std::vector<Candidate>& candidates, Scorer& scorer, std::span<const Id> ids, const RerankParams& params) {
  Rerank steps;
  steps.start(candidates, scorer, ids, params);
  while (steps.step()) {
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
