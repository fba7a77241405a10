#include "format/file/file_writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::file_writer_test {
namespace {

using namespace test;

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; });
}

/// Whether the file has zeros from `begin` to `end`. Read from the file: in a sanitized build nobody may read them
/// where they are mapped.
bool zeros_between(const MappedFile& file, std::uint64_t begin, std::uint64_t end) {
  std::vector<std::byte> bytes(end - begin);
  file.read(bytes, begin);
  return all_zero(bytes);
}

/// What was written is there, each section where the rules put it and zeros between them.
void check(const MappedFile& file, const std::vector<Part>& parts) {
  const auto& sections = file.manifest().sections;
  ASSERT_EQ(sections.size(), parts.size());
  std::uint64_t end = kHeaderBytes;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Section section = file.section(parts[i].name);
    ASSERT_TRUE(std::ranges::equal(section.bytes, parts[i].bytes)) << parts[i].name;
    ASSERT_EQ(static_cast<int>(sections[i].tier), static_cast<int>(parts[i].tier));
    const bool huge = parts[i].tier == Tier::hot && parts[i].expected_bytes >= kHugeAlignedBytes;
    ASSERT_EQ(section.offset % (huge ? kHugePageBytes : kSectionAlignBytes), 0u);
    ASSERT_GE(section.offset, end);
    ASSERT_TRUE(zeros_between(file, end, section.offset));
    end = section.offset + section.bytes.size();
  }
  ASSERT_TRUE(zeros_between(file, end, file.manifest().block_hashes.offset));
  ASSERT_TRUE(all_zero(std::as_bytes(std::span(file.header().reserved))));
  ASSERT_EQ(file.header().file_length, file.bytes().size());
  file.verify();
}

TEST(FileWriter, RoundTripsRandomSections) {
  const TempDir folder;
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto parts = random_parts(random, below(random, 6), seed % 10 == 0 ? 400'000 : 9000);
    const auto written = write_parts(folder / "index", parts, random);
    check(*written, parts);
    check(*MappedFile::open(folder / "index"), parts);
    ASSERT_EQ(folder.names(), std::set<std::string>{"index"});
  }
}

TEST(FileWriter, LargeHotSectionsStandWhereHugePagesCanMapThem) {
  const TempDir folder;
  Random random(1);
  const std::vector<Part> parts = {{"small", Tier::hot, 100, random_bytes(random, 100)},
                                   {"large", Tier::hot, kHugeAlignedBytes, random_bytes(random, 5'000'000)},
                                   {"not large", Tier::hot, kHugeAlignedBytes - 1, random_bytes(random, 100)},
                                   {"cold", Tier::cold, kHugeAlignedBytes, random_bytes(random, 5'000'001)},
                                   {"unannounced", Tier::hot, 0, random_bytes(random, 3'000'000)}};
  check(*write_parts(folder / "index", parts, random), parts);
}

TEST(FileWriter, TheSameContentGivesTheSameBytes) {
  const TempDir folder;
  Random random(2), other(3);
  const auto parts = random_parts(random, 4, 300'000);
  write_parts(folder / "a", parts, random);
  write_parts(folder / "b", parts, other);  // in other pieces
  const Bytes a = read_file(folder / "a");
  EXPECT_EQ(a, read_file(folder / "b"));

  auto changed = parts;
  changed[3].bytes.push_back(std::byte{1});
  const auto uuid = write_parts(folder / "c", changed, random)->header().uuid;
  EXPECT_NE(uuid, header_of(a).uuid) << "the UUID is derived from the content";
}

TEST(FileWriter, WithoutAPathTheFileHasNoNameAndLivesWithItsMapping) {
  Random random(4);
  const auto parts = random_parts(random, 3, 5000);
  std::shared_ptr<const MappedFile> file;
  {
    FileWriter writer({});
    append(writer, parts, random);
    file = writer.finish(small_manifest());
  }
  check(*file, parts);
}

TEST(FileWriter, AbandonedLeavesWhatStoodThere) {
  const TempDir folder;
  write_file(folder / "index", kFormerIndex);
  {
    Random random(5);
    FileWriter writer(folder / "index");
    append(writer, random_parts(random, 3, 100'000), random);
    EXPECT_EQ(folder.names(), (std::set<std::string>{"index", "index.partial"}));
  }
  EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
  EXPECT_EQ(read_file(folder / "index").size(), kFormerIndex.size());
}

TEST(FileWriter, ReplacesAFileThatIsOpen) {
  const TempDir folder;
  Random random(6);
  const auto first = random_parts(random, 3, 20'000), second = random_parts(random, 2, 20'000);
  const auto reader = write_parts(folder / "index", first, random);
  write_parts(folder / "index", second, random);
  check(*reader, first);  // a reader keeps the file that it opened
  check(*MappedFile::open(folder / "index"), second);
}

TEST(CopyFile, CopiesEveryByteAndReportsProgress) {
  const TempDir folder;
  Random random(7);
  const auto file = write_parts(folder / "a", random_parts(random, 5, 2'000'000), random);
  std::vector<std::string> stages;
  std::uint64_t last = 0, total = 0;
  copy_file(*file, folder / "b", [&](std::string_view stage, std::uint64_t done, std::uint64_t all) {
    if (stages.empty() || stage != stages.back()) {
      EXPECT_EQ(last, total) << "a stage that did not end";
      stages.emplace_back(stage);
      last = 0;
    }
    EXPECT_GT(done, last);
    last = done;
    total = all;
  });
  EXPECT_EQ(last, total);
  EXPECT_EQ(stages, (std::vector<std::string>{"verify", "save"}));
  EXPECT_EQ(read_file(folder / "a"), read_file(folder / "b"));
  copy_file(*file, folder / "a");  // onto itself
  EXPECT_EQ(read_file(folder / "a"), read_file(folder / "b"));
}

TEST(CopyFile, RefusesDamageAndLeavesWhatStoodThere) {
  const TempDir folder;
  Random random(8);
  const std::vector<Part> parts = {{"part.0", Tier::hot, 0, random_bytes(random, 90'000)}};
  write_parts(folder / "a", parts, random);
  Bytes bytes = read_file(folder / "a");
  bytes[50'000] ^= std::byte{1};
  write_file(folder / "a", bytes);
  write_file(folder / "b", kFormerIndex);
  expect_error(Errc::corrupt, {(folder / "a").string(), "part.0"},
               [&] { copy_file(*MappedFile::open(folder / "a"), folder / "b"); });
  EXPECT_EQ(folder.names(), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(read_file(folder / "b").size(), kFormerIndex.size());
}

TEST(CopyFile, ProgressMayCancel) {
  const TempDir folder;
  Random random(9);
  const auto file = write_parts(folder / "a", random_parts(random, 1, 1000), random);
  struct Cancelled {};
  for (const std::string_view in : {"verify", "save"}) {
    SCOPED_TRACE(in);
    const auto cancel = [&](std::string_view stage, auto...) {
      if (stage == in) throw Cancelled();
    };
    EXPECT_THROW(copy_file(*file, folder / "b", cancel), Cancelled);
    EXPECT_EQ(folder.names(), std::set<std::string>{"a"});
  }
}

}  // namespace
}  // namespace cassata::file_writer_test
