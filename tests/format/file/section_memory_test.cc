// Which sections are in memory: what is declared, warmed and reported.
#include "format/file/section_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "format/file/layout.h"
#include "format/file/mapped_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::section_memory_test {
namespace {

using namespace test;
namespace fs = std::filesystem;

class SectionMemoryTest : public ::testing::Test {
 protected:
  TempDir folder_;
  fs::path path_ = folder_ / "index";
};

/// Has the kernel forget a file that nobody has mapped.
void drop(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR);
  ASSERT_EQ(::fsync(fd), 0);
  ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  ::close(fd);
}

/// A file with short and long hot sections, and a cold one.
void write_tiers(const fs::path& path, Random& random) {
  FileWriter writer(path);
  append(writer,
         {{"part.0", Tier::hot, 0, random_bytes(random, 9 * kHugePageBytes + 77)},
          {"part.1", Tier::hot, 0, {}},
          {"part.2", Tier::hot, 0, random_bytes(random, 3 * kHugePageBytes / 2)},
          {"part.3", Tier::cold, 0, random_bytes(random, 24 << 20)},
          {"part.4", Tier::hot, 0, random_bytes(random, 5000)}},
         random);
  writer.finish(small_manifest());
}

/// Such a file, out of memory, opened and declared as a graph's.
std::shared_ptr<const MappedFile> open_cold(const fs::path& path, unsigned seed) {
  Random random(seed);
  write_tiers(path, random);
  drop(path);
  auto file = MappedFile::open(path);
  file->memory().expect(Access::resident);
  return file;
}

TEST_F(SectionMemoryTest, NothingIsRequestedOrWarmedBeforeAccessIsDeclared) {
  Random random(7);
  write_tiers(path_, random);
  const auto file = MappedFile::open(path_);
  SectionMemory& memory = file->memory();
  memory.warm_on();
  EXPECT_FALSE(memory.cold());
  for (const SectionEntry& s : file->manifest().sections) {
    EXPECT_EQ(file->section(s.name).reads, nullptr) << s.name;
    EXPECT_FALSE(memory.warms(s)) << s.name;
  }
  file->verify();
  memory.warm(Resident::hot);
}

TEST_F(SectionMemoryTest, OnlyResidentSectionsAreColdUntilTheyAreWarm) {
  Random random(8);
  write_tiers(path_, random);
  for (const Access access : {Access::sequential, Access::preloaded, Access::resident}) {
    SCOPED_TRACE(static_cast<int>(access));
    const auto file = MappedFile::open(path_);
    SectionMemory& memory = file->memory();
    memory.expect(access);
    memory.expect(Access::sequential);  // the first declaration counts
    const bool resident = access == Access::resident;
    EXPECT_EQ(memory.cold(), resident);
    const auto expect_reads = [&](bool cold) {
      for (const SectionEntry& s : file->manifest().sections) {
        RowReads* const reads = file->section(s.name).reads;
        ASSERT_NE(reads, nullptr) << s.name;
        EXPECT_EQ(reads->cold(), cold && s.tier == Tier::hot) << s.name;
        EXPECT_EQ(memory.warms(s), resident && s.tier == Tier::hot) << s.name;
      }
    };
    expect_reads(resident);
    file->verify();
    while (memory.cold()) memory.warm_on();
    memory.warm_on();
    expect_reads(false);
  }
}

TEST_F(SectionMemoryTest, VerificationOnFirstUseLeavesOutWhatIsWarmed) {
  Random random(9);
  write_tiers(path_, random);
  for (const Access access : {Access::sequential, Access::resident}) {
    const auto file = MappedFile::open(path_);
    file->memory().expect(access);
    file->check_touched();
    for (const SectionEntry& s : file->manifest().sections)
      EXPECT_EQ(file->section(s.name).check == nullptr, access == Access::resident && s.tier == Tier::hot) << s.name;
  }
}

TEST_F(SectionMemoryTest, WarmingReadsWhatIsNamedAndTellsIt) {
  Random random(3);
  const auto file = write_parts(path_,
                                {{"part.0", Tier::hot, 0, random_bytes(random, 3 * kHugePageBytes + 77)},
                                 {"part.1", Tier::cold, 0, random_bytes(random, 40 * kHugePageBytes)},
                                 {"part.2", Tier::hot, 0, {}}},
                                random);
  for (const auto& [resident, total] :
       {std::pair{Resident::hot, 3 * kHugePageBytes + 77}, std::pair{Resident::all, 43 * kHugePageBytes + 77}}) {
    drop(path_);
    std::uint64_t last = 0;
    file->memory().warm(resident, false,
                        [&, whole = total](std::string_view stage, std::uint64_t done, std::uint64_t of) {
                          EXPECT_EQ(stage, "warm");
                          EXPECT_EQ(of, whole);
                          EXPECT_GT(done, last);
                          last = done;
                        });
    EXPECT_EQ(last, total);
    for (const SectionResidency& section : file->memory().residency())
      EXPECT_TRUE((section.tier == Tier::cold && resident == Resident::hot) || section.resident == section.bytes)
          << section.name;
  }
  expect_error(Errc::invalid_argument, {"lock", "'hot' or 'all'"}, [&] { file->memory().warm(Resident::none, true); });
  struct Stop {};
  EXPECT_THROW(file->memory().warm(Resident::all, false, [](auto...) { throw Stop(); }), Stop);
  file->verify();
}

TEST_F(SectionMemoryTest, ResidentSectionsAreWarmedPieceByPiece) {
  const auto file = open_cold(path_, 5);
  if (*file->memory().residency()[3].resident == file->memory().residency()[3].bytes)
    GTEST_SKIP() << "this file system keeps its files in memory";
  ASSERT_TRUE(file->memory().cold());
  static_cast<void>(*static_cast<const volatile std::byte*>(&file->section("part.0").bytes[5 * kHugePageBytes + 123]));
  EXPECT_LE(*file->memory().residency()[0].resident, 64u << 10) << "much was read around a byte";
  file->memory().warm_on();
  for (const int shortest : {4, 2})
    EXPECT_EQ(*file->memory().residency()[shortest].resident, file->memory().residency()[shortest].bytes);
  EXPECT_LT(*file->memory().residency()[0].resident, 10u << 20);
  std::size_t calls = 1;
  for (; file->memory().cold(); ++calls) file->memory().warm_on();
  EXPECT_GE(calls, 4u);
  EXPECT_LE(calls, 6u);
  for (const SectionResidency& s : file->memory().residency())
    EXPECT_EQ(s.tier == Tier::hot, *s.resident == s.bytes) << s.name;
  file->memory().warm_on();
  EXPECT_FALSE(file->memory().cold());
}

TEST_F(SectionMemoryTest, SectionsThatAreReadOtherwiseMeanwhileAreWarmedAllTheSame) {
  const auto file = open_cold(path_, 6);
  file->memory().warm_on();
  file->verify();
  EXPECT_TRUE(file->memory().cold());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (file->memory().cold()) file->memory().warm_on();
    });
  for (std::thread& thread : threads) thread.join();
  for (const SectionResidency& s : file->memory().residency())
    EXPECT_TRUE(s.tier == Tier::cold || *s.resident == s.bytes) << s.name;
  const auto again = MappedFile::open(path_);
  again->memory().expect(Access::resident);
  struct Stop {};
  EXPECT_THROW(again->memory().warm(Resident::hot, false, [](auto...) { throw Stop(); }), Stop);
  EXPECT_TRUE(again->memory().cold());
  again->memory().warm(Resident::hot);
  EXPECT_FALSE(again->memory().cold());
}

TEST_F(SectionMemoryTest, WhatWasDroppedFromMemoryIsNotResident) {
  Random random(4);
  write_parts(path_,
              {{"part.0", Tier::hot, 0, random_bytes(random, 1 << 20)},
               {"part.1", Tier::cold, 0, random_bytes(random, 24 << 20)}},
              random);
  drop(path_);
  const auto file = MappedFile::open(path_);
  const auto before = file->memory().residency();
  if (*before[1].resident == before[1].bytes) GTEST_SKIP() << "this file system keeps its files in memory";
  EXPECT_LT(*before[0].resident, before[0].bytes);
  file->memory().warm(Resident::hot);
  const auto after = file->memory().residency();
  EXPECT_EQ(after[0].resident, after[0].bytes);
  EXPECT_LT(*after[1].resident, after[1].bytes) << "warming the hot part read the cold one";
}

}  // namespace
}  // namespace cassata::section_memory_test
