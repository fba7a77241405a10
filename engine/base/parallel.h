// Parallel loops. Results must not depend on how a loop is divided.
#pragma once

#include <cstddef>
#include <functional>

namespace cassata {

/// `num_threads`, at most the number of processors; 0: the number of processors.
unsigned threads_of(unsigned num_threads);

/// Number of threads of a loop.
struct Threads {
  Threads(unsigned num_threads) : count(threads_of(num_threads)) {}  // NOLINT: implicit, a number is a count of threads
  /// For work that often waits for the disk: `num_threads`, at most 4 per processor (and at most 32, or the number of
  /// processors if that is larger); 0: as many as allowed.
  static Threads that_wait(unsigned num_threads);
  unsigned count;
};

/// Chunk size for a loop over `count` elements: at most `usual`, and small enough that every thread gets a chunk.
std::size_t grain_of(unsigned num_threads, std::size_t count, std::size_t usual);

/// Calls work(begin, end, thread) for chunks of about `grain` elements that cover [0, count), on up to `threads`
/// threads, numbered from 0. Returns when all chunks are done. The first exception of a chunk reaches the caller.
void parallel_for(Threads threads, std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t, std::size_t, unsigned)>& work);

/// The same, in rounds of about `round` elements per thread, for long loops with progress reports. After each round,
/// report(done) is called on the calling thread; it may throw to end the loop.
void parallel_for(Threads threads, std::size_t count, std::size_t grain, std::size_t round,
                  const std::function<void(std::size_t)>& report,
                  const std::function<void(std::size_t, std::size_t, unsigned)>& work);

}  // namespace cassata
