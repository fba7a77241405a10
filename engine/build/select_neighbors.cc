#include "engine/build/select_neighbors.h"

#include <algorithm>

namespace cassata {

void NeighborSelector::select_neighbors(std::span<const Candidate> candidates, std::size_t limit, Scorer& scorer,
                                        std::vector<Id>& out, float wild) {
  out.clear();
  alive_.assign(candidates.begin(), candidates.end());
  while (!alive_.empty() && out.size() < limit) {
    const auto [distance, chosen] = alive_.front();
    out.push_back(chosen);
    alive_.erase(alive_.begin());
    if (alive_.empty() || out.size() == limit) break;
    if (distance < wild) continue;
    ids_.clear();
    for (const Candidate& c : alive_) ids_.push_back(c.id);
    distances_.resize(ids_.size());
    scorer.bind(chosen);
    scorer.score(ids_, distances_.data());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < alive_.size(); ++i)
      if (distances_[i] >= alive_[i].distance) alive_[kept++] = alive_[i];
    alive_.resize(kept);
  }
  for (std::size_t i = 0; i < candidates.size() && out.size() < limit * 3 / 4; ++i)
    if (std::find(out.begin(), out.end(), candidates[i].id) == out.end()) out.push_back(candidates[i].id);
}

}  // namespace cassata
