// Loops over threads. What is computed must not depend on how a loop is cut.
#pragma once

#include <cstddef>
#include <functional>

namespace cassata {

/// `num_threads`, but no more than there are processors; all of these for 0.
unsigned threads_of(unsigned num_threads);

/// How many threads a loop has.
struct Threads {
  Threads(unsigned num_threads) : count(threads_of(num_threads)) {}  // NOLINT: a number of threads says it
  /// As many, but up to four for each processor, and these for 0: for work that waits for the disk much of its time.
  /// Others go on meanwhile.
  static Threads that_wait(unsigned num_threads);
  unsigned count;
};

/// `usual`, or less, so that as many threads get a piece as there are of the `count`.
std::size_t grain_of(unsigned num_threads, std::size_t count, std::size_t usual);

/// Calls work(begin, end, thread) for pieces of about `grain` that make up [0, count), on so many threads, or fewer,
/// which are numbered from 0. Returns when all is done; the first exception of a piece reaches the caller.
void parallel_for(Threads threads, std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t, std::size_t, unsigned)>& work);

/// The same in turns of about `turn` a thread. After each, report(done) is called on this thread, and may throw to end
/// the loop: for what takes so long that people want to know how far it is, or to stop it.
void parallel_for(Threads threads, std::size_t count, std::size_t grain, std::size_t turn,
                  const std::function<void(std::size_t)>& report,
                  const std::function<void(std::size_t, std::size_t, unsigned)>& work);

}  // namespace cassata
