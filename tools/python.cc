#include "tools/python.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <utility>

#include "cassata/error.h"

namespace cassata::tools {
namespace {

namespace fs = std::filesystem;

std::vector<char*> pointers(Words& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// The two ends of a pipe: to read from, to write to.
std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) io_error("cannot make a pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// Starts `command` with these as its standard streams.
pid_t start(Words command, const std::array<int, 3>& streams) {
  const std::vector<char*> arguments = pointers(command);
  const pid_t child = ::fork();
  if (child < 0) io_error("cannot start " + command[0]);
  if (child == 0) {
    for (int i = 0; i < 3; ++i) ::dup2(streams[static_cast<std::size_t>(i)], i);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  return child;
}

bool succeeded(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool imports(const std::string& python, const std::string& modules) {
  const Descriptor nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  return succeeded(start({python, "-c", "import " + modules}, {nowhere.get(), nowhere.get(), nowhere.get()}));
}

/// Writes all of `text`, unless the reader closes the pipe.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // its exit code reports the fault
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string read_to_end(int fd) {
  std::string text;
  for (std::array<char, 65536> buffer;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_error("cannot read from a pipe");
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

std::string find_python(const std::string& modules, const std::string& extra) {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "python3";
  for (const std::string& python : {beside.string(), std::string("python3")})
    if ((python != beside || fs::exists(beside)) && imports(python, modules)) return python;
  invalid_argument("neither " + beside.string() + " nor python3 on PATH can import " + modules + "; 'pip install .[" +
                   extra + "]' in the source tree installs " + (modules.find(',') == modules.npos ? "it" : "them"));
}

std::string output_of(Words command, std::string_view input) {
  const std::string name = command[0];
  auto [its_input, our_output] = make_pipe();
  auto [our_input, its_output] = make_pipe();
  const pid_t child = start(std::move(command), {its_input.get(), its_output.get(), STDERR_FILENO});
  its_input.close();
  its_output.close();
  write_all(our_output.get(), input);  // to its end before anything is read: what we run does so, too
  our_output.close();
  std::string output = read_to_end(our_input.get());
  if (!succeeded(child)) invalid_argument(name + ": failed; its own message is above");
  return output;
}

}  // namespace cassata::tools
