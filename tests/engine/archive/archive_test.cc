#include "cassata/archive.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>
#include <string>

#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::archive_test {
namespace {

using namespace test;

/// A file in the index format with a section of so many bytes, half of them zeros.
void write_index(const std::filesystem::path& path, std::size_t bytes, unsigned seed = 1) {
  Random random(seed);
  Part part{.name = "part.0", .bytes = random_bytes(random, bytes / 2)};
  part.bytes.resize(bytes);
  write_parts(path, {part}, random);
}

/// What any program for zstd makes of an archive.
Bytes decompressed(const Bytes& archive) {
  Bytes out(std::size_t{64} << 20);
  const std::size_t length = ZSTD_decompress(out.data(), out.size(), archive.data(), archive.size());
  EXPECT_FALSE(ZSTD_isError(length)) << ZSTD_getErrorName(length);
  out.resize(ZSTD_isError(length) ? 0 : length);
  return out;
}

TEST(Archive, UnpacksToTheSameBytes) {
  const TempDir folder;
  for (const std::size_t bytes : {1UL, 100'000UL, 9'500'000UL}) {
    SCOPED_TRACE(bytes);
    write_index(folder / "index", bytes);
    pack(folder / "index", folder / "archive", {.level = 1});
    unpack(folder / "archive", folder / "copy");
    const Bytes index = read_file(folder / "index"), archive = read_file(folder / "archive");
    EXPECT_EQ(read_file(folder / "copy"), index);
    EXPECT_EQ(decompressed(archive), index);
    EXPECT_LT(archive.size(), index.size());
  }
}

TEST(Archive, DoesNotDependOnTheNumberOfThreads) {
  const TempDir folder;
  write_index(folder / "index", 21'000'000);
  pack(folder / "index", folder / "one", {.level = 3, .num_threads = 1});
  pack(folder / "index", folder / "many", {.level = 3, .num_threads = 4});
  EXPECT_EQ(read_file(folder / "one"), read_file(folder / "many"));
}

TEST(Archive, ReportsProgressAndCanBeCancelled) {
  const TempDir folder;
  write_index(folder / "index", 9'000'000);
  std::set<std::string, std::less<>> stages;
  const ArchiveParams params{.level = 1,
                             .progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
                               EXPECT_LE(done, total);
                               stages.emplace(stage);
                             }};
  pack(folder / "index", folder / "archive", params);
  unpack(folder / "archive", folder / "copy", params);
  EXPECT_EQ(stages, (std::set<std::string, std::less<>>{"pack", "unpack", "verify"}));
  struct Cancelled {};
  const ArchiveParams cancelling{.progress = [](std::string_view stage, std::uint64_t, std::uint64_t) {
    if (stage != "verify") throw Cancelled();
  }};
  EXPECT_THROW(pack(folder / "index", folder / "other", cancelling), Cancelled);
  EXPECT_THROW(unpack(folder / "archive", folder / "other", cancelling), Cancelled);
  EXPECT_EQ(folder.names(), (std::set<std::string>{"index", "archive", "copy"}));
}

TEST(Archive, ReplacesOnlyFilesOfItsKind) {
  const TempDir folder;
  write_index(folder / "index", 100);
  write_file(folder / "text", std::string("a letter"));
  expect_error(Errc::io, {"text", "a packed index"}, [&] { pack(folder / "index", folder / "text"); });
  pack(folder / "index", folder / "text", {.replace = {.overwrite = true}});
  pack(folder / "index", folder / "text");
  expect_error(Errc::io, {"index", "a packed index"}, [&] {
    write_index(folder / "other", 100);
    pack(folder / "other", folder / "index");
  });
  expect_error(Errc::io, {"letter", "a Cassata index file"}, [&] {
    write_file(folder / "letter", std::string("a letter"));
    unpack(folder / "text", folder / "letter");
  });
}

TEST(Archive, NeverReplacesItsInput) {
  const TempDir folder;
  write_index(folder / "index", 100);
  pack(folder / "index", folder / "archive");
  const ArchiveParams any{.replace = {.overwrite = true}};
  expect_error(Errc::invalid_argument, {"archive: ", "index is the input, expected another file"},
               [&] { pack(folder / "index", folder / "index", any); });
  expect_error(Errc::invalid_argument, {"index: ", "archive is the input, expected another file"},
               [&] { unpack(folder / "archive", folder / "archive", any); });
}

TEST(Archive, WrongInputsAreNamed) {
  const TempDir folder;
  write_index(folder / "index", 100);
  write_file(folder / "text", std::string("a letter"));
  expect_error(Errc::corrupt, {"text: byte 0: not a packed index"}, [&] { unpack(folder / "text", folder / "copy"); });
  expect_error(Errc::corrupt, {"index: byte 0: not a packed index"},
               [&] { unpack(folder / "index", folder / "copy"); });
  expect_error(Errc::corrupt, {"text: header"}, [&] { pack(folder / "text", folder / "archive"); });
  expect_error(Errc::invalid_argument, {"level: 0 given, expected 1 to 22"},
               [&] { pack(folder / "index", folder / "archive", {.level = 0}); });
  Bytes damaged = read_file(folder / "index");
  damaged[4096] ^= std::byte{1};
  write_file(folder / "damaged", damaged);
  expect_error(Errc::corrupt, {"damaged: section 'part.0'"}, [&] { pack(folder / "damaged", folder / "archive"); });
  EXPECT_EQ(folder.names(), (std::set<std::string>{"damaged", "index", "text"}));
}

class DamagedArchive : public ::testing::Test {
 protected:
  DamagedArchive() {
    write_index(folder_ / "index", 600);
    pack(folder_ / "index", folder_ / "archive");
    index_ = read_file(folder_ / "index");
    archive_ = read_file(folder_ / "archive");
  }

  /// Expects an error, or the very bytes of the index.
  void expect_found(const Bytes& crafted) {
    write_file(folder_ / "crafted", crafted);
    try {
      unpack(folder_ / "crafted", folder_ / "copy", {.num_threads = 1});
      ASSERT_EQ(read_file(folder_ / "copy"), index_);
    } catch (const Error& e) {
      ++found_;
      ASSERT_TRUE(e.code() == Errc::corrupt || e.code() == Errc::incompatible) << e.what();
      ASSERT_NE(std::string(e.what()).find("crafted: "), std::string::npos) << e.what();
    }
    std::filesystem::remove(folder_ / "copy");
  }

  TempDir folder_;
  Bytes index_, archive_;
  std::size_t found_ = 0;
};

TEST_F(DamagedArchive, EveryTruncationIsRefused) {
  for (std::size_t length = 0; length < archive_.size(); length += 1 + length / 64)
    ASSERT_NO_FATAL_FAILURE(
        expect_found(Bytes(archive_.begin(), archive_.begin() + static_cast<std::ptrdiff_t>(length))))
        << length;
  EXPECT_GT(found_, 50u);
}

TEST_F(DamagedArchive, EveryChangedByteIsFoundOrHarmless) {
  Random random(1);
  for (std::size_t byte = 0; byte < archive_.size(); ++byte) {
    Bytes crafted = archive_;
    crafted[byte] ^= std::byte{1} << below(random, 8);
    ASSERT_NO_FATAL_FAILURE(expect_found(crafted)) << byte;
  }
  EXPECT_GT(found_, archive_.size() * 9 / 10);
}

TEST_F(DamagedArchive, TablesThatAskForTooMuchAreRefused) {
  const auto refused = [&](std::size_t from_end, std::uint32_t number, const std::string& expected) {
    SCOPED_TRACE(expected);
    Bytes crafted = archive_;
    std::memcpy(crafted.data() + crafted.size() - from_end, &number, sizeof number);
    write_file(folder_ / "crafted", crafted);
    expect_error(Errc::corrupt, {"crafted: byte ", expected}, [&] { unpack(folder_ / "crafted", folder_ / "copy"); });
  };
  const std::size_t footer = 9, entry = 8;
  refused(footer, 0xFFFF'FFFF, "a seek table of 4294967295 frames");
  refused(footer, 0, "a seek table of 0 frames");
  refused(footer, 1, "a seek table of 1 frames");
  refused(footer, 3, "not a seek table of 3 frames");
  refused(4, 7, "no seek table");
  refused(footer + 4, 0xFFFF'FFFF, "a frame of");  // decompressed length
  refused(footer + 4, 16 << 20, "expected a zstd frame of 16777216 bytes");
  refused(footer + entry, 7, "a frame of 7 bytes");  // compressed length
  refused(footer + entry, 100, "frames of");
  refused(footer + 2 * entry, 7, "a frame of 7 bytes, 0 decompressed");  // of the title
}

/// An archive of an index that states another length than its frames have.
TEST_F(DamagedArchive, FramesThatHoldMoreThanTheIndexAreRefused) {
  Bytes frame(ZSTD_compressBound(10'000'000));
  const Bytes zeros(10'000'000);
  frame.resize(ZSTD_compress(frame.data(), frame.size(), zeros.data(), zeros.size(), 1));
  const std::size_t footer = 9, table = 8 + 2 * 8 + footer;
  Bytes crafted(archive_.begin(), archive_.end() - static_cast<std::ptrdiff_t>(table));
  crafted.insert(crafted.end(), frame.begin(), frame.end());
  Bytes entries(archive_.end() - static_cast<std::ptrdiff_t>(2 * 8 + footer),
                archive_.end() - static_cast<std::ptrdiff_t>(footer));
  append_bytes(static_cast<std::uint32_t>(frame.size()), entries);
  append_bytes(std::uint32_t{10'000'000}, entries);
  append_bytes(std::uint32_t{3}, entries);
  append_bytes(std::uint8_t{0}, entries);
  append_bytes(std::uint32_t{0x8F92EAB1}, entries);
  append_bytes(std::uint32_t{0x184D2A5E}, crafted);
  append_bytes(static_cast<std::uint32_t>(entries.size()), crafted);
  crafted.insert(crafted.end(), entries.begin(), entries.end());
  write_file(folder_ / "crafted", crafted);
  expect_error(Errc::corrupt, {"crafted: byte 0: the frames hold " + std::to_string(index_.size() + 10'000'000)},
               [&] { unpack(folder_ / "crafted", folder_ / "copy"); });
}

}  // namespace
}  // namespace cassata::archive_test
