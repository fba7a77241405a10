#include "engine/search/beam.h"

#include <algorithm>
#include <cmath>

namespace cassata {

void SubsetScorer::score(std::span<const Id> positions, float* out) noexcept {
  Id ids[kBatch];
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    scorer_.score({ids, n}, out + begin);
  }
}

void SubsetScorer::score_range(Id first, std::size_t count, float* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const Id position = first + static_cast<Id>(i);
    score({&position, 1}, out + i);
  }
}

void Beam::insert(float distance, Id id) {
  const auto place = std::upper_bound(entries_.begin(), entries_.end(), distance, [](float d, const Candidate& c) { return d < c.distance; });
  next_ = std::min(next_, static_cast<std::size_t>(place - entries_.begin()));
  entries_.insert(place, {distance, id});
  if (entries_.size() < width_) return;
  const float worst = entries_[width_ - 1].distance;
  bound_ = relax_ > 0 ? worst + std::abs(worst) * relax_ : worst;  // infinity x 0 would be a NaN, which admits nothing
  while (entries_.size() > width_ && !(relax_ > 0 && entries_.back().distance <= bound_)) entries_.pop_back();
}

void beam_search(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width, float relax, Workspace& work) {
  const std::size_t degree = std::max(graph.max_degree(), entries.size());
  if (work.distances.size() < degree) work.distances.resize(degree);
  if (work.scratch.size() < graph.scratch_size()) work.scratch.resize(graph.scratch_size());
  work.beam.reset(width, relax);
  work.visited.reset(graph.size());
  Id ahead = kNoId;  // whose list was asked for before rows were scored: while these are on their way it is decoded
  std::span<const Id> list;
  const auto meet = [&](std::span<const Id> nodes) {
    const std::span<const Id> fresh = work.visited.take_new(nodes);
    ahead = work.beam.peek_next();
    if (ahead != kNoId) list = graph.neighbors(ahead, work.scratch.data());
    scorer.score(fresh, work.distances.data());
    for (std::size_t i = 0; i < fresh.size(); ++i)
      if (work.beam.admits(work.distances[i])) work.beam.insert(work.distances[i], fresh[i]);
  };
  meet(entries);
  for (Id id; (id = work.beam.expand_next()) != kNoId;) meet(id == ahead ? list : graph.neighbors(id, work.scratch.data()));
  work.beam.finish();
}

void descend(const Levels& levels, Scorer& scorer, std::uint64_t size, std::size_t width, Workspace& work, std::vector<Id>& entries) {
  entries.assign(1, 0);  // the entry point: a position where there are levels, else an id
  if (levels.nodes().empty()) return;
  SubsetScorer of_positions(scorer, levels.nodes(), size);
  for (std::size_t l = levels.levels().size(); l-- > 0;) {
    beam_search(levels.levels()[l], of_positions, entries, l == 0 ? entry_count(width) : 1, 0, work);
    entries.clear();
    for (const Candidate& c : work.beam.entries()) entries.push_back(c.id);
  }
  for (Id& entry : entries) entry = std::min(levels.nodes()[entry], static_cast<Id>(size - 1));  // a damaged file may hold any
}

}  // namespace cassata
