// cassata pack, cassata unpack: an index file becomes an archive for transport, and an archive an index file again.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "cassata/archive.h"
#include "tools/command.h"
#include "tools/describe.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

struct ArchiveChoices {
  std::string input, output;
  bool quiet = false, json = false;
  ArchiveParams params;
};

void add_output(CommandLine& line, ArchiveChoices& choices, const char* help) {
  line.option("output,o", "FILE", "", help, [&](const std::string& text) { choices.output = text; });
}

void add_others(CommandLine& line, ArchiveChoices& choices) {
  line.option("threads", choices.params.num_threads, "threads; 0: all processors");
  add_force(line, choices.params.replace);
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
  line.flag("json", choices.json, "print path, bytes and input_bytes as JSON");
}

/// Writes the output by `write`, and prints a summary.
int run(ArchiveChoices& choices, const std::string& expected,
        void (*write)(const std::filesystem::path&, const std::filesystem::path&, const ArchiveParams&)) {
  check_output(choices.output, expected);
  refuse_overwriting(choices.output, {choices.input});
  choices.params.progress = progress_bar(choices.quiet);
  write(choices.input, choices.output, choices.params);
  const std::uint64_t read = std::filesystem::file_size(choices.input),
                      written = std::filesystem::file_size(choices.output);
  if (choices.json) {
    print(to_text({{"path", choices.output}, {"bytes", written}, {"input_bytes", read}}));
  } else if (!choices.quiet) {
    print(printable(choices.output) + ": " + size_text(written) + ", from " + size_text(read) + "\n");
  }
  return kOk;
}

}  // namespace

int pack(const Words& words) {
  ArchiveChoices choices;
  CommandLine line("pack INDEX -o ARCHIVE [OPTIONS]",
                   "Packs an index file for transport, and compares every byte with its hash. ARCHIVE is in the "
                   "seekable format of zstd: 'cassata unpack'\n"
                   "and 'zstd -d' make the same bytes of it. Searches need the unpacked file.");
  line.argument("INDEX", choices.input);
  add_output(line, choices, "the archive to write");
  line.option("level", choices.params.level,
              "level of zstd, 1 to 22: a higher one makes a smaller archive in more time");
  add_others(line, choices);
  return line.parse(words) ? run(choices, "the archive to write", cassata::pack) : kOk;
}

int unpack(const Words& words) {
  ArchiveChoices choices;
  CommandLine line("unpack ARCHIVE -o INDEX [OPTIONS]",
                   "Unpacks an archive that 'cassata pack' wrote. INDEX appears when all of its hashes fit.");
  line.argument("ARCHIVE", choices.input);
  add_output(line, choices, "the index file to write");
  add_others(line, choices);
  return line.parse(words) ? run(choices, "the index file to write", cassata::unpack) : kOk;
}

}  // namespace cassata::tools
