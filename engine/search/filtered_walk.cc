#include "engine/search/filtered_walk.h"

#include <algorithm>
#include <limits>

#include "engine/kernels/unvisited.h"

namespace cassata {
namespace {

/// The share of neighbours that pass from which all are scored: two fifths.
constexpr std::size_t kManyNumerator = 2, kManyDenominator = 5;
/// No more nodes are expanded outside of the beam than in it, besides these. Where the filter lets through what is far
/// from the query, all that is close to it lies outside.
constexpr std::size_t kFirstOutside = 64;

}  // namespace

void FilteredWalk::start(const Adjacency& graph, const RowFilter& filter, Scorer& scorer, std::span<const Id> entries,
                         std::size_t width, float relax, Workspace& work) {
  graph_ = &graph;
  filter_ = &filter;
  scorer_ = &scorer;
  work_ = &work;
  fetches_ = scorer.cold();
  pending_ = cut_short_ = false;
  if (work.scratch.size() < graph.list_capacity()) work.scratch.resize(graph.list_capacity());
  work.beam.reset(width, relax);
  work.visited.reset(graph.size());
  outside_.clear();
  expanded_ = expanded_outside_ = 0;
  found_.clear();
  bridges_.clear();
  lists_.clear();
  for (const Id id : entries)
    if (work.visited.visit(id)) (filter.admits(id) ? found_ : bridges_).push_back(id);
  for (const Id id : filter.sample())
    if (work.visited.visit(id)) found_.push_back(id);
  for (const Id id : bridges_) lists_.push_back(graph.locate(id));
  most_ = found_.size() + bridges_.size() * graph.max_degree();
  next_ = bridges_.empty() ? Next::score : Next::read_bridges;
  if (next_ == Next::score) fetch_found();
}

bool FilteredWalk::step() {
  switch (next_) {
    case Next::read_list:
      found_.clear();
      bridges_.clear();
      lists_.clear();
      most_ = graph_->max_degree() / 2;
      if (!take_neighbors(graph_->read(expanding_, list_, work_->scratch.data()))) break;
      next_ = Next::read_bridges;
      for (const Id id : bridges_) lists_.push_back(graph_->locate(id));
      return true;
    case Next::read_bridges:
      for (std::size_t i = 0; i < bridges_.size() && found_.size() < most_; ++i) {
        work_->visited.visit(bridges_[i]);
        take_bridge(graph_->read(bridges_[i], lists_[i], work_->scratch.data()));
      }
      break;
    case Next::score:
      pending_ = false;
      score_found();
      expanding_ = expand_next();
      if (expanding_ == kNoId) {
        const std::vector<Candidate>& inside = work_->beam.entries();
        cut_short_ = !outside_.empty() && !inside.empty() && outside_.front() < inside.front();
        work_->beam.finish();
        return false;
      }
      list_ = graph_->locate(expanding_);
      next_ = Next::read_list;
      return true;
  }
  fetch_found();
  return true;
}

/// Puts unvisited neighbours of the expanded node in found_: all if many pass; otherwise those that pass, and the
/// others in bridges_. Returns whether there are bridges.
bool FilteredWalk::take_neighbors(std::span<const Id> ids) {
  const auto count = static_cast<std::size_t>(std::ranges::count_if(ids, [&](Id id) { return id < graph_->size(); }));
  const std::span<const Id> passing = admitted(ids);
  if (kManyDenominator * passing.size() >= kManyNumerator * count) {
    const std::span<const Id> unvisited = work_->visited.filter_unvisited(ids);
    found_.assign(unvisited.begin(), unvisited.end());
    return false;
  }
  for (const Id id : passing)
    if (work_->visited.visit(id)) found_.push_back(id);
  for (const Id id : ids)
    if (!filter_->admits(id) && !work_->visited.contains(id)) bridges_.push_back(id);  // contains() is true of no nodes
  return !bridges_.empty() && found_.size() < most_;
}

/// Puts the unvisited neighbours of a bridge that pass in found_.
void FilteredWalk::take_bridge(std::span<const Id> ids) {
  for (const Id id : admitted(ids))
    if (work_->visited.visit(id)) found_.push_back(id);
}

/// Those of the ids that pass. Valid until the next call.
std::span<const Id> FilteredWalk::admitted(std::span<const Id> ids) {
  if (admitted_.size() < ids.size()) admitted_.resize(ids.size());
  const std::size_t candidates =
      kernels::unvisited::filter(filter_->blocked().data(), static_cast<Id>(graph_->size()), ids, admitted_.data());
  std::size_t count = 0;  // the kernel keeps some that do not pass
  for (std::size_t i = 0; i < candidates; ++i) {
    const Id id = admitted_[i];
    admitted_[count] = id;
    count += filter_->admits(id);
  }
  return std::span(admitted_).first(count);
}

void FilteredWalk::fetch_found() {
  next_ = Next::score;
  if (work_->distances.size() < found_.size()) work_->distances.resize(found_.size());
  if (fetches_) pending_ = scorer_->fetch(found_);
  scorer_->prefetch(found_);
}

void FilteredWalk::score_found() {
  Beam& beam = work_->beam;
  scorer_->score(found_, work_->distances.data());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const float distance = work_->distances[i];
    if (!beam.admits(distance)) continue;
    graph_->prefetch_location(found_[i]);
    if (filter_->admits(found_[i])) {
      beam.insert(distance, found_[i]);
    } else {
      outside_.push_back({distance == distance ? distance : std::numeric_limits<float>::infinity(), found_[i]});
      std::ranges::push_heap(outside_, farther);
    }
  }
}

/// The closest node that is not expanded, in the beam or, unless too many of these were, outside of it; kNoId: none.
Id FilteredWalk::expand_next() {
  Beam& beam = work_->beam;
  const Candidate* const inside = beam.next();
  const bool leaves = !outside_.empty() && beam.admits(outside_.front().distance) &&
                      expanded_outside_ < expanded_ + kFirstOutside &&
                      (inside == nullptr || outside_.front() < *inside);
  if (!leaves) {
    ++expanded_;
    return beam.expand_next();
  }
  ++expanded_outside_;
  std::ranges::pop_heap(outside_, farther);
  const Id id = outside_.back().id;
  outside_.pop_back();
  return id;
}

}  // namespace cassata
