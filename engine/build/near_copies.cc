#include "engine/build/near_copies.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace cassata {
namespace {

/// A squared distance that is made of dot products is wrong by up to this share of the squared lengths.
constexpr double kRounding = 1e-6;

float score_one(Id id, Scorer& scorer) {
  float distance = 0;
  scorer.score({&id, 1}, &distance);
  return distance;
}

/// The value that nine in ten do not exceed; 0 if there are none.
double nine_tenths(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() * 9 / 10);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

NearRule::NearRule(Metric metric, std::size_t nodes, Scorer& scorer) : metric_(metric) {
  constexpr std::size_t kPairs = 512;
  if (nodes < 2) return;
  std::mt19937 random(1);  // NOLINT: the same pairs every time
  std::vector<double> distances, lengths;
  for (std::size_t i = 0; i < kPairs; ++i) {
    const auto a = static_cast<Id>(random() % nodes), b = static_cast<Id>((a + 1 + random() % (nodes - 1)) % nodes);
    scorer.bind(a);
    const double own = products() ? -double{score_one(a, scorer)} : 0;
    const double distance = distance_of(b, score_one(b, scorer), own, scorer);
    if (std::isfinite(distance)) distances.push_back(distance);
    lengths.push_back(own);
  }
  limit_ = distance_at(metric, kShare) * std::max(0.0, nine_tenths(distances));
  length_ = std::sqrt(std::max(0.0, nine_tenths(lengths)));
}

/// From a node with squared length `own`, whose distance to `other` by the metric is `distance`. Made of products, it
/// is 0 for copies alone.
double NearRule::distance_of(Id other, float distance, double own, Scorer& scorer) const {
  if (!products()) return distance;
  scorer.bind(other);
  const double others = -double{score_one(other, scorer)};
  if (own == others && own == -double{distance}) return 0;
  return std::max(own + others + 2 * double{distance}, kRounding * (own + others));
}

Id NearRule::find(Id node, std::span<const Candidate> candidates, Scorer& scorer) const {
  if (candidates.empty()) return kNoId;
  if (!products()) {
    // By compact codes a row is at some distance even from itself; that much is taken off where it may matter.
    constexpr double kClose = 20;  // times the radius
    const auto [distance, id] = candidates.front();
    if (!(distance <= distance_at(metric_, kClose) * limit_ || distance <= 0)) return kNoId;
    scorer.bind(node);
    double own = score_one(node, scorer);
    scorer.bind(id);
    own += double{score_one(id, scorer)};
    return distance - own / 2 <= limit_ ? id : kNoId;
  }
  // The product of near copies is about the squared length of either. It need not be the largest.
  constexpr std::size_t kMost = 4;
  scorer.bind(node);
  const double own = -double{score_one(node, scorer)},
               margin = std::sqrt(limit_ * std::abs(own)) + kRounding * std::abs(own);
  std::size_t looked_at = 0;
  for (const Candidate& c : candidates) {
    if (std::abs(own + double{c.distance}) > margin) continue;
    if (distance_of(c.id, c.distance, own, scorer) <= limit_) return c.id;
    if (++looked_at == kMost) break;
  }
  return kNoId;
}

bool NearRule::may_be_near(float a, float b) const {
  if (!products()) return std::abs(length_of(metric_, a) - length_of(metric_, b)) <= length_of(metric_, limit_);
  return std::abs(double{a} - double{b}) <= 2 * std::sqrt(limit_) * length_;
}

float NearRule::radius() const { return static_cast<float>(length_of(metric_, limit_)); }

float NearRule::wild() const {
  constexpr double kTimes = 4;
  return !products() ? -std::numeric_limits<float>::infinity()
                     : static_cast<float>(-kTimes * kTimes * length_ * length_);
}

}  // namespace cassata
