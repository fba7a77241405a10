#include "engine/payload/stored_documents.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "tests/support/documents.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/rehash.h"
#include "tests/support/temp_dir.h"

namespace cassata::stored_documents_test {
namespace {

using namespace test;

/// Writes a file that holds these documents alone.
std::shared_ptr<const MappedFile> write(const std::filesystem::path& path, const std::vector<std::string>& documents,
                                        bool text = true, unsigned num_threads = 1) {
  MemoryDocuments stream(documents, text);
  const StagedDocuments staged(stream, documents.size(), {}, {});
  FileWriter writer(path);
  Manifest manifest = small_manifest();
  manifest.size = documents.size();
  manifest.documents = staged.write(num_threads, {}, writer);
  return writer.finish(std::move(manifest));
}

/// Reads every row, alone and together, in a random order.
void expect_documents(const MappedFile& file, const std::vector<std::string>& documents, Random& random) {
  const StoredDocuments stored(file);
  std::vector<Id> rows;
  for (std::size_t i = 0; i < documents.size() + 5; ++i)
    rows.push_back(static_cast<Id>(below(random, documents.size())));
  const std::vector<std::string> found = stored.at(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(found[i], documents[rows[i]]) << rows[i];
  for (std::size_t row = 0; row < documents.size(); ++row)
    ASSERT_EQ(stored.at(static_cast<Id>(row)), documents[row]) << row;
  file.verify({}, [&](const Reading& reading) { stored.verify(reading); });
}

TEST(StoredDocuments, AreReadAsGiven) {
  for (unsigned seed = 0; seed < seeds(30); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t lengths[] = {0, 1, 20, 400, 5000, 70'000};  // the last needs wide records
    const std::size_t count = 1 + below(random, 150);
    const bool text = random() % 2 == 0;
    const auto documents = random_documents(random, count, lengths[seed % std::size(lengths)], text);
    const auto file = write({}, documents, text);
    EXPECT_EQ(file->manifest().documents->text, text);
    ASSERT_NO_FATAL_FAILURE(expect_documents(*file, documents, random));
  }
}

/// Documents for which a dictionary saves bytes.
std::vector<std::string> alike_documents(Random& random) {
  std::vector<std::string> documents(6000);
  for (std::string& document : documents)
    document = "{\"title\": \"item " + std::to_string(random() % 1'000'000) +
               "\", \"price\": " + std::to_string(random()) +
               ", \"description\": \"as described in the terms and conditions\"}";
  return documents;
}

TEST(StoredDocuments, ADictionaryIsUsedWhereItSavesBytes) {
  Random random(1);
  const auto alike = alike_documents(random);
  const auto with = write({}, alike);
  EXPECT_NE(with->manifest().find("documents.dictionary"), nullptr);
  ASSERT_NO_FATAL_FAILURE(expect_documents(*with, alike, random));
  const auto noise = random_documents(random, 1000, 3000, false);
  const auto without = write({}, noise, false);
  EXPECT_EQ(without->manifest().find("documents.dictionary"), nullptr);
}

TEST(StoredDocuments, ADamagedDictionaryIsNamed) {
  const TempDir folder;
  Random random(5);
  const auto file = write({}, alike_documents(random));
  const auto given = file->section("documents.dictionary").bytes;
  const auto refused = [&](const Bytes& dictionary, const std::string& found) {
    write_with_sections(folder / "crafted", *file, {{"documents.dictionary", dictionary}});
    expect_error(Errc::corrupt, {"section 'documents.dictionary'", found}, [&] {
      const auto crafted = MappedFile::open(folder / "crafted");
      StoredDocuments(*crafted).at(0);
    });
  };
  Bytes dictionary(given.begin(), given.end());
  std::fill_n(dictionary.begin() + 8, 100, std::byte{0xFF});  // behind magic number and id
  refused(dictionary, "not a dictionary of zstd");
  refused(Bytes((std::size_t{4} << 20) + 1), "holds 4194305 bytes (4.0 MiB), expected at most");
}

TEST(StoredDocuments, TheFileDoesNotDependOnTheNumberOfThreads) {
  const TempDir folder;
  Random random(2);
  const auto documents = random_documents(random, 4000, 3000);
  write(folder / "one", documents, true, 1);
  write(folder / "many", documents, true, 4);
  EXPECT_EQ(read_file(folder / "one"), read_file(folder / "many"));
}

TEST(StoredDocuments, ManyThreadsRead) {
  Random random(3);
  const auto documents = random_documents(random, 2000, 2000);
  const auto file = write({}, documents);
  const StoredDocuments stored(*file);
  std::vector<std::thread> threads;
  std::vector<std::size_t> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < documents.size(); i += 3) wrong[t] += stored.at(static_cast<Id>(i)) != documents[i];
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<std::size_t>(4));
}

TEST(StoredDocuments, WrongStreamsAreRefused) {
  const auto stage = [](std::vector<std::string> documents, std::uint64_t size, bool text = true) {
    MemoryDocuments stream(std::move(documents), text);
    const StagedDocuments staged(stream, size, {}, {});
  };
  expect_error(Errc::invalid_argument, {"documents.txt: 2 documents, expected 3"}, [&] { stage({"a", "b"}, 3); });
  expect_error(Errc::invalid_argument, {"documents.txt: more than 1 documents, expected 1"}, [&] {
    stage({"a", "b"}, 1);
  });
  expect_error(Errc::invalid_argument, {"documents.txt: document 1: byte 2 is not UTF-8"}, [&] {
    stage({"a", "bc\xFFz", "c"}, 3);
  });
  stage({"a", "bc\xFFz", "c"}, 3, false);
}

TEST(StoredDocuments, RowsBeyondTheLastAreRefused) {
  const auto file = write({}, {"a", "b"});
  const StoredDocuments stored(*file);
  expect_error(Errc::invalid_argument, {"row: 2 given, expected less than 2"}, [&] { stored.at(2); });
}

std::span<std::byte> section_in(Bytes& file, const MappedFile& of, std::string_view name) {
  const SectionEntry& entry = *of.manifest().find(name);
  return std::span(file).subspan(entry.offset, entry.length);
}

class CraftedDocuments : public ::testing::Test {
 protected:
  CraftedDocuments() : documents_(random_documents(random_, 60, 2000)) {
    documents_[7] = "seven";
    file_ = write(folder_ / "index", documents_);
    whole_ = read_file(folder_ / "index");
  }

  /// Overwrites a number in a section, and expects verify() to report `found` about section `where` at byte `at`.
  template <class T>
  void expect_found(std::string_view name, std::uint64_t place, T value, std::string_view where, std::uint64_t at,
                    const std::string& found) {
    SCOPED_TRACE(std::string(name) + " at " + std::to_string(place) + ": " + found);
    Bytes crafted = whole_;
    std::memcpy(section_in(crafted, *file_, name).data() + place, &value, sizeof value);
    write_file(folder_ / "crafted", with_section_hashes(crafted));
    const auto file = MappedFile::open(folder_ / "crafted");
    const StoredDocuments stored(*file);
    const std::string message =
        "crafted: section '" + std::string(where) + "' at byte " + std::to_string(file->section(where).offset + at);
    expect_error(Errc::corrupt, {message, found}, [&] { stored.verify({}); });
  }

  TempDir folder_;
  Random random_{4};
  std::vector<std::string> documents_;
  std::shared_ptr<const MappedFile> file_;
  Bytes whole_;
};

TEST_F(CraftedDocuments, EachFaultIsNamedWithItsPlace) {
  const std::string_view places = "documents.places", offsets = "documents.blocks.offsets", blocks = "documents.blocks";
  expect_found(places, 0, std::uint64_t{1}, places, 0, "document 0 begins at byte 1, expected 0");
  expect_found(places, 64, ~std::uint64_t{0}, places, 64, "document 28 begins at byte");
  expect_found(places, 8 + 2 * 7, std::uint16_t{0xFFFF}, places, 0, "document 7");
  expect_found(places, 2 * 64 + 8 + 2 * 10, std::uint16_t{1}, places, 2 * 64, "document 66");
  expect_found(offsets, 0, std::uint64_t{1}, offsets, 0, "block 0 at byte 1, expected 0");
  expect_found(offsets, 8, ~std::uint64_t{0}, offsets, 0, "block 0 at bytes 0 to 18446744073709551615");
  expect_found(blocks, 0, std::uint32_t{7}, blocks, 0, "block 0");
}

/// A frame of `bytes` zeros.
Bytes frame_of_zeros(std::size_t bytes) {
  const std::string zeros(bytes, '\0');
  Bytes frame(ZSTD_compressBound(bytes));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), zeros.data(), zeros.size(), 1));
  return frame;
}

TEST_F(CraftedDocuments, FramesOfOtherLengthsAreRefused) {
  Bytes blocks, offsets;
  const Section given = file_->section("documents.blocks.offsets"), frames = file_->section("documents.blocks");
  const auto ends = given.as<std::uint64_t>(given.bytes.size() / 8);
  for (const std::size_t length : {0UL, 4095UL, 4097UL, 100'000'000UL}) {
    SCOPED_TRACE(length);
    blocks = frame_of_zeros(length);
    const std::size_t first = blocks.size();
    blocks.insert(blocks.end(), frames.bytes.begin() + static_cast<std::ptrdiff_t>(ends[1]), frames.bytes.end());
    offsets.clear();
    for (std::size_t i = 0; i < ends.size(); ++i) append_bytes(i == 0 ? 0 : ends[i] - ends[1] + first, offsets);
    write_with_sections(folder_ / "crafted", *file_,
                        {{"documents.blocks", blocks}, {"documents.blocks.offsets", offsets}});
    const auto file = MappedFile::open(folder_ / "crafted");
    const StoredDocuments stored(*file);
    const auto refused = [&](auto call) {
      const std::string message = expect_error(Errc::corrupt, {"section 'documents.blocks", "block 0"}, call);
      EXPECT_TRUE(message.find("expected a zstd frame of 4096 bytes") != message.npos ||
                  message.find("expected at most") != message.npos)
          << message;
    };
    refused([&] { stored.verify({}); });
    refused([&] { stored.at(0); });
  }
}

TEST_F(CraftedDocuments, ManifestsThatMisstateTheDocumentsAreRefused) {
  const auto refused = [&](auto edit, const std::string& found) {
    SCOPED_TRACE(found);
    write_file(folder_ / "crafted", with_manifest(whole_, [&](Manifest& m) { edit(*m.documents); }));
    expect_error(Errc::corrupt, {"crafted: ", found}, [&] {
      const auto file = MappedFile::open(folder_ / "crafted");
      const StoredDocuments stored(*file);
      stored.verify({});
    });
  };
  refused([](DocumentsEntry& d) { d.block_bytes = 0; }, "documents in blocks of 0 bytes");
  refused([](DocumentsEntry& d) { d.block_bytes = ~0U; }, "documents in blocks of 4294967295 bytes");
  refused([](DocumentsEntry& d) { d.bytes = ~std::uint64_t{0}; }, "documents of 18446744073709551615 bytes");
  refused([](DocumentsEntry& d) { d.bytes = 60 * d.largest; }, "section 'documents.blocks.offsets'");
  refused([](DocumentsEntry& d) { d.bytes -= 1; }, "section 'documents.");
  refused([](DocumentsEntry& d) { d.largest = d.bytes + 1; }, "a document of");
  refused([](DocumentsEntry& d) { d.largest += 1; }, "section 'documents.places'");
  refused(
      [](DocumentsEntry& d) {
        d.largest = 100'000;
        d.bytes = 1'000'000;
      },
      "section 'documents.blocks.offsets'");
}

TEST_F(CraftedDocuments, MoreBlocksThanNumbersAreRefused) {
  write_with_sections(folder_ / "empty", *file_, {{"documents.blocks.offsets", {}}});
  write_file(folder_ / "crafted", with_manifest(read_file(folder_ / "empty"), [](Manifest& m) {
               m.documents->bytes = ~std::uint64_t{0};
               m.documents->block_bytes = 1;
             }));
  const auto file = MappedFile::open(folder_ / "crafted");
  expect_error(Errc::corrupt, {"crafted: manifest at byte "}, [&] { StoredDocuments(*file).at(7); });
}

TEST_F(CraftedDocuments, ScribbledSectionsAreSurvived) {
  std::size_t found = 0;
  for (unsigned seed = 0; seed < seeds(300); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Bytes crafted = whole_;
    for (const SectionEntry& entry : file_->manifest().sections) {
      if (random() % 2 != 0) continue;
      const auto section = std::span(crafted).subspan(entry.offset, entry.length);
      for (std::size_t n = 1 + below(random, 4); n > 0; --n) {
        if (random() % 2 != 0 && section.size() >= 8) {
          const std::uint64_t number = hostile_offset(random, section.size());
          std::memcpy(section.data() + below(random, section.size() / 8) * 8, &number, sizeof number);
        } else {
          section[below(random, section.size())] = static_cast<std::byte>(random());
        }
      }
    }
    write_file(folder_ / "crafted", with_section_hashes(crafted));
    const auto file = MappedFile::open(folder_ / "crafted");
    const StoredDocuments stored(*file);
    const auto survive = [&](auto call) {
      try {
        call();
      } catch (const Error& e) {
        ++found;
        ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
        ASSERT_NE(std::string(e.what()).find("section 'documents."), std::string::npos) << e.what();
      }
    };
    for (Id row = 0; row < documents_.size(); ++row)
      survive([&] { ASSERT_LE(stored.at(row).size(), file->manifest().documents->largest); });
    survive([&] { stored.verify({}); });
  }
  EXPECT_GT(found, seeds(300));
}

TEST_F(CraftedDocuments, FlippedBitsAreFoundByTheirHashOnFirstUse) {
  const std::uint64_t begin = file_->manifest().sections.front().offset;
  for (const SectionEntry& entry : file_->manifest().sections) {
    Bytes crafted = whole_;
    crafted[entry.offset + below(random_, entry.length)] ^= std::byte{1} << below(random_, 8);
    write_file(folder_ / "crafted", crafted);
    const auto file = MappedFile::open(folder_ / "crafted");
    file->check_touched();
    const StoredDocuments stored(*file);
    expect_error(Errc::corrupt, {"the 64 KiB block from byte " + std::to_string(begin)}, [&] { stored.at(7); });
  }
}

}  // namespace
}  // namespace cassata::stored_documents_test
