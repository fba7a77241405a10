// A disk that is full: one clear error, the former file as it was, nothing left behind. The disk is a small tmpfs in a
// mount namespace of the test's own, which needs root, or a kernel that lets users have namespaces.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "cassata/two_level.h"
#include "engine/build/region_build.h"
#include "tests/conformance/multivector_cases.h"
#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/random_case.h"
#include "tests/support/temp_dir.h"
#include "tests/support/token_files.h"

namespace cassata::full_disk_test {
namespace {

using namespace test;

constexpr int kCannotMount = 77;
constexpr char kDiskBytes[] = "size=1m";

/// Mounts a small disk at `folder` for this process alone.
bool mount_small_disk(const std::filesystem::path& folder) {
  const uid_t user = ::geteuid();
  if (::unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
  if (user != 0) {
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, kDiskBytes) == 0;
}

/// Runs `body` in a process that has a small disk at `folder`; its gtest failures are this test's.
template <class Body>
void on_small_disk(const TempDir& folder, Body body) {
  Child child([&] {
    if (!mount_small_disk(folder.path())) return kCannotMount;
    body();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  const int result = child.wait();
  if (result == kCannotMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(result, 0);
}

TEST(FullDisk, WritingGivesOneErrorAndLeavesTheFormerFile) {
  const TempDir folder;
  on_small_disk(folder, [&] {
    Random random(1);
    const auto path = folder / "index";
    write_parts(path, {{"part.0", Tier::hot, 0, random_bytes(random, 100'000)}}, random);
    const Bytes former = read_file(path);
    for (const std::size_t bytes :
         {933'888, 1'000'000, 1'500'000, 9'000'000}) {  // the first leaves no room for hashes and manifest
      SCOPED_TRACE(bytes);
      const std::vector<Part> parts = {{"part.0", Tier::hot, 0, random_bytes(random, bytes)}};
      expect_error(Errc::io, {"cannot write", path.string(), "No space left"},
                   [&] { write_parts(path, parts, random); });
      EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
      EXPECT_TRUE(read_file(path) == former);
    }
    MappedFile::open(path)->verify();
  });
}

TEST(FullDisk, ABoundedBuildAsksForRoomBeforeItReads) {
  const TempDir folder;
  Random random(5);
  const Vectors dense = normal_vectors(random, 1'000, 200);
  const SparseVectors sparse = random_sparse(random, 1'000, 5'000, 200);
  on_small_disk(folder, [&] {
    write_file(folder / "index", kFormerIndex);
    BuildParams params{.graph = {.m = 4}, .num_threads = 1, .progress = [](auto...) {
                         ADD_FAILURE() << "something was done already";
                       }};
    params.memory_budget = least_budget(1'000, 1);
    expect_error(Errc::io, {folder.path().string(), "bytes free, about", "needed"},
                 [&] { build(dense, params, folder / "index"); });
    params.schema.first.encoding = Encoding::sparse_f32;
    expect_error(Errc::io, {folder.path().string(), "bytes free, about", "needed"},
                 [&] { build(sparse, params, folder / "index"); });
    EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
    EXPECT_EQ(read_file(folder / "index").size(), kFormerIndex.size());
  });
}

TEST(FullDisk, CopyingGivesOneErrorAndLeavesTheFormerFile) {
  const TempDir folder, elsewhere;
  Random random(2);
  const auto large =
      write_parts(elsewhere / "large", {{"part.0", Tier::hot, 0, random_bytes(random, 3'000'000)}}, random);
  on_small_disk(folder, [&] {
    write_file(folder / "index", kFormerIndex);
    try {
      copy_file(*large, folder / "index");
      ADD_FAILURE() << "3 MB on a disk of 1 MiB";
    } catch (const Error& e) {
      EXPECT_EQ(e.system_error(), ENOSPC) << e.what();
    }
    EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
    EXPECT_EQ(read_file(folder / "index").size(), kFormerIndex.size());
  });
}

TEST(FullDisk, TrainingGivesOneErrorAndLeavesTheFormerFiles) {
  const TempDir folder, elsewhere;
  Random random(3);
  const Vectors tokens = clustered_vectors(random, 20'000, 32, 100);
  write_file(elsewhere / "documents.npy", npy_of("<f4", {tokens.size(), tokens.dim}, tokens.values));
  write_file(elsewhere / "doclens.npy", npy_of("<i4", {1}, std::vector{20'000}));
  on_small_disk(folder, [&] {
    write_file(folder / "doclens.npy", "former");
    try {
      train_two_level(elsewhere.path(), folder.path(), {.num_threads = 1, .replace = {.overwrite = true}});
      ADD_FAILURE() << "20,000 x (8 + 32) bytes and 2,048 x 128 on a disk of 1 MiB";
    } catch (const Error& e) {
      EXPECT_EQ(e.system_error(), ENOSPC) << e.what();
    }
    EXPECT_EQ(folder.names(), std::set<std::string>{"doclens.npy"});
    EXPECT_EQ(read_file(folder / "doclens.npy").size(), 6u);
  });
}

TEST(FullDisk, JoiningGivesOneErrorAndLeavesTheFormerFile) {
  const TempDir folder, elsewhere;
  Random random(4);
  const Tokens tokens = random_tokens(random, 500, 32, 1, 100, 200);  // some 50,000
  build(clustered_vectors(random, 500, 8, 5), first_params({}), elsewhere / "first");
  for (const TokenLayout layout : {TokenLayout::plain, TokenLayout::two_level}) tokens.write(elsewhere.path(), layout);
  for (const TokenLayout layout : {TokenLayout::plain, TokenLayout::two_level})
    on_small_disk(folder, [&] {
      write_file(folder / "index", kFormerIndex);
      try {
        Index::join(Index::open(elsewhere / "first"), elsewhere.path(), {.layout = layout}, folder / "index");
        ADD_FAILURE() << "50,000 tokens of 34 or 64 bytes on a disk of 1 MiB";
      } catch (const Error& e) {
        EXPECT_EQ(e.system_error(), ENOSPC) << e.what();
      }
      EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
      EXPECT_EQ(read_file(folder / "index").size(), kFormerIndex.size());
    });
}

}  // namespace
}  // namespace cassata::full_disk_test
