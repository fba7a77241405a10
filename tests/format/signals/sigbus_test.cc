// Lost pages of mapped files: noted for guarded mappings; signals for other addresses are passed on.
#include "format/os/sigbus.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <vector>

#include "format/file/mapped_file.h"
#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata::sigbus_test {
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr std::size_t kPage = 4096;

/// Each test forks, so that no test sees the handler of another.
template <class Work>
int in_child(Work work) {
  Child child([&] {
    work();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  return child.wait();
}

fs::path file_of(const fs::path& path, std::size_t bytes) {
  write_file(path, Bytes(bytes, std::byte{1}));
  return path;
}

void cut(const fs::path& path, std::size_t bytes) { ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(bytes)), 0); }

std::byte look(const std::byte* at) { return *static_cast<const volatile std::byte*>(at); }

/// A mapping that nobody guards, of a file that is empty by now.
const std::byte* foreign(const fs::path& path) {
  file_of(path, kPage);
  const int fd = ::open(path.c_str(), O_RDONLY);
  void* const at = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0);
  cut(path, 0);
  return static_cast<const std::byte*>(at);
}

Mapping guarded(const fs::path& path) { return {path, path.string(), false, Mapping::Lost::is_noted}; }

TEST(SigbusGuard, LostPagesAreNotedAndHoldZeros) {
  const TempDir folder;
  EXPECT_EQ(in_child([&] {
              const Mapping mapping = guarded(file_of(folder / "file", 5 * kPage)),
                            other = guarded(file_of(folder / "other", kPage));
              EXPECT_EQ(look(&mapping.bytes()[4 * kPage]), std::byte{1});
              EXPECT_FALSE(mapping.lost());
              cut(folder / "file", 2 * kPage);
              EXPECT_EQ(look(&mapping.bytes()[3 * kPage + 17]), std::byte{0});
              EXPECT_EQ(mapping.lost(), 3 * kPage);
              EXPECT_EQ(look(&mapping.bytes()[2 * kPage]), std::byte{0});
              EXPECT_EQ(look(&mapping.bytes()[kPage]), std::byte{1}) << "one page was lost, not those before it";
              EXPECT_EQ(mapping.lost(), 3 * kPage) << "the first";
              EXPECT_FALSE(other.lost());
            }),
            0);
}

TEST(SigbusGuard, MorePagesAreLostThanTheKernelHasMappings) {
  const TempDir folder;
  EXPECT_EQ(in_child([&] {
              constexpr std::size_t kPages = 150'000;  // vm.max_map_count is 65530
              file_of(folder / "file", 1);
              cut(folder / "file", kPages * kPage);
              const Mapping mapping = guarded(folder / "file");
              cut(folder / "file", 0);
              for (std::size_t page = 0; page < kPages; page += 2)
                EXPECT_EQ(look(&mapping.bytes()[page * kPage]), std::byte{0});
              EXPECT_TRUE(mapping.lost());
            }),
            0);
}

TEST(SigbusGuard, ThreadsLoseTheSamePagesAtOnce) {
  const TempDir folder;
  EXPECT_EQ(in_child([&] {
              for (int turn = 0; turn < 20; ++turn) {
                const Mapping mapping = guarded(file_of(folder / "file", 100 * kPage));
                cut(folder / "file", 0);
                std::vector<std::thread> threads;
                for (int i = 0; i < 4; ++i)
                  threads.emplace_back([&] {
                    for (std::size_t page = 0; page < 100; ++page)
                      EXPECT_EQ(look(&mapping.bytes()[page * kPage]), std::byte{0});
                  });
                for (std::thread& thread : threads) thread.join();
                EXPECT_TRUE(mapping.lost());
              }
            }),
            0);
}

TEST(SigbusGuard, AnyNumberOfMappingsIsGuardedAndTheirPlacesAreReused) {
  const TempDir folder;
  EXPECT_EQ(in_child([&] {
              for (int turn = 0; turn < 3; ++turn) {
                std::vector<Mapping> mappings;
                for (int i = 0; i < 200; ++i) mappings.push_back(guarded(file_of(folder / std::to_string(i), kPage)));
                cut(folder / "199", 0);
                cut(folder / "3", 0);
                for (const Mapping& mapping : mappings) look(mapping.bytes().data());
                for (int i = 0; i < 200; ++i) EXPECT_EQ(mappings[i].lost().has_value(), i == 3 || i == 199);
              }
            }),
            0);
}

TEST(SigbusGuard, AForkedChildIsGuardedAndMarksItsOwn) {
  const TempDir folder;
  EXPECT_EQ(in_child([&] {
              const Mapping mapping = guarded(file_of(folder / "file", 2 * kPage));
              EXPECT_EQ(look(&mapping.bytes()[kPage]), std::byte{1});
              Child child([&] {
                cut(folder / "file", kPage);
                look(&mapping.bytes()[kPage]);
                return mapping.lost() == kPage ? 0 : 1;
              });
              EXPECT_EQ(child.wait(), 0);
              EXPECT_FALSE(mapping.lost());
              look(&mapping.bytes()[kPage]);
              EXPECT_TRUE(mapping.lost());
            }),
            0);
}

TEST(SigbusGuard, WithoutAFormerHandlerAForeignPageEndsTheProcess) {
  const TempDir folder;
  EXPECT_EQ(in_child([&] {
              ::signal(SIGBUS, SIG_DFL);  // sanitizers have a handler
              const Mapping mapping = guarded(file_of(folder / "file", kPage));
              look(foreign(folder / "foreign"));
            }),
            -SIGBUS);
  EXPECT_EQ(in_child([&] {
              ::signal(SIGBUS, SIG_DFL);
              const Mapping mapping = guarded(file_of(folder / "file", kPage));
              ::kill(::getpid(), SIGBUS);
              ::usleep(1'000'000);
            }),
            -SIGBUS);
}

TEST(SigbusGuard, WhoIgnoresTheSignalIgnoresTheSentOneAlone) {
  const TempDir folder;
  EXPECT_EQ(in_child([&] {
              ::signal(SIGBUS, SIG_IGN);
              const Mapping mapping = guarded(file_of(folder / "file", kPage));
              ::raise(SIGBUS);
            }),
            0);
  EXPECT_EQ(in_child([&] {
              ::signal(SIGBUS, SIG_IGN);
              const Mapping mapping = guarded(file_of(folder / "file", kPage));
              look(foreign(folder / "foreign"));
            }),
            -SIGBUS);
}

const std::byte* expected_address;

TEST(SigbusGuard, TheFormerHandlerGetsTheSignal) {
  const TempDir folder;
  for (const bool informed : {true, false})
    EXPECT_EQ(in_child([&] {
                struct sigaction action {};
                if (informed) {
                  action.sa_flags = SA_SIGINFO;
                  action.sa_sigaction = [](int, siginfo_t* info, void*) {
                    ::_exit(info->si_addr == expected_address ? 40 : 41);
                  };
                } else {
                  action.sa_handler = [](int signal) { ::_exit(signal == SIGBUS ? 40 : 41); };
                }
                ::sigaction(SIGBUS, &action, nullptr);
                const Mapping mapping = guarded(file_of(folder / "file", kPage));
                cut(folder / "file", 0);
                look(mapping.bytes().data());
                EXPECT_TRUE(mapping.lost());
                expected_address = foreign(folder / "foreign");
                look(expected_address);
              }),
              40);
}

TEST(SigbusGuard, MappingsThatAreNotGuardedEndTheProcess) {
  const TempDir folder;
  Random random(1);
  EXPECT_EQ(in_child([&] {
              ::signal(SIGBUS, SIG_DFL);
              write_parts(folder / "index", {{"part", Tier::hot, 0, random_bytes(random, 9000)}}, random);
              const auto file = MappedFile::open(folder / "index", {}, Mapping::Lost::ends_process);
              cut(folder / "index", kPage);
              look(file->section("part").bytes.data());
            }),
            -SIGBUS);
}

TEST(SigbusGuard, AnOpenedFileTellsWhatHappenedToItFromThenOn) {
  const TempDir folder;
  Random random(2);
  const std::string name = (folder / "index").string();
  write_parts(name, {{"part", Tier::hot, 0, random_bytes(random, 300'000)}}, random);
  const Bytes whole = read_file(name);
  const auto file = MappedFile::open(name);
  file->check_intact();
  EXPECT_TRUE(file->unchanged());
  cut(name, 100'000);
  EXPECT_FALSE(file->unchanged());
  expect_error(Errc::io, {name, "truncated", "100000"}, [&] { file->verify(); });
  look(&file->section("part").bytes[200'000]);
  for (int i = 0; i < 2; ++i) {
    expect_error(Errc::io, {name, "truncated", "100000 bytes", std::to_string(whole.size())},
                 [&] { file->check_intact(); });
    overwrite_file(name, whole);  // the next time it is whole again, but the mapping is not
  }
  EXPECT_FALSE(file->unchanged());
  expect_error(Errc::io, {"truncated"}, [&] { file->verify(); });
  const auto again = MappedFile::open(name);
  Bytes other = whole;
  other[100] ^= std::byte{1};
  const int fd = ::open(name.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, other.data() + 64, 64, 64), 64);
  EXPECT_TRUE(again->unchanged() == false);
  ASSERT_EQ(::pwrite(fd, whole.data() + 64, 64, 64), 64);
  EXPECT_FALSE(again->unchanged()) << "it was written, to whatever";
  again->check_intact();
  ASSERT_EQ(::pwrite(fd, random_bytes(random, 8).data(), 8, 4088), 8);
  expect_error(Errc::corrupt, {name, "changed in place", "rename"}, [&] { again->check_intact(); });
  ::close(fd);
}

}  // namespace
}  // namespace cassata::sigbus_test
