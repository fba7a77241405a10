#include "engine/search/beam_walk.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/kernels/unvisited.h"

namespace cassata {

void SubsetScorer::score(std::span<const Id> positions, float* out) noexcept {
  Id ids[kBatch];
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    scorer_.score({ids, n}, out + begin);
  }
}

void SubsetScorer::prefetch(std::span<const Id> positions) const noexcept {
  Id ids[kBatch];
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    scorer_.prefetch({ids, n});
  }
}

bool SubsetScorer::fetch(std::span<const Id> positions) noexcept {
  Id ids[kBatch];
  bool reads = false;
  for (std::size_t begin = 0; begin < positions.size(); begin += kBatch) {
    const std::size_t n = std::min(kBatch, positions.size() - begin);
    for (std::size_t i = 0; i < n; ++i) ids[i] = id(positions[begin + i]);
    reads = scorer_.fetch({ids, n}) || reads;
  }
  return reads;
}

void SubsetScorer::score_range(Id first, std::size_t count, float* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const Id position = first + static_cast<Id>(i);
    score({&position, 1}, out + i);
  }
}

/// Where there are vectors for it, they leave out most of those that were met; the rest, and what a list holds twice,
/// one by one.
std::span<const Id> Visited::filter_unvisited(std::span<const Id> ids) {
  const std::size_t most = count_ + ids.size();
  if (met_.size() < most) met_.resize(2 * most);
  Id* const fresh = met_.data() + count_;
  const std::size_t perhaps = kernels::unvisited::filter(words_.data(), static_cast<Id>(size_), ids, fresh);
  std::size_t count = 0;
  for (std::size_t i = 0; i < perhaps; ++i) {
    const Id id = fresh[i];
    fresh[count] = id;
    count += mark(id);
  }
  count_ += count;
  return {fresh, count};
}

/// By halves, then all that are left: what stands before it is a coin toss, so without branches; and halves wait for
/// each other.
std::size_t Beam::place_of(float distance) const noexcept {
  const Candidate* from = entries_.data();
  constexpr std::size_t kCounted = 32;
  std::size_t left = entries_.size();
  while (left > kCounted) {
    const std::size_t half = left / 2;
    from += half * static_cast<std::size_t>(from[half - 1].distance <= distance);
    left -= half;
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < left; ++i) count += static_cast<std::size_t>(from[i].distance <= distance);
  return static_cast<std::size_t>(from - entries_.data()) + count;
}

void Beam::insert(float distance, Id id) {
  if (distance != distance) distance = std::numeric_limits<float>::infinity();
  const std::size_t place = place_of(distance);
  next_ = std::min(next_, place);
  const bool drops = relax_ == 0 && entries_.size() == width_;  // the last one
  if (!drops) entries_.emplace_back();
  std::memmove(&entries_[place + 1], &entries_[place], (entries_.size() - 1 - place) * sizeof(Candidate));
  entries_[place] = {distance, id};
  if (entries_.size() < width_) return;
  const float worst = entries_[width_ - 1].distance;
  bound_ = relax_ > 0 ? worst + std::abs(worst) * relax_ : worst;  // infinity x 0 would be a NaN, which admits nothing
  while (entries_.size() > width_ && !(relax_ > 0 && entries_.back().distance <= bound_)) entries_.pop_back();
}

void BeamWalk::start(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width,
                     float relax, Workspace& work, bool cold) {
  graph_ = &graph;
  scorer_ = &scorer;
  work_ = &work;
  cold_ = cold;
  expanding_ = kNoId;
  const std::size_t most = std::max(graph.list_capacity(), entries.size());
  if (work.distances.size() < most) work.distances.resize(most);
  if (work.scratch.size() < most) work.scratch.resize(most);
  work.beam.reset(width, relax);
  work.visited.reset(graph.size());
  visit(entries);
}

void BeamWalk::visit(std::span<const Id> ids) {
  unvisited_ = work_->visited.filter_unvisited(ids);
  if (cold_) pending_ = scorer_->fetch(unvisited_);
  scorer_->prefetch(unvisited_);
}

bool BeamWalk::step() {
  if (expanding_ != kNoId) {
    visit(graph_->read(expanding_, list_, work_->scratch.data()));
    expanding_ = kNoId;
    return true;
  }
  pending_ = false;
  const Id ahead = work_->beam.peek_next();  // it may still be next once the fresh ones are scored
  if (ahead != kNoId) list_ = graph_->locate(ahead);
  score_unvisited();
  expanding_ = work_->beam.expand_next();
  if (expanding_ != kNoId) {
    if (expanding_ != ahead) list_ = graph_->locate(expanding_);
    return true;
  }
  work_->beam.finish();
  return false;
}

void BeamWalk::score_unvisited() {
  Beam& beam = work_->beam;
  const float* const distances = work_->distances.data();
  scorer_->score(unvisited_, work_->distances.data());
  std::size_t count = 0;  // of those that the beam may admit: it admits ever less
  for (std::size_t i = 0; i < unvisited_.size(); ++i) {
    work_->scratch[count] = static_cast<Id>(i);
    count += beam.admits(distances[i]);
  }
  for (std::size_t i = 0; i < count; ++i) graph_->prefetch_location(unvisited_[work_->scratch[i]]);
  for (std::size_t i = 0; i < count; ++i)
    if (const Id n = work_->scratch[i]; beam.admits(distances[n])) beam.insert(distances[n], unvisited_[n]);
}

void beam_search(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width, float relax,
                 Workspace& work) {
  BeamWalk walk;
  walk.start(graph, scorer, entries, width, relax, work);
  while (walk.step()) {
  }
}

void Descent::start(std::size_t width, float relax, bool cold) {
  width_ = width;
  relax_ = relax;
  cold_ = cold;
  level_ = levels_.nodes().empty() ? 0 : levels_.levels().size();
  work_.entries.assign(1, 0);  // the entry point: a position where there are levels, else an id
  start_level();
}

void Descent::start_level() {
  if (level_ == 0) return walk_.start(base_, scorer_, work_.entries, width_, relax_, work_, cold_);
  walk_.start(levels_.levels()[level_ - 1], of_positions_, work_.entries, level_ == 1 ? entry_count(width_) : 1, 0,
              work_, cold_);
}

bool Descent::step() {
  if (walk_.step()) return true;
  if (level_ == 0) return false;
  work_.entries.clear();
  for (const Candidate& c : work_.beam.entries()) work_.entries.push_back(c.id);
  if (--level_ == 0)  // positions become ids; a damaged file may hold any
    for (Id& entry : work_.entries)
      entry = std::min(read_once(levels_.nodes()[entry]), static_cast<Id>(base_.size() - 1));
  start_level();
  return true;
}

}  // namespace cassata
