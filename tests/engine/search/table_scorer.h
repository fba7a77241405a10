// A scorer whose distances are given, so that a search can be tested without vectors.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "engine/codec/codes.h"

namespace cassata::test {

/// Vector i is at distances[i] from whatever is bound. An id beyond them fails the test.
class TableScorer final : public Scorer {
 public:
  explicit TableScorer(std::vector<float> distances) : distances_(std::move(distances)) {}
  void bind(VectorView) override {}
  void bind(Id id) override { bound_ = id; }
  void score(std::span<const Id> ids, float* out) noexcept override {
    for (std::size_t i = 0; i < ids.size(); ++i) out[i] = at(ids[i]);
  }
  void score_range(Id first, std::size_t count, float* out) noexcept override {
    for (std::size_t i = 0; i < count; ++i) out[i] = at(first + static_cast<Id>(i));
  }
  const std::vector<float>& distances() const { return distances_; }
  Id bound() const { return bound_; }

 private:
  float at(Id id) const noexcept {
    EXPECT_LT(id, distances_.size());
    return id < distances_.size() ? distances_[id] : 0;
  }

  std::vector<float> distances_;
  Id bound_ = kNoId;
};

}  // namespace cassata::test
