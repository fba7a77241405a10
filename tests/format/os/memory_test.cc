// How much memory a process may use, of trees of files as the kernel shows them.
#include "format/os/memory.h"

#include <gtest/gtest.h>

#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"

namespace cassata {
namespace {

using namespace test;
namespace fs = std::filesystem;

class MemoryLimit : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    write_file(folder_ / name, text);
  }
  std::uint64_t limit() { return memory_limit(folder_ / "cgroup", folder_.path()); }

  TempDir folder_;
  const std::uint64_t machine_ = memory_limit("/nothing", "/nothing");
};

TEST_F(MemoryLimit, WithoutGroupsItIsTheMachine) {
  EXPECT_GT(machine_, std::uint64_t{1} << 20);
  EXPECT_EQ(limit(), machine_);
  put("cgroup", "");
  EXPECT_EQ(limit(), machine_);
  for (const char* odd : {"nonsense\n", ":\n", "::\n", "4:memory\n", "4:memory:\n", "0::/a/../../b\n"}) {
    SCOPED_TRACE(odd);
    put("cgroup", odd);
    EXPECT_EQ(limit(), machine_);
  }
}

TEST_F(MemoryLimit, OfVersion2TheLeastOfAllAncestorsCounts) {
  put("cgroup", "0::/a/b/c\n");
  put("a/b/c/memory.max", "max\n");
  EXPECT_EQ(limit(), machine_);
  put("a/b/c/memory.max", "300000\n");
  EXPECT_EQ(limit(), 300000u);
  put("a/memory.max", "200000\n");
  EXPECT_EQ(limit(), 200000u);
  put("a/b/memory.high", "100000\n");
  EXPECT_EQ(limit(), 100000u);
  put("other/memory.max", "1\n");
  EXPECT_EQ(limit(), 100000u) << "another group's";
}

TEST_F(MemoryLimit, OfVersion1TheMemoryControllerCounts) {
  put("cgroup", "7:cpu,cpuacct:/x\n4:hugetlb,memory:/a/b\n0::/\n");
  put("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(limit(), machine_);
  put("memory/a/memory.limit_in_bytes", "200000\n");
  EXPECT_EQ(limit(), 200000u);
  put("memory/x/memory.limit_in_bytes", "1\n");
  EXPECT_EQ(limit(), 200000u) << "of another controller";
}

TEST_F(MemoryLimit, InAContainerTheMountIsTheGroup) {
  put("cgroup", "4:memory:/docker/0123\n");
  put("memory/memory.limit_in_bytes", "5000000\n");
  EXPECT_EQ(limit(), 5000000u);
  put("cgroup", "0::/docker/0123\n");
  put("memory.max", "4000000\n");
  EXPECT_EQ(limit(), 4000000u);
}

}  // namespace
}  // namespace cassata
