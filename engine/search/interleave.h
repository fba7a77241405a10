// Several queries that take turns on a thread: while the memory that one needs is on its way, the others go on.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace cassata {

/// What a step of a query came to. One that rests waits for the disk, and another query takes its turns meanwhile.
enum class StepResult { running, waiting, done };

/// Answers the queries from `begin` to `end`, `at_once` of them in turns; as many as there are more lanes may rest.
/// Lanes are made, by make(), where they are null and needed. `start(lane, query)` begins a query, `step(lane)` is a
/// StepResult, and `finish(lane)` takes what was found once it has ended. Results do not depend on how many lanes there
/// are.
template <class InFlightQuery, class Make, class Start, class Step, class Finish>
void interleave(std::span<std::unique_ptr<InFlightQuery>> lanes, std::size_t at_once, std::size_t begin,
                std::size_t end, Make make, Start start, Step step, Finish finish) {
  const std::size_t most_resting = lanes.size() - at_once;
  std::size_t next = begin, used = 0;
  std::vector<InFlightQuery*> going, resting, spare;
  const auto start_next = [&] {
    if (spare.empty()) {
      if (!lanes[used]) lanes[used] = make();
      spare.push_back(lanes[used++].get());
    }
    InFlightQuery& lane = *spare.back();
    spare.pop_back();
    start(lane, next++);
    return &lane;
  };
  while (going.size() < at_once && next < end) going.push_back(start_next());
  for (std::size_t turn = 0; !going.empty(); turn = turn + 1 < going.size() ? turn + 1 : 0) {
    InFlightQuery& lane = *going[turn];
    const StepResult came = step(lane);
    if (came == StepResult::running) continue;
    if (came == StepResult::done) finish(lane);
    (came == StepResult::waiting ? resting : spare).push_back(&lane);
    if (resting.size() > most_resting || (next == end && !resting.empty())) {
      going[turn] = resting.front();
      resting.erase(resting.begin());
    } else if (next < end) {
      going[turn] = start_next();
    } else {
      going.erase(going.begin() + static_cast<std::ptrdiff_t>(turn));
    }
  }
}

}  // namespace cassata
