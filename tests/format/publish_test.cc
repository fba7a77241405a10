#include "format/publish.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace cassata {
namespace {

using namespace test;
namespace fs = std::filesystem;

void publish_text(const fs::path& path, const std::string& text) {
  PendingFile file(path);
  file.write(std::as_bytes(std::span(text)), 0);
  file.publish();
}

std::string text_of(const fs::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Publish : public ::testing::Test {
 protected:
  TempDir folder_;
  fs::path path_ = folder_ / "file";
};

TEST_F(Publish, ShowsTheFileOnlyWhenItIsComplete) {
  {
    PendingFile file(path_);
    const std::string text = "0123456789";
    file.write(std::as_bytes(std::span(text)).subspan(4), 4);
    file.write(std::as_bytes(std::span(text)).first(4), 0);
    EXPECT_FALSE(fs::exists(path_));
    file.publish();
    EXPECT_EQ(text_of(path_), text);
    EXPECT_EQ(file.map().bytes().size(), text.size());  // still readable
  }
  EXPECT_EQ(text_of(path_), "0123456789");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

TEST_F(Publish, ReplacesWhatStoodThere) {
  publish_text(path_, "a longer former text");
  publish_text(path_, "new");
  EXPECT_EQ(text_of(path_), "new");
}

TEST_F(Publish, UnpublishedLeavesNoTrace) {
  publish_text(path_, "former");
  { PendingFile file(path_); }
  EXPECT_EQ(text_of(path_), "former");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

TEST_F(Publish, RefusesASecondWriterInTheSameProcess) {
  {
    PendingFile first(path_);
    expect_error(Errc::io, {path_.string(), "another writer"}, [&] { PendingFile second(path_); });
    EXPECT_TRUE(fs::exists(folder_ / "file.partial")) << "the refused writer must not remove the other's file";
    first.publish();
  }
  publish_text(path_, "next");
  EXPECT_EQ(text_of(path_), "next");
}

TEST_F(Publish, APublishedFileLeavesTheNextWriterAlone) {
  auto first = std::make_unique<PendingFile>(path_);
  first->publish();
  PendingFile second(path_);
  first.reset();
  EXPECT_TRUE(fs::exists(folder_ / "file.partial"));
}

TEST_F(Publish, WritersThatRaceNeverTouchWhatIsPublished) {
  const auto text = [](unsigned n) { return std::string(2000, static_cast<char>('a' + n % 26)); };
  publish_text(path_, text(0));
  std::atomic<bool> done = false;
  std::atomic<unsigned> published = 0;
  const auto write = [&](unsigned n) {
    for (; !done; ++n) {
      try {
        publish_text(path_, text(n));
        ++published;
      } catch (const Error& e) {
        if (std::string(e.what()).find("another writer") == std::string::npos) ADD_FAILURE() << e.what();
      }
    }
  };
  std::thread a(write, 1), b(write, 14), c(write, 20);
  while (published < 300) {
    const std::string found = text_of(path_);
    EXPECT_TRUE(found.size() == 2000 && found.find_first_not_of(found[0]) == std::string::npos) << found.size() << " bytes";
    if (HasFailure()) break;
  }
  done = true;
  for (std::thread* thread : {&a, &b, &c}) thread->join();
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

TEST_F(Publish, RefusesASecondWriterInAnotherProcessUntilItEnds) {
  Signal ready;
  Child other([&] {
    PendingFile file(path_);
    ready.give();
    return ::pause();
  });
  ready.await();
  expect_error(Errc::io, {path_.string(), "another writer"}, [&] { PendingFile second(path_); });
  other.kill();
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file.partial"});
  publish_text(path_, "after the kill");  // takes over the file that was left
  EXPECT_EQ(text_of(path_), "after the kill");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

TEST_F(Publish, TakesOverAStalePartialWhateverIsInIt) {
  write_file(folder_ / "file.partial", std::string(100'000, 'x'));
  fs::permissions(folder_ / "file.partial", fs::perms::sticky_bit, fs::perm_options::add);  // as a writer leaves it
  publish_text(path_, "new");
  EXPECT_EQ(text_of(path_), "new");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

TEST_F(Publish, RefusesAPartialThatNoWriterLeft) {
  write_file(folder_ / "file.partial", "somebody's notes");
  expect_error(Errc::io, {"file.partial", "in the way"}, [&] { PendingFile file(path_); });
  EXPECT_EQ(text_of(folder_ / "file.partial"), "somebody's notes");
  fs::remove(folder_ / "file.partial");
  write_file(folder_ / "linked", "a file with two names");
  fs::permissions(folder_ / "linked", fs::perms::sticky_bit, fs::perm_options::add);
  fs::create_hard_link(folder_ / "linked", folder_ / "file.partial");
  expect_error(Errc::io, {"file.partial", "in the way"}, [&] { PendingFile file(path_); });
  EXPECT_EQ(text_of(folder_ / "linked"), "a file with two names");
}

TEST_F(Publish, PassesPermissionsOn) {
  publish_text(path_, "first");
  EXPECT_EQ(fs::status(path_).permissions() & fs::perms::sticky_bit, fs::perms::none);
  for (const auto mode : {fs::perms(0600), fs::perms(0640), fs::perms(0444), fs::perms(0777)}) {
    fs::permissions(path_, mode);
    PendingFile file(path_);
    EXPECT_EQ(fs::status(folder_ / "file.partial").permissions() & ~(fs::perms::sticky_bit | fs::perms::owner_write), mode & ~fs::perms::owner_write);
    file.publish();
    EXPECT_EQ(fs::status(path_).permissions(), mode);
  }
}

TEST_F(Publish, FollowsSymbolicLinks) {
  fs::create_directory(folder_ / "sub");
  fs::create_symlink("sub/target", folder_ / "link");  // relative to the link's folder
  fs::create_symlink(folder_ / "link", folder_ / "link2");
  publish_text(folder_ / "link2", "through two links");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(text_of(folder_ / "sub/target"), "through two links");
  fs::create_symlink("loop", folder_ / "loop");
  expect_error(Errc::io, {(folder_ / "loop").string()}, [&] { PendingFile file(folder_ / "loop"); });
}

TEST_F(Publish, DoesNotWriteThroughALinkThatStandsAtThePartialsName) {
  write_file(folder_ / "victim", "untouched");
  fs::create_symlink("victim", folder_ / "file.partial");
  expect_error(Errc::io, {"file.partial"}, [&] { PendingFile file(path_); });
  EXPECT_EQ(text_of(folder_ / "victim"), "untouched");
}

TEST_F(Publish, RefusesWhatIsNoPlaceForAFile) {
  const auto refused = [&](const fs::path& path, Errc code, int system_error) {
    SCOPED_TRACE(path);
    expect_error(code, {}, [&] { PendingFile file(path); });
    try {
      PendingFile file(path);
    } catch (const Error& e) {
      EXPECT_EQ(e.system_error(), system_error) << e.what();
    }
  };
  refused(folder_.path(), Errc::io, EISDIR);
  refused(folder_.path() / "", Errc::invalid_argument, 0);
  refused(folder_ / "no" / "such" / "folder", Errc::io, ENOENT);
  write_file(folder_ / "plain", "");
  refused(folder_ / "plain" / "x", Errc::io, ENOTDIR);
  refused(folder_ / std::string(300, 'n'), Errc::io, ENAMETOOLONG);
}

TEST_F(Publish, RefusesAFolderThatMayNotBeWritten) {
  publish_text(path_, "former");
  fs::permissions(folder_.path(), fs::perms(0555));
  Child unprivileged([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return 2;  // root may write anywhere
    try {
      PendingFile file(path_);
    } catch (const Error& e) {
      return e.code() == Errc::io && e.system_error() == EACCES ? 0 : 1;
    }
    return 3;
  });
  EXPECT_EQ(unprivileged.wait(), 0);
  fs::permissions(folder_.path(), fs::perms(0755));
  EXPECT_EQ(text_of(path_), "former");
}

TEST_F(Publish, UnnamedFilesHaveNoNameButCanBeMapped) {
  const std::string text = "unnamed";
  std::optional<Mapping> mapping;
  {
    PendingFile file = PendingFile::unnamed(folder_.path());
    file.write(std::as_bytes(std::span(text)), 0);
    file.publish();
    EXPECT_TRUE(file.path().empty());
    EXPECT_EQ(text_of(file.readable_path()), text);
    mapping = file.map();
  }
  EXPECT_EQ(std::memcmp(mapping->bytes().data(), text.data(), text.size()), 0);
  EXPECT_TRUE(folder_.names().empty());
  expect_error(Errc::io, {"no-such"}, [&] { PendingFile::unnamed(folder_ / "no-such"); });
}

TEST_F(Publish, MovedFilesKeepTheirLock) {
  PendingFile first(path_);
  PendingFile moved = std::move(first);
  expect_error(Errc::io, {"another writer"}, [&] { PendingFile second(path_); });
  moved.publish();
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

}  // namespace
}  // namespace cassata
