#include "engine/build/select_neighbors.h"

#include <algorithm>

namespace cassata {

void NeighborSelector::select_neighbors(std::span<const Candidate> candidates, std::size_t limit, Scorer& scorer,
                                        std::vector<Id>& out, float outlier_distance) {
  out.clear();
  remaining_.assign(candidates.begin(), candidates.end());
  while (!remaining_.empty() && out.size() < limit) {
    const auto [distance, chosen] = remaining_.front();
    out.push_back(chosen);
    remaining_.erase(remaining_.begin());
    if (remaining_.empty() || out.size() == limit) break;
    if (distance < outlier_distance) continue;
    ids_.clear();
    for (const Candidate& c : remaining_) ids_.push_back(c.id);
    distances_.resize(ids_.size());
    scorer.bind(chosen);
    scorer.score(ids_, distances_.data());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < remaining_.size(); ++i)
      if (distances_[i] >= remaining_[i].distance) remaining_[kept++] = remaining_[i];
    remaining_.resize(kept);
  }
  for (std::size_t i = 0; i < candidates.size() && out.size() < limit * 3 / 4; ++i)
    if (std::find(out.begin(), out.end(), candidates[i].id) == out.end()) out.push_back(candidates[i].id);
}

}  // namespace cassata
