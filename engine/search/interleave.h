// Interleaving: steps of several in-flight queries of one thread alternate, so that none waits for memory
// (docs/decisions/interleave-queries.md).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace cassata {

enum class StepResult {
  running,
  waiting,  ///< rows of the next step are being read from disk: other queries go first
  done
};

/// Answers the queries `begin` to `end` - 1. `at_once` of them run in turns, and up to slots.size() - at_once more wait
/// for the disk. make() makes an in-flight query for a slot that is null when it is needed. `start(in_flight, query)`
/// starts a query, `step(in_flight)` returns a StepResult, and `finish(in_flight)` takes the results after
/// StepResult::done. Results do not depend on the number of slots.
template <class InFlightQuery, class Make, class Start, class Step, class Finish>
void interleave(std::span<std::unique_ptr<InFlightQuery>> slots, std::size_t at_once, std::size_t begin,
                std::size_t end, Make make, Start start, Step step, Finish finish) {
  const std::size_t max_waiting = slots.size() - at_once;
  std::size_t next = begin, used = 0;
  std::vector<InFlightQuery*> running, waiting, idle;
  const auto start_next = [&] {
    if (idle.empty()) {
      if (!slots[used]) slots[used] = make();
      idle.push_back(slots[used++].get());
    }
    InFlightQuery& in_flight = *idle.back();
    idle.pop_back();
    start(in_flight, next++);
    return &in_flight;
  };
  while (running.size() < at_once && next < end) running.push_back(start_next());
  for (std::size_t turn = 0; !running.empty(); turn = turn + 1 < running.size() ? turn + 1 : 0) {
    InFlightQuery& in_flight = *running[turn];
    const StepResult result = step(in_flight);
    if (result == StepResult::running) continue;
    if (result == StepResult::done) finish(in_flight);
    (result == StepResult::waiting ? waiting : idle).push_back(&in_flight);
    if (waiting.size() > max_waiting || (next == end && !waiting.empty())) {
      running[turn] = waiting.front();
      waiting.erase(waiting.begin());
    } else if (next < end) {
      running[turn] = start_next();
    } else {
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(turn));
    }
  }
}

}  // namespace cassata
