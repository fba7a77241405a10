#include "engine/base/parallel.h"

#include <pthread.h>
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>

namespace cassata {
namespace {

/// A child of fork() has none of oneTBB's threads, and perhaps one of its locks taken for ever: it goes on alone.
std::atomic<bool> alone = false;
void watch_forks() {
  static const int watched = ::pthread_atfork(nullptr, nullptr, [] { alone = true; });
  static_cast<void>(watched);
}

using Work = std::function<void(std::size_t, std::size_t, unsigned)>;
using Range = tbb::blocked_range<std::size_t>;

// oneTBB orders a caller and its pieces. These say so once more, where ThreadSanitizer sees it: the library is not
// instrumented.
std::atomic<std::size_t> started, finished;

void run(const Work& work, std::size_t begin, std::size_t end) {
  started.load(std::memory_order_acquire);
  work(begin, end, static_cast<unsigned>(tbb::this_task_arena::current_thread_index()));
  finished.fetch_add(1, std::memory_order_release);
}

/// What oneTBB copies into its tasks, whose memory it hands from thread to thread; so ThreadSanitizer is to look at
/// none of it.
struct Piece {
  const Work* work;
  [[gnu::no_sanitize_thread]] void operator()(const Range& range) const { run(*work, range.begin(), range.end()); }
};

}  // namespace

unsigned threads_of(unsigned num_threads) {
  const auto processors = static_cast<unsigned>(std::max(1, tbb::info::default_concurrency()));
  return num_threads == 0 ? processors : std::min(num_threads, processors);
}

std::size_t grain_of(unsigned num_threads, std::size_t count, std::size_t usual) {
  const std::size_t threads = threads_of(num_threads);
  return std::clamp<std::size_t>((count + threads - 1) / threads, 1, usual);
}

Threads Threads::that_wait(unsigned num_threads) {
  constexpr unsigned kWaiting = 4,
                     kEnough = 32;  // a processor, of which one has it; and in all, since each needs memory
  const unsigned processors = threads_of(0), most = std::max(processors, std::min(kEnough, processors * kWaiting));
  // oneTBB has no more than there are processors unless told so; for good, so that its threads need not be made anew
  // for every loop.
  static const tbb::global_control more(tbb::global_control::max_allowed_parallelism, most);
  Threads threads(0);
  threads.count = num_threads == 0 ? most : std::min(num_threads, most);
  return threads;
}

void parallel_for(Threads threads, std::size_t count, std::size_t grain, const Work& work) {
  if (threads.count == 1 || count <= grain || alone) {
    if (count != 0) work(0, count, 0);
    return;
  }
  watch_forks();
  started.fetch_add(1, std::memory_order_release);
  tbb::task_arena arena(static_cast<int>(threads.count));
  arena.execute([&] { tbb::parallel_for(Range(0, count, grain), Piece{&work}, tbb::simple_partitioner()); });
  finished.load(std::memory_order_acquire);
}

void parallel_for(Threads threads, std::size_t count, std::size_t grain, std::size_t turn,
                  const std::function<void(std::size_t)>& report, const Work& work) {
  const std::size_t most = turn * threads.count;
  for (std::size_t first = 0; first < count; first += most) {
    const std::size_t now = std::min(most, count - first);
    parallel_for(threads, now, grain, [&](std::size_t begin, std::size_t end, unsigned thread) {
      work(first + begin, first + end, thread);
    });
    report(first + now);
  }
}

}  // namespace cassata
