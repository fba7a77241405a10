// The beam as docs and papers say it, without any care for speed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "engine/search/workspace.h"

namespace cassata::test {

/// Remembers all that was ever admitted and looks at everything anew each time.
class ReferenceBeam {
 public:
  ReferenceBeam(std::size_t width, float relax) : width_(width), relax_(relax) {}

  bool admits(float distance) const {
    const auto kept = this->kept();
    if (kept.size() < width_) return true;
    return relax_ > 0 ? within(distance, kept[width_ - 1].distance) : distance < kept[width_ - 1].distance;
  }
  void insert(float distance, Id id) {
    all_.push_back({std::isnan(distance) ? std::numeric_limits<float>::infinity() : distance, id});
  }
  /// The best that was not expanded yet, or kNoId.
  Id expand_next() {
    for (const Candidate& c : kept())
      if (std::ranges::find(expanded_, c.id) == expanded_.end()) {
        expanded_.push_back(c.id);
        return c.id;
      }
    return kNoId;
  }
  /// The width best, best first; those of one distance in the order in which they came.
  std::vector<Candidate> best() const {
    auto out = kept();
    out.resize(std::min(out.size(), width_));
    return out;
  }

 private:
  bool within(float distance, float worst) const { return distance <= worst + std::abs(worst) * relax_; }
  /// The width best and, with a relaxed bound, those within it.
  std::vector<Candidate> kept() const {
    auto out = all_;
    std::stable_sort(out.begin(), out.end(),
                     [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
    if (out.size() <= width_) return out;
    const float worst = out[width_ - 1].distance;
    while (out.size() > width_ && !(relax_ > 0 && within(out.back().distance, worst))) out.pop_back();
    return out;
  }

  std::size_t width_;
  float relax_;
  std::vector<Candidate> all_;
  std::vector<Id> expanded_;
};

}  // namespace cassata::test
