#include "engine/search/beam_walk.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/kernels/unvisited.h"

namespace cassata {

/// The kernel removes most visited nodes; the loop removes the others, and repeated ids of the list.
std::span<const Id> Visited::filter_unvisited(std::span<const Id> ids) {
  const std::size_t needed = count_ + ids.size();
  if (visited_.size() < needed) visited_.resize(2 * needed);
  Id* const unvisited = visited_.data() + count_;
  const std::size_t candidates = kernels::unvisited::filter(words_.data(), static_cast<Id>(size_), ids, unvisited);
  std::size_t count = 0;
  for (std::size_t i = 0; i < candidates; ++i) {
    const Id id = unvisited[i];
    unvisited[count] = id;
    count += mark(id);
  }
  count_ += count;
  return {unvisited, count};
}

/// Binary search down to kCounted entries, then a count of those that are not farther. Without branches, which would be
/// unpredictable. The count is faster at the end: its steps do not depend on each other.
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
  const bool drops_last = relax_ == 0 && entries_.size() == width_;
  if (!drops_last) entries_.emplace_back();
  std::memmove(&entries_[place + 1], &entries_[place], (entries_.size() - 1 - place) * sizeof(Candidate));
  entries_[place] = {distance, id};
  if (entries_.size() < width_) return;
  const float worst = entries_[width_ - 1].distance;
  bound_ = relax_ > 0 ? worst + std::abs(worst) * relax_ : worst;  // infinity x 0 is a NaN, which admits nothing
  while (entries_.size() > width_ && !(relax_ > 0 && entries_.back().distance <= bound_)) entries_.pop_back();
}

void BeamWalk::start(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width,
                     float relax, Workspace& work) {
  graph_ = &graph;
  scorer_ = &scorer;
  work_ = &work;
  fetches_ = scorer.cold();
  expanding_ = kNoId;
  const std::size_t capacity = std::max(graph.list_capacity(), entries.size());
  if (work.distances.size() < capacity) work.distances.resize(capacity);
  if (work.scratch.size() < capacity) work.scratch.resize(capacity);
  work.beam.reset(width, relax);
  work.visited.reset(graph.size());
  visit(entries);
}

void BeamWalk::visit(std::span<const Id> ids) {
  unvisited_ = work_->visited.filter_unvisited(ids);
  if (fetches_) pending_ = scorer_->fetch(unvisited_);
  scorer_->prefetch(unvisited_);
}

bool BeamWalk::step() {
  if (expanding_ != kNoId) {
    visit(graph_->read(expanding_, list_, work_->scratch.data()));
    expanding_ = kNoId;
    return true;
  }
  pending_ = false;
  const Id ahead = work_->beam.peek_next();  // likely to be still the next one after unvisited_ is scored
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
  std::size_t count = 0;  // candidates that the beam admits now; insertions only lower its bound
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

void Descent::start(std::size_t width, float relax, const RowFilter* filter) {
  width_ = width;
  filter_ = filter;
  relax_ = relax;
  level_ = levels_.nodes().empty() ? 0 : levels_.levels().size();
  work_.entries.assign(1, 0);  // the entry point: position 0 of the upper layers, or node 0 if there are none
  start_level();
}

void Descent::start_level() {
  if (level_ == 0 && filter_ != nullptr)
    return filtered_.start(base_, *filter_, scorer_, work_.entries, width_, relax_, work_);
  if (level_ == 0) return walk_.start(base_, scorer_, work_.entries, width_, relax_, work_);
  walk_.start(levels_.levels()[level_ - 1], of_positions_, work_.entries, level_ == 1 ? entry_count(width_) : 1, 0,
              work_);
}

bool Descent::step() {
  if (level_ == 0 && filter_ != nullptr) return filtered_.step();
  if (walk_.step()) return true;
  if (level_ == 0) return false;
  work_.entries.clear();
  for (const Candidate& c : work_.beam.entries()) work_.entries.push_back(c.id);
  if (--level_ == 0)  // positions become ids; those of a damaged file are clamped
    for (Id& entry : work_.entries)
      entry = std::min(read_once(levels_.nodes()[entry]), static_cast<Id>(base_.size() - 1));
  start_level();
  return true;
}

}  // namespace cassata
