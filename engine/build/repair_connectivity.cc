#include "engine/build/repair_connectivity.h"

#include <algorithm>
#include <vector>

#include "engine/search/beam_walk.h"

namespace cassata {
namespace {

/// The nodes to which a path leads from node 0.
class Reached {
 public:
  explicit Reached(const NeighborLists& level) : level_(level), is_(level.size()) { add(0); }

  bool operator[](Id node) const { return is_[node]; }
  void add(Id node) {
    is_[node] = true;
    open_.push_back(node);
    while (!open_.empty()) {
      const Id from = open_.back();
      open_.pop_back();
      for (const Id to : level_.list(from)) {
        if (is_[to]) continue;
        is_[to] = true;
        open_.push_back(to);
      }
    }
  }

 private:
  const NeighborLists& level_;
  std::vector<bool> is_;
  std::vector<Id> open_;
};

}  // namespace

void repair_connectivity(NeighborLists& level, Scorer& scorer, std::size_t width, std::span<const Id> apart,
                         Workspace& work, const Progress& progress) {
  constexpr std::size_t kWalksAReport = 8;
  Reached reached(level);
  for (const Id node : apart)
    if (node < level.size()) reached.add(node);
  const auto has_room = [&](Id node) { return level.list(node).size() < level.max_degree(); };
  constexpr Id kEntry = 0;
  Id last = kEntry;  // where there is room if there is none among the closest
  std::size_t walks = 0;
  for (Id node = 0; node < level.size(); ++node) {
    if (reached[node]) continue;
    if (progress && ++walks % kWalksAReport == 0) progress("connect", node, level.size());
    scorer.bind(node);
    beam_search(level, scorer, {&kEntry, 1}, width, 0, work);
    const auto& found = work.beam.entries();
    const auto closest = std::find_if(found.begin(), found.end(), [&](const Candidate& c) { return has_room(c.id); });
    level.append(closest != found.end() ? closest->id : last, node);
    reached.add(node);
    last = node;
  }
  if (progress && walks != 0) progress("connect", level.size(), level.size());
}

}  // namespace cassata
