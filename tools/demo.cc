// cassata demo: the Python package's demonstration, found and run.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "format/error.h"
#include "tools/command.h"

namespace cassata::tools {
namespace {

namespace fs = std::filesystem;

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

/// Whether `python` is an interpreter that finds our package.
bool has_package(const std::string& python) {
  std::vector<std::string> words = {python, "-c", "import cassata.demo"};
  const std::vector<char*> arguments = pointers(words);
  const pid_t child = ::fork();
  if (child < 0) io_error("cannot start " + python);
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, stream);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// The interpreter beside this program, as in a virtual environment, else the one on PATH.
std::string find_python() {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "python3";
  for (const std::string& python : {beside.string(), std::string("python3")})
    if ((python != beside || fs::exists(beside)) && has_package(python)) return python;
  invalid_argument("neither " + beside.string() +
                   " nor python3 on PATH can import cassata.demo; 'pip install .[demo]' in the source tree installs it");
}

}  // namespace

int demo(const Words& words) {
  std::vector<std::string> command = {find_python(), "-m", "cassata.demo"};
  command.insert(command.end(), words.begin(), words.end());
  const std::vector<char*> arguments = pointers(command);
  std::signal(SIGPIPE, SIG_DFL);  // what is ignored stays so for the new program
  ::execvp(arguments[0], arguments.data());
  io_error("cannot start " + command[0]);
}

}  // namespace cassata::tools
