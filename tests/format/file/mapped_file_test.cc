// Opening and verifying files that are damaged, foreign, newer or crafted.
#include "format/file/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <limits>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::mapped_file_test {
namespace {

using namespace test;
namespace fs = std::filesystem;

/// A small file, and ways to change it where it lies.
class MappedFileTest : public ::testing::Test {
 protected:
  MappedFileTest() {
    Random random(11);
    write_parts(path_,
                {{"part.0", Tier::hot, 0, random_bytes(random, 5000)},
                 {"part.1", Tier::cold, 0, {}},
                 {"part.2", Tier::cold, 0, random_bytes(random, 300)}},
                random);
    whole_ = read_file(path_);
    fd_ = ::open(path_.c_str(), O_RDWR);
  }
  ~MappedFileTest() override { ::close(fd_); }

  void put(std::size_t at, std::byte value) { ASSERT_EQ(::pwrite(fd_, &value, 1, static_cast<off_t>(at)), 1); }

  void expect_refused(const Bytes& bytes, Errc code, const std::vector<std::string>& parts) {
    write_file(folder_ / "crafted", bytes);
    std::vector<std::string> all = parts;
    all.push_back((folder_ / "crafted").string() + ":");
    expect_error(code, all, [&] { MappedFile::open(folder_ / "crafted"); });
  }

  void expect_crafted(const std::string& part, const std::function<void(Manifest&)>& edit) {
    SCOPED_TRACE(part);
    expect_refused(with_manifest(whole_, edit), Errc::corrupt, {"manifest at byte", part});
  }

  TempDir folder_;
  fs::path path_ = folder_ / "index";
  Bytes whole_;
  int fd_ = -1;
};

TEST_F(MappedFileTest, EveryTruncationIsRefused) {
  for (std::size_t n = whole_.size(); n-- > 0;) {
    ASSERT_EQ(::ftruncate(fd_, static_cast<off_t>(n)), 0);
    SCOPED_TRACE(n);
    expect_error(Errc::corrupt, {path_.string() + ":", "byte"}, [&] { MappedFile::open(path_); });
    if (HasFailure()) return;
  }
}

TEST_F(MappedFileTest, EveryExtensionIsRefused) {
  for (const std::size_t more : {1, 7, 4096, 100'000}) {
    Bytes longer = whole_;
    longer.resize(whole_.size() + more);
    expect_refused(longer, Errc::corrupt, {"byte 16", std::to_string(longer.size()), std::to_string(whole_.size())});
  }
}

TEST_F(MappedFileTest, EveryChangedByteOfHeaderAndManifestIsRefused) {
  const Header header = header_of(whole_);
  for (std::size_t i = 0; i < whole_.size(); ++i) {
    if (i == kHeaderBytes) i = header.manifest_offset;
    for (const std::byte flip : {std::byte{0x01}, std::byte{0x10}, std::byte{0x80}, std::byte{0xFF}}) {
      put(i, whole_[i] ^ flip);
      SCOPED_TRACE(i);
      expect_error(Errc::corrupt, {path_.string() + ":"}, [&] { MappedFile::open(path_); });
      if (HasFailure()) return;
    }
    put(i, whole_[i]);
  }
  MappedFile::open(path_)->verify();
}

TEST_F(MappedFileTest, VerifyFindsEveryOtherChangedByte) {
  const auto file = MappedFile::open(path_);  // shares its pages with our writes
  const Header header = header_of(whole_);
  for (std::size_t i = kHeaderBytes; i < header.manifest_offset; ++i) {
    put(i, whole_[i] ^ std::byte{0x04});
    SCOPED_TRACE(i);
    expect_error(Errc::corrupt, {path_.string() + ":", "at byte"}, [&] { file->verify(); });
    if (HasFailure()) return;
    put(i, whole_[i]);
  }
  file->verify();
}

TEST_F(MappedFileTest, VerifyNamesSectionAndBlock) {
  Random random(12);
  const auto file = write_parts(
      path_, {{"a", Tier::hot, 0, random_bytes(random, 200'000)}, {"b", Tier::cold, 0, random_bytes(random, 200'000)}},
      random);
  const Bytes whole = read_file(path_);
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Random place(seed);
    const SectionEntry& section = file->manifest().sections[seed % 2];
    const std::uint64_t at = section.offset + kHashBlockBytes +
                             below(place, section.length - 2 * kHashBlockBytes);  // in a block of this section alone
    const std::uint64_t block = kHeaderBytes + (at - kHeaderBytes) / kHashBlockBytes * kHashBlockBytes;
    Bytes damaged = whole;
    damaged[at] ^= std::byte{0x20};
    write_file(folder_ / "damaged", damaged);
    expect_error(Errc::corrupt, {"section '" + section.name + "' at byte " + std::to_string(block)},
                 [&] { MappedFile::open(folder_ / "damaged")->verify(); });
  }
}

TEST_F(MappedFileTest, WhatIsNoRegularFileIsRefused) {
  expect_error(Errc::io, {(folder_ / "nothing").string()}, [&] { MappedFile::open(folder_ / "nothing"); });
  expect_error(Errc::io, {folder_.path().string()}, [&] { MappedFile::open(folder_.path()); });
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  expect_error(Errc::invalid_argument, {"fifo", "regular file"}, [&] { MappedFile::open(folder_ / "fifo"); });
  expect_error(Errc::invalid_argument, {"/dev/null", "regular file"}, [&] { MappedFile::open("/dev/null"); });
}

TEST_F(MappedFileTest, ForeignFilesAreRefused) {
  Random random(13);
  expect_refused({}, Errc::corrupt, {"header at byte 0", "0 bytes"});
  expect_refused(random_bytes(random, 100), Errc::corrupt, {"header at byte 0", "100 bytes"});
  expect_refused(random_bytes(random, 10'000), Errc::corrupt, {"not a Cassata index file"});
  expect_refused(Bytes(10'000), Errc::corrupt, {"not a Cassata index file"});
  Bytes only_magic(10'000);
  std::memcpy(only_magic.data(), kMagic.data(), kMagic.size());
  expect_refused(only_magic, Errc::corrupt, {"header at byte 4088", "hash"});
}

TEST_F(MappedFileTest, NewerFilesAreRefusedOrRead) {
  expect_refused(with_header(whole_,
                             [](Header& h) {
                               h.format_major = 2;
                               h.format_minor = 7;
                             }),
                 Errc::incompatible, {"version 2.7", "1.x", "newer"});
  expect_refused(with_header(whole_, [](Header& h) { h.incompatible_features |= std::uint64_t{1} << 63; }),
                 Errc::incompatible, {"incompatible features", "0x8000000000000000"});
  expect_refused(with_header(whole_, [](Header& h) { h.byte_order_mark = 0x04030201; }), Errc::corrupt,
                 {"byte-order mark"});
  write_file(folder_ / "newer", with_header(whole_, [](Header& h) {
               h.format_minor = 9;
               h.compatible_features = ~std::uint64_t{0};
             }));
  MappedFile::open(folder_ / "newer")->verify();
}

TEST_F(MappedFileTest, CraftedHeadersAreRefused) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const Header good = header_of(whole_);
  const std::uint64_t size = whole_.size();
  for (const auto& [offset, length] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, size},
                                                            {8, size - 8},
                                                            {size, 0},
                                                            {size + 8, kMost - 7},
                                                            {kMost - 7, size + 8},
                                                            {good.manifest_offset + 1, good.manifest_length - 1},
                                                            {good.manifest_offset, good.manifest_length - 8},
                                                            {good.manifest_offset, kMost},
                                                            {kMost, kMost}}) {
    SCOPED_TRACE(std::to_string(offset) + " " + std::to_string(length));
    expect_refused(with_header(whole_,
                               [&, offset = offset, length = length](Header& h) {
                                 h.manifest_offset = offset;
                                 h.manifest_length = length;
                                 if (offset <= size && length <= size - offset)
                                   h.manifest_hash = xxh3(std::span(whole_).subspan(offset, length));
                               }),
                   Errc::corrupt, {});
  }
  Bytes longer = whole_;
  longer.resize(size + 8);  // bytes that no hash covers
  expect_refused(with_header(longer, [&](Header& h) { h.file_length = longer.size(); }), Errc::corrupt,
                 {"header at byte 24", "not the end of the file"});
}

TEST_F(MappedFileTest, CraftedManifestsAreRefused) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{4097}, whole_.size(), kMost - 4095, kMost})
    expect_crafted("section 'part.0'", [&](Manifest& m) { m.sections[0].offset = offset; });
  for (const std::uint64_t length : {std::uint64_t{8193}, whole_.size(), kMost, kMost - 4096})
    expect_crafted("overlaps another part", [&](Manifest& m) { m.sections[0].length = length; });
  expect_crafted("section 'part.2'", [](Manifest& m) { m.sections[2].offset = m.sections[0].offset; });
  expect_crafted("overlaps another part", [](Manifest& m) { std::swap(m.sections[0], m.sections[2]); });
  expect_crafted("two sections are named 'part.0'", [](Manifest& m) { m.sections[2].name = "part.0"; });
  expect_crafted("section 'part.2'",
                 [](Manifest& m) { m.sections[2].length = m.block_hashes.offset - m.sections[2].offset + 1; });
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{4100}, whole_.size(), kMost - 4095, kMost})
    expect_crafted("block hashes", [&](Manifest& m) { m.block_hashes.offset = offset; });
  for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{2}, kMost, std::uint64_t{1} << 61})
    expect_crafted("block hashes", [&](Manifest& m) { m.block_hashes.count = count; });
  expect_crafted("block hashes", [](Manifest& m) {
    m.block_hashes.offset -= kSectionAlignBytes;
  });                                               // they no longer end at the manifest
  expect_crafted("block hashes", [](Manifest& m) {  // they do, but there are too many
    m.block_hashes.offset -= kSectionAlignBytes;
    m.block_hashes.count += kSectionAlignBytes / sizeof(std::uint64_t);
  });
}

TEST_F(MappedFileTest, AnUnknownValueInAManifestNeedsANewerVersion) {
  expect_refused(with_manifest(whole_, [](Manifest& m) { m.schema.metric = static_cast<Metric>(77); }),
                 Errc::incompatible, {"metric 77"});
}

TEST_F(MappedFileTest, RandomBytesAsManifestAreReadSafely) {
  const Header header = header_of(whole_);
  const Bytes manifest(whole_.begin() + static_cast<std::ptrdiff_t>(header.manifest_offset), whole_.end());
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Bytes changed = manifest;
    for (std::size_t n = 1 + below(random, 6); n > 0; --n)
      changed[below(random, changed.size())] = static_cast<std::byte>(random());
    write_file(folder_ / "crafted", with_manifest_bytes(whole_, changed));
    try {
      const auto file = MappedFile::open(folder_ / "crafted");
      for (const SectionEntry& s : file->manifest().sections)
        xxh3(file->section(s.name).bytes);  // every byte that a section claims is there
      file->verify();
    } catch (const Error& e) {
      ASSERT_TRUE(e.code() == Errc::corrupt || e.code() == Errc::incompatible) << e.what();
    }
  }
}

TEST_F(MappedFileTest, AWrongHashTableIsFound) {
  write_file(folder_ / "crafted", with_manifest(whole_, [](Manifest& m) { m.block_hashes.xxh3 ^= 1; }));
  expect_error(Errc::corrupt, {"block hashes at byte"}, [&] { MappedFile::open(folder_ / "crafted")->verify(); });
}

#ifdef __SANITIZE_ADDRESS__
/// In sanitized builds alone. A read of one byte more than a section has lies in the mapping, so that nothing but
/// poison finds it.
TEST_F(MappedFileTest, ABytePastASectionMayNotBeRead) {
  const auto file = MappedFile::open(path_);
  const auto read = [](std::span<const std::byte> bytes, std::size_t at) {
    return *static_cast<const volatile std::byte*>(bytes.data() + at);
  };
  for (const SectionEntry& s : file->manifest().sections) {
    const auto bytes = file->section(s.name).bytes;
    if (bytes.empty()) continue;  // the next one begins there
    read(bytes, bytes.size() - 1);
    EXPECT_DEATH(read(bytes, bytes.size()), "use-after-poison") << s.name;
  }
  file->verify();
  copy_file(*file, folder_ / "copy");
  read(file->bytes(), 0);
  read(file->bytes(), file->bytes().size() - 1);
}
#endif

TEST_F(MappedFileTest, SectionsAreTypedAndChecked) {
  const auto file = MappedFile::open(path_);
  const Section section = file->section("part.0");
  EXPECT_EQ(section.as<std::uint32_t>(1250).data(), static_cast<const void*>(section.bytes.data()));
  for (const std::uint64_t count :
       {std::uint64_t{0}, std::uint64_t{1249}, std::uint64_t{1} << 62, std::numeric_limits<std::uint64_t>::max()})
    expect_error(Errc::corrupt,
                 {path_.string() + ": section 'part.0' at byte 4096", "holds 5000 bytes", std::to_string(count)},
                 [&] { section.as<std::uint32_t>(count); });
  expect_error(Errc::corrupt, {"holds 5000 bytes"}, [&] { section.as<std::array<char, 3>>(1666); });
  expect_error(Errc::corrupt, {path_.string(), "no section 'other'"}, [&] { file->section("other"); });
}

}  // namespace
}  // namespace cassata::mapped_file_test
