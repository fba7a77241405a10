#include "tools/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>

#include "cassata/error.h"

namespace cassata::tools {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

std::atomic<int> asked_to_end{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler writes it");

class Bar {
 public:
  Bar() = default;
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;
  ~Bar() {
    if (percent_ >= 0 && percent_ < 100) std::fputc('\n', stderr);  // the next output starts on a line of its own
  }

  void show(std::string_view stage, std::uint64_t done, std::uint64_t total) {
    const int percent =
        total == 0 ? 100 : static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
    if (stage == stage_ && percent == percent_) return;
    const bool new_line = !stage_.empty() && stage != stage_ && percent_ < 100;
    if (stage != stage_ || percent < percent_) {
      start_ = Clock::now();
      first_ = done;
    }
    stage_ = stage;
    percent_ = percent;
    const std::string filled(static_cast<std::size_t>(percent / 4), '#');
    std::fprintf(stderr, "%s\r%-28s [%-25s] %3d %%%s", new_line ? "\n" : "", (stage_ + left(done, total)).c_str(),
                 filled.c_str(), percent, percent == 100 ? "\n" : "");
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// The estimated rest of the stage, at its speed so far; empty in its first seconds.
  std::string left(std::uint64_t done, std::uint64_t total) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    constexpr double kFirstSeconds = 3;
    if (seconds < kFirstSeconds || done <= first_ || done >= total) return {};
    const auto rest =
        static_cast<unsigned long>(seconds * static_cast<double>(total - done) / static_cast<double>(done - first_));
    char text[32];
    std::snprintf(text, sizeof text, ", %lu:%02lu:%02lu left", rest / 3600, rest / 60 % 60, rest % 60);
    return text;
  }

  Clock::time_point start_;
  std::uint64_t first_ = 0;  // units done at the first report of the stage
  std::string stage_;
  int percent_ = -1;
};

}  // namespace

void prepare_process() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { asked_to_end = signal; };
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);  // the second Ctrl-C ends the process at once
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction standing {};
    if (::sigaction(signal, nullptr, &standing) == 0 && standing.sa_handler != SIG_IGN)
      ::sigaction(signal, &action, nullptr);  // nohup stays
  }
  std::signal(SIGPIPE, SIG_IGN);  // Output sees EPIPE
  std::signal(SIGXFSZ, SIG_IGN);  // and a writer EFBIG, where files may grow no more
}

void stop_if_interrupted() {
  if (const int signal = asked_to_end) throw Interrupted{signal};
}

Output::Output() : name_("standard output") { write_to(STDOUT_FILENO); }

Output::Output(const std::string& path, const FileKind& kind, const ReplaceParams& replace) : name_(path) {
  if (path.empty() || path == "-") {
    name_ = "standard output";
    write_to(STDOUT_FILENO);
    return;
  }
  if (const std::optional<int> descriptor = descriptor_of(path)) {
    write_to(*descriptor);
    return;
  }
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) {
    file_.emplace(path, kind, replace);
  } else {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd_ < 0) io_error("cannot write " + name_);
  }
}

/// As it stands: a file that it leads to is written where the descriptor points, or appended to.
void Output::write_to(int descriptor) {
  fd_ = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (fd_ < 0) io_error("cannot write " + name_);
}

Output::~Output() {
  if (fd_ >= 0) ::close(fd_);
}

void Output::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::flush() {
  std::string_view rest = buffer_;
  if (file_) {
    file_->write(std::as_bytes(std::span(rest)), offset_);
    offset_ += rest.size();
    rest = {};
  }
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) throw Interrupted{SIGPIPE};
    if (n < 0) io_error("cannot write " + name_);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  buffer_.clear();
}

void Output::finish() {
  flush();
  if (file_) file_->publish();
  if (fd_ < 0) return;
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0 && errno != EINTR)
    io_error("cannot write " + name_);  // a full disk behind a network may be reported only now
}

void print(std::string_view text) {
  Output output;
  output.write(text);
  output.finish();
}

Progress progress_bar(bool quiet) {
  if (quiet || ::isatty(STDERR_FILENO) == 0)
    return [](std::string_view, std::uint64_t, std::uint64_t) { stop_if_interrupted(); };
  return [bar = std::make_shared<Bar>()](std::string_view stage, std::uint64_t done, std::uint64_t total) {
    stop_if_interrupted();
    bar->show(stage, done, total);
  };
}

}  // namespace cassata::tools
