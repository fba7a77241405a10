// Several walks that take turns on a thread: while the memory that one needs is on its way, the others go on.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace cassata {

/// Walks for the queries from `begin` to `end`, as many at a time as there are lanes. `start(lane, query)` begins a walk, `step(lane)` is false once
/// it has ended, and `finish(lane)` takes what it has found. Results do not depend on how many lanes there are.
template <class Lane, class Start, class Step, class Finish>
void take_turns(std::span<const std::unique_ptr<Lane>> lanes, std::size_t begin, std::size_t end, Start start, Step step, Finish finish) {
  std::size_t next = begin;
  std::vector<Lane*> walking;
  for (const auto& lane : lanes) {
    start(*lane, next++);
    walking.push_back(lane.get());
  }
  for (std::size_t turn = 0; !walking.empty(); turn = turn + 1 < walking.size() ? turn + 1 : 0) {
    Lane& lane = *walking[turn];
    if (step(lane)) continue;
    finish(lane);
    if (next < end)
      start(lane, next++);
    else
      walking.erase(walking.begin() + static_cast<std::ptrdiff_t>(turn));
  }
}

}  // namespace cassata
