// kill -9 at random moments of writing, publishing and copying: what stood at the path is there, complete, and the next
// writer succeeds.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/child.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::kill_test {
namespace {

using namespace test;

/// Kills, and how many at most until all that must be seen was: on a busy machine a writer gets less far than when its
/// time was taken.
constexpr unsigned kFewRounds = 20, kManyRounds = 100, kMaxRounds = 1000;

/// Version `n` of the file's content: its sections differ, and the manifest's size is n.
void write_version(const std::filesystem::path& path, unsigned n) {
  Random random(n);
  FileWriter writer(path);
  append(writer, random_parts(random, 4, 300'000), random);
  Manifest manifest = small_manifest();
  manifest.size = n;
  writer.finish(manifest);
}

/// How long `work` takes here, so that the kills fall within a few of its rounds in any build and on any machine.
template <class Work>
std::chrono::nanoseconds time_of(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::steady_clock::now() - begin;
}

void sleep_up_to(std::chrono::nanoseconds most, Random& random) {
  std::this_thread::sleep_for(std::chrono::nanoseconds(below(random, static_cast<std::size_t>(most.count()))));
}

void kill_writers(unsigned rounds) {
  const TempDir folder;
  const auto path = folder / "index";
  const auto time = time_of([&] { write_version(path, 0); });
  std::uint64_t last = 0;
  std::set<std::uint64_t> versions;
  unsigned interrupted = 0;
  for (unsigned round = 0; round < rounds || (round < kMaxRounds && (interrupted == 0 || versions.size() < 2));
       ++round) {
    SCOPED_TRACE(round);
    Random random(round);
    Signal started;
    Child writer([&] {
      started.give();
      for (unsigned n = round * 1000 + 1;; ++n) write_version(path, n);
      return 0;
    });
    started.await();
    sleep_up_to(3 * time * (1 + round / rounds), random);
    writer.kill();
    interrupted += std::filesystem::exists(folder / "index.partial");
    const auto file = MappedFile::open(path);
    ASSERT_NO_THROW(file->verify());
    const std::uint64_t version = file->manifest().size;
    ASSERT_TRUE(version == last || version > round * 1000) << version << " after " << last;
    versions.insert(last = version);
  }
  EXPECT_GT(interrupted, 0u) << "no kill fell into a write";
  EXPECT_GT(versions.size(), 1u) << "no writer came to an end";
  write_version(path, 7);
  EXPECT_EQ(MappedFile::open(path)->manifest().size, 7u);
  EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
}

void kill_copiers(unsigned rounds) {
  const TempDir folder;
  write_version(folder / "a", 1);
  write_version(folder / "b", 2);
  const auto time = time_of([&] { copy_file(*MappedFile::open(folder / "a"), folder / "index"); });
  const Bytes a = read_file(folder / "a"), b = read_file(folder / "b");
  unsigned of_a = 0, of_b = 0, interrupted = 0;
  for (unsigned round = 0; round < rounds || (round < kMaxRounds && (of_a == 0 || of_b == 0 || interrupted == 0));
       ++round) {
    SCOPED_TRACE(round);
    Random random(round);
    Signal started;
    Child copier([&] {
      const auto first = MappedFile::open(folder / "a"), second = MappedFile::open(folder / "b");
      started.give();
      for (;;) {
        copy_file(*first, folder / "index");
        copy_file(*second, folder / "index");
      }
      return 0;
    });
    started.await();
    sleep_up_to(3 * time * (1 + round / rounds), random);
    copier.kill();
    interrupted += std::filesystem::exists(folder / "index.partial");
    const Bytes bytes = read_file(folder / "index");
    ASSERT_TRUE(bytes == a || bytes == b);
    ++(bytes == a ? of_a : of_b);
  }
  EXPECT_GT(interrupted, 0u) << "no kill fell into a copy";
  EXPECT_TRUE(of_a > 0 && of_b > 0) << of_a << " and " << of_b;
}

TEST(Kill, LeavesACompleteFile) { kill_writers(kFewRounds); }
TEST(Kill, OfACopyLeavesACompleteFile) { kill_copiers(kFewRounds); }
TEST(KillExhaustive, LeavesACompleteFile) { kill_writers(kManyRounds); }
TEST(KillExhaustive, OfACopyLeavesACompleteFile) { kill_copiers(kManyRounds); }

}  // namespace
}  // namespace cassata::kill_test
