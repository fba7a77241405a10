#include "format/os/publish.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace cassata::publish_test {
namespace {

using namespace test;
namespace fs = std::filesystem;

const FileKind kAny = {.name = "anything", .fits = [](std::string_view) { return true; }};
const FileKind kNotes = {.name = "notes", .fits = [](std::string_view start) { return start.starts_with("notes: "); }};

void publish_text(const fs::path& path, const std::string& text, const FileKind& kind = kAny,
                  const ReplaceParams& replace = {}) {
  PendingFile file(path, kind, replace);
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
    PendingFile file(path_, kAny);
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
  { PendingFile file(path_, kAny); }
  EXPECT_EQ(text_of(path_), "former");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

TEST_F(Publish, RefusesASecondWriterInTheSameProcess) {
  {
    PendingFile first(path_, kAny);
    expect_error(Errc::io, {path_.string(), "another writer"}, [&] { PendingFile second(path_, kAny); });
    EXPECT_TRUE(fs::exists(folder_ / "file.partial")) << "the refused writer must not remove the other's file";
    first.publish();
  }
  publish_text(path_, "next");
  EXPECT_EQ(text_of(path_), "next");
}

TEST_F(Publish, APublishedFileLeavesTheNextWriterAlone) {
  auto first = std::make_unique<PendingFile>(path_, kAny);
  first->publish();
  PendingFile second(path_, kAny);
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
    EXPECT_TRUE(found.size() == 2000 && found.find_first_not_of(found[0]) == std::string::npos)
        << found.size() << " bytes";
    if (HasFailure()) break;
  }
  done = true;
  for (std::thread* thread : {&a, &b, &c}) thread->join();
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

TEST_F(Publish, RefusesASecondWriterInAnotherProcessUntilItEnds) {
  Signal ready;
  Child other([&] {
    PendingFile file(path_, kAny);
    ready.give();
    return ::pause();
  });
  ready.await();
  expect_error(Errc::io, {path_.string(), "another writer"}, [&] { PendingFile second(path_, kAny); });
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
  expect_error(Errc::io, {"file.partial", "not left by an interrupted writer"}, [&] { PendingFile file(path_, kAny); });
  EXPECT_EQ(text_of(folder_ / "file.partial"), "somebody's notes");
  fs::remove(folder_ / "file.partial");
  write_file(folder_ / "linked", "a file with two names");
  fs::permissions(folder_ / "linked", fs::perms::sticky_bit, fs::perm_options::add);
  fs::create_hard_link(folder_ / "linked", folder_ / "file.partial");
  expect_error(Errc::io, {"file.partial", "not left by an interrupted writer"}, [&] { PendingFile file(path_, kAny); });
  EXPECT_EQ(text_of(folder_ / "linked"), "a file with two names");
}

TEST_F(Publish, PassesPermissionsOn) {
  publish_text(path_, "first");
  EXPECT_EQ(fs::status(path_).permissions() & fs::perms::sticky_bit, fs::perms::none);
  for (const auto mode : {fs::perms(0600), fs::perms(0640), fs::perms(0444), fs::perms(0777)}) {
    fs::permissions(path_, mode);
    PendingFile file(path_, kAny);
    EXPECT_EQ(fs::status(folder_ / "file.partial").permissions(), fs::perms(0600) | fs::perms::sticky_bit)
        << "others may open it already";
    file.publish();
    EXPECT_EQ(fs::status(path_).permissions(), mode);
  }
}

TEST_F(Publish, NewFilesHaveThePermissionsOfNewFiles) {
  for (const mode_t mask : {022, 077, 002, 027}) {
    Child writer([&] {  // a process has one umask
      ::umask(mask);
      PendingFile file(path_, kAny);
      if (fs::status(folder_ / "file.partial").permissions() != (fs::perms(0600) | fs::perms::sticky_bit)) return 1;
      file.publish();
      return fs::status(path_).permissions() == fs::perms(0666 & ~mask) ? 0 : 2;
    });
    EXPECT_EQ(writer.wait(), 0) << mask;
    fs::remove(path_);
  }
}

TEST_F(Publish, ReplacesOnlyItsOwnKind) {
  publish_text(path_, "notes: 1", kNotes);
  publish_text(path_, "notes: 2", kNotes);
  EXPECT_EQ(text_of(path_), "notes: 2");
  write_file(path_, "");
  publish_text(path_, "notes: 3", kNotes);
  EXPECT_EQ(text_of(path_), "notes: 3");
  write_file(path_, "a\nletter");
  fs::create_symlink("file", folder_ / "link");
  for (const char* const name : {"file", "link"}) {
    expect_error(Errc::io, {(folder_ / name).string(), "'a\\nletter'", "notes", "to replace it", ": overwrite"},
                 [&] { publish_text(folder_ / name, "notes: 4", kNotes); });
    EXPECT_EQ(text_of(path_), "a\nletter");
    EXPECT_EQ(folder_.names(), (std::set<std::string>{"file", "link"}));
  }
  publish_text(path_, "notes: 4", kNotes, {.overwrite = true});
  EXPECT_EQ(text_of(path_), "notes: 4");
}

TEST_F(Publish, AFileThatIsPutThereMeanwhileStays) {
  PendingFile file(path_, kNotes);
  write_file(path_, "a letter");
  expect_error(Errc::io, {path_.string(), "a letter"}, [&] { file.publish(); });
  EXPECT_EQ(text_of(path_), "a letter");
}

TEST_F(Publish, ReplacesNoFileThatItCannotRead) {
  publish_text(path_, "notes: 1", kNotes);
  fs::permissions(path_, fs::perms(0200));
  fs::permissions(folder_.path(), fs::perms(0777));
  Child unprivileged([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return 2;  // root may read anything
    try {
      publish_text(path_, "notes: 2", kNotes);
    } catch (const Error& e) {
      return e.code() == Errc::io && e.system_error() == EACCES ? 0 : 1;
    }
    return 3;
  });
  EXPECT_EQ(unprivileged.wait(), 0);
}

TEST_F(Publish, RefusesWhatNamesADescriptor) {
  write_file(path_, "notes: 1");
  const int fd = ::open(path_.c_str(), O_RDWR);
  const std::string number = std::to_string(fd);
  fs::create_symlink("/dev/fd/" + number, folder_ / "link");
  for (const fs::path& path :
       {fs::path("/dev/fd/" + number), fs::path("/proc/self/fd/" + number), fs::path("/proc/thread-self/fd/" + number),
        folder_ / "link", fs::path("/dev/fd/99999")}) {
    SCOPED_TRACE(path);
    expect_error(Errc::invalid_argument, {path.string(), "descriptor"}, [&] { PendingFile file(path, kAny); });
  }
  EXPECT_EQ(descriptor_of(folder_ / "link"), fd);
  EXPECT_EQ(descriptor_of("/dev/stdout"), STDOUT_FILENO);
  EXPECT_EQ(descriptor_of(path_), std::nullopt);
  EXPECT_EQ(descriptor_of("/dev/null"), std::nullopt);
  ::close(fd);
}

/// In a process of another user and group, if this one may make such.
template <class Run>
void as_user(unsigned user, unsigned group, Run run) {
  Child child([&] {
    if (::setgroups(0, nullptr) != 0 || ::setegid(group) != 0 || ::seteuid(user) != 0) return 77;
    return run();
  });
  ASSERT_EQ(child.wait(), 0);
}

TEST_F(Publish, TakesNothingOverFromAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can leave another user's file";
  write_file(folder_ / "file.partial", "by another user");
  ASSERT_EQ(::chown((folder_ / "file.partial").c_str(), 65534, 65534), 0);
  fs::permissions(folder_ / "file.partial", fs::perms(01666));
  expect_error(Errc::io, {"file.partial", "not left by an interrupted writer"}, [&] { PendingFile file(path_, kAny); });
  EXPECT_EQ(text_of(folder_ / "file.partial"), "by another user");
}

TEST_F(Publish, ALeftoverThatOthersHaveOpenIsNotWrittenTo) {
  write_file(folder_ / "file.partial", "left");
  fs::permissions(folder_ / "file.partial", fs::perms(01644));  // as long as it was so, anybody could open it
  const int other = ::open((folder_ / "file.partial").c_str(), O_RDONLY);
  publish_text(path_, "secret");
  std::array<char, 16> read = {};
  EXPECT_EQ(::pread(other, read.data(), read.size(), 0), 4);
  EXPECT_STREQ(read.data(), "left");
  ::close(other);
}

TEST_F(Publish, PassesOwnerAndGroupOn) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  publish_text(path_, "first");
  ASSERT_EQ(::chown(path_.c_str(), 65534, 65533), 0);
  fs::permissions(path_, fs::perms(0640));
  std::vector<std::string> notes;
  publish_text(path_, "second", kAny, {.note = [&](const std::string& note) { notes.push_back(note); }});
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534u);
  EXPECT_EQ(status.st_gid, 65533u);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_TRUE(notes.empty());
}

TEST_F(Publish, NotesWhomItShutsOut) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make another user's file";
  fs::permissions(folder_.path(), fs::perms(0777));
  const auto replaced_by_another = [&](unsigned mode) {
    write_file(path_, "root's");
    fs::permissions(path_, fs::perms(mode));
    as_user(65534, 65534, [&] {
      std::string noted;
      publish_text(path_, "new", kAny, {.overwrite = true, .note = [&](const std::string& note) { noted = note; }});
      write_file(folder_ / "note", noted.empty() ? "none" : noted);
      return 0;
    });
    struct stat status {};
    EXPECT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 65534u);
    return std::pair(status.st_mode & 07777, text_of(folder_ / "note"));
  };
  const auto [private_mode, private_note] = replaced_by_another(0600);
  EXPECT_EQ(private_mode, 0600u);
  for (const char* const part : {"user 65534, group 65534", "user 0, group 0", "0600", "lose access"})
    EXPECT_NE(private_note.find(part), std::string::npos) << private_note;
  EXPECT_EQ(replaced_by_another(0644), std::pair(0644u, std::string("none")));
  EXPECT_EQ(replaced_by_another(0664).first, 0644u) << "the new group may write what it could only read";
  EXPECT_EQ(replaced_by_another(0660).first, 0600u) << "the new group may read what it could not";
}

TEST_F(Publish, FollowsSymbolicLinks) {
  fs::create_directory(folder_ / "sub");
  fs::create_symlink("sub/target", folder_ / "link");  // relative to the link's folder
  fs::create_symlink(folder_ / "link", folder_ / "link2");
  publish_text(folder_ / "link2", "through two links");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(text_of(folder_ / "sub/target"), "through two links");
  fs::create_symlink("loop", folder_ / "loop");
  expect_error(Errc::io, {(folder_ / "loop").string()}, [&] { PendingFile file(folder_ / "loop", kAny); });
}

TEST_F(Publish, DoesNotWriteThroughALinkThatStandsAtThePartialsName) {
  write_file(folder_ / "victim", "untouched");
  fs::create_symlink("victim", folder_ / "file.partial");
  expect_error(Errc::io, {"file.partial"}, [&] { PendingFile file(path_, kAny); });
  EXPECT_EQ(text_of(folder_ / "victim"), "untouched");
}

TEST_F(Publish, RefusesWhatIsNoPlaceForAFile) {
  const auto refused = [&](const fs::path& path, Errc code, int system_error) {
    SCOPED_TRACE(path);
    expect_error(code, {}, [&] { PendingFile file(path, kAny); });
    try {
      PendingFile file(path, kAny);
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
      PendingFile file(path_, kAny);
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
  PendingFile first(path_, kAny);
  PendingFile moved = std::move(first);
  expect_error(Errc::io, {"another writer"}, [&] { PendingFile second(path_, kAny); });
  moved.publish();
  EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
}

}  // namespace
}  // namespace cassata::publish_test
