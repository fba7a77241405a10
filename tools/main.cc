// cassata: one program, a subcommand for each job.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "cassata/index.h"
#include "format/base/text.h"
#include "tools/command.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

struct Command {
  std::string_view name, summary;
  int (*run)(const Words& words);
};

constexpr Command kCommands[] = {
    {"build", "build an index file from a file of vectors", build},
    {"search", "find the closest vectors to each query", search},
    {"fuse", "fuse the results of several searches", fuse},
    {"inspect", "print the parameters, sections and provenance of an index file", inspect},
    {"verify", "check every byte of index files", verify},
    {"bench", "measure recall against queries per second", bench},
    {"clean", "remove the leftovers of killed builds from a folder", clean},
    {"pack", "compress an index file for transport", pack},
    {"unpack", "make an index file of such an archive", unpack},
};

std::string usage() {
  std::string text =
      "Usage: cassata COMMAND [ARGUMENTS]\n\nVector search in one self-describing, checksummed file.\n\nCommands:\n";
  for (const Command& command : kCommands) {
    std::string name(command.name);
    name.resize(10, ' ');
    text += "  " + name + std::string(command.summary) + "\n";
  }
  return text +
         "\n"
         "'cassata COMMAND --help' describes a command; 'cassata --version' prints the version and the instruction set "
         "in use.\n"
         "Exit codes: 0 done, 1 a check failed, 2 bad usage or input.\n";
}

int run(const Words& words) {
  if (words.empty()) invalid_argument("no command given; try 'cassata --help'");
  const std::string& name = words.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print(usage());
    return kOk;
  }
  if (name == "--version") {
    print("cassata " + std::string(library_version()) + " (" + std::string(simd_target()) + ")\n");
    return kOk;
  }
  for (const Command& command : kCommands)
    if (command.name == name) return command.run({words.begin() + 1, words.end()});
  invalid_argument("no command '" + name + "'; try 'cassata --help'");
}

/// "cassata build", or "cassata" where the command is not known.
std::string program_name(const Words& words) {
  for (const Command& command : kCommands)
    if (!words.empty() && command.name == words.front()) return "cassata " + words.front();
  return "cassata";
}

int end_by(int signal) {
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  return 128 + signal;
}

}  // namespace
}  // namespace cassata::tools

int main(int argc, char** argv) {
  using namespace cassata::tools;
  prepare_process();
  const Words words(argv + 1, argv + argc);
  try {
    return run(words);
  } catch (const Interrupted& interrupted) {
    return end_by(interrupted.signal);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "%s: out of memory\n", program_name(words).c_str());
    return kRefused;
  } catch (const std::exception& error) {
    const auto* const ours = dynamic_cast<const cassata::Error*>(&error);
    const bool argument = ours != nullptr && ours->code() == cassata::Errc::invalid_argument;
    const std::string message = argument ? with_options(error.what()) : error.what();
    std::fprintf(stderr, "%s: %s\n", program_name(words).c_str(), cassata::printable(message).c_str());
    return kRefused;
  }
}
