// cassata verify: compares every byte of index files with its hash, and checks every structural rule.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cassata/index.h"
#include "format/file/mapped_file.h"
#include "tools/command.h"
#include "tools/describe.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

struct Verdict {
  Exit code;
  std::string message;  // of the error
  std::uint64_t bytes;
};

Verdict check(const std::string& path, const Progress& progress) {
  try {
    const Index index = Index::open(path);
    index.verify(progress);
    return {.code = kOk, .message = {}, .bytes = index.file().header().file_length};
  } catch (const Error& error) {
    return {.code = error.code() == Errc::corrupt ? kFailedCheck : kRefused, .message = error.what(), .bytes = 0};
  }
}

}  // namespace

int verify(const Words& words) {
  std::vector<std::string> paths;
  bool quiet = false, json = false;
  CommandLine line("verify INDEX... [OPTIONS]",
                   "Reads index files from the first byte to the last, compares every block with its hash and checks "
                   "every structural rule.\n"
                   "Exit code 1: a file is damaged, and the message names the section and the byte. Exit code 2: a "
                   "file cannot be read.");
  line.arguments("INDEX", paths);
  line.flag("quiet,q", quiet, "print nothing but errors");
  line.flag("json", json, "print the verdicts as JSON");
  if (!line.parse(words)) return kOk;
  int worst = kOk;
  nlohmann::ordered_json report = nlohmann::ordered_json::array();
  for (const std::string& path : paths) {
    const Verdict verdict = check(path, progress_bar(quiet));
    worst = std::max<int>(worst, verdict.code);
    if (json) {
      report.push_back({{"path", path}, {"ok", verdict.code == kOk}, {"error", nullptr}});
      if (verdict.code != kOk) report.back()["error"] = verdict.message;
    } else if (verdict.code != kOk) {
      std::fprintf(stderr, "cassata verify: %s\n", printable(verdict.message).c_str());
    } else if (!quiet) {
      print(printable(path) + ": ok, " + size_text(verdict.bytes) + "\n");
    }
  }
  if (json) print(to_text(report));
  return worst;
}

}  // namespace cassata::tools
