// Loops over threads: every piece once, errors handed on.
#include "engine/base/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/random.h"

namespace cassata::parallel_test {
namespace {

using namespace test;

TEST(ParallelFor, CoversEveryIndexOnce) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t count = below(random, 2000), grain = 1 + below(random, 100);
    const auto num_threads = static_cast<unsigned>(below(random, 5));
    const Threads threads = seed % 4 == 0 ? Threads::that_wait(num_threads) : Threads(num_threads);
    std::vector<int> times(count);
    std::atomic<bool> known = true, whole = true;
    parallel_for(threads, count, grain, [&](std::size_t begin, std::size_t end, unsigned thread) {
      if (thread >= threads.count) known = false;
      if (begin >= end || end > count) whole = false;
      for (std::size_t i = begin; i < end; ++i) ++times[i];
    });
    ASSERT_TRUE(known) << "a thread's number is beyond the threads asked for";
    ASSERT_TRUE(whole) << "a piece is empty or leaves the range";
    ASSERT_EQ(times, std::vector<int>(count, 1));
  }
}

TEST(ParallelFor, MoreThreadsWaitThanThereAreProcessors) {
  const Threads threads = Threads::that_wait(0);
  ASSERT_GT(threads.count, threads_of(0));
  std::atomic<unsigned> inside = 0, most = 0;
  for (int loop = 0; loop < 400 && most <= threads_of(0); ++loop)  // oneTBB does not promise its threads to every loop
    parallel_for(threads, 4 * threads.count, 1, [&](std::size_t, std::size_t, unsigned) {
      const unsigned now = ++inside;
      for (unsigned before = most; before < now && !most.compare_exchange_weak(before, now);) {
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      --inside;
    });
  EXPECT_GT(most, threads_of(0));
}

TEST(ParallelFor, AThreadsNumberIsItsOwn) {
  constexpr unsigned kThreads = 4;
  std::vector<std::atomic<int>> inside(kThreads);
  std::atomic<bool> alone = true;
  parallel_for(kThreads, 2000, 1, [&](std::size_t, std::size_t, unsigned thread) {
    if (++inside[thread] != 1) alone = false;
    --inside[thread];
  });
  EXPECT_TRUE(alone) << "two threads had one number at once";
}

TEST(ParallelFor, AnExceptionReachesTheCaller) {
  for (const unsigned threads : {1u, 3u})
    EXPECT_THROW(parallel_for(threads, 1000, 1,
                              [](std::size_t begin, std::size_t end, unsigned) {
                                if (begin <= 500 && 500 < end) throw std::runtime_error("500");
                              }),
                 std::runtime_error);
}

TEST(ParallelFor, InTurnsTellsTheCallersThreadHowFarItIs) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t count = below(random, 2000), grain = 1 + below(random, 100), turn = 1 + below(random, 300);
    const auto threads = static_cast<unsigned>(1 + below(random, 4));
    const std::thread::id caller = std::this_thread::get_id();
    std::vector<int> times(count);
    std::size_t reported = 0;
    const auto report = [&](std::size_t done) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      EXPECT_GT(done, reported);
      EXPECT_LE(done - reported, turn * threads_of(threads));
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(times[i], i < done ? 1 : 0);
      reported = done;
    };
    parallel_for(threads, count, grain, turn, report, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) ++times[i];
    });
    EXPECT_EQ(reported, count);
  }
  std::atomic<std::size_t> reached = 0;
  const auto stop = [](std::size_t) { throw std::runtime_error("enough"); };
  EXPECT_THROW(
      parallel_for(1, 1000, 1, 10, stop, [&](std::size_t begin, std::size_t end, unsigned) { reached += end - begin; }),
      std::runtime_error);
  EXPECT_EQ(reached, 10u);
}

TEST(GrainOf, GivesEveryThreadAPiece) {
  const unsigned all = threads_of(0);
  for (const std::size_t count : {1u, 2u, 7u, 8u, 100u, 1000u}) {
    EXPECT_EQ(grain_of(1, count, 8), std::min<std::size_t>(count, 8));
    const std::size_t grain = grain_of(0, count, 8);
    EXPECT_LE(grain, 8u);
    EXPECT_GE((count + grain - 1) / grain, std::min<std::size_t>(count, 2) == 1 ? 1 : std::min<std::size_t>(all, 2))
        << count;
  }
  EXPECT_EQ(grain_of(0, 0, 8), 1u);
}

TEST(ThreadsOf, IsWhatIsAskedForUpToTheProcessors) {
  const unsigned all = threads_of(0);
  ASSERT_GE(all, 1u);
  for (unsigned asked = 1; asked < 2 * all + 5; ++asked)
    EXPECT_EQ(threads_of(asked), std::min(asked, all)) << asked << " asked for, " << all << " processors";
  EXPECT_EQ(threads_of(std::numeric_limits<unsigned>::max()), all);
}

}  // namespace
}  // namespace cassata::parallel_test
