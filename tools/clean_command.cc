// cassata clean: removes what killed builds left in a folder.
#include "cassata/clean.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/describe.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

std::string_view name_of(Leftover::What what) {
  return what == Leftover::What::partial ? "unfinished file" : "work folder";
}

std::string line_of(const Leftover& found, bool dry_run) {
  const std::string verb = !found.kept.empty() ? "kept" : dry_run ? "would remove" : "removed";
  return verb + " " + printable(found.path.string()) + ": " + std::string(name_of(found.what)) + ", " +
         size_text(found.bytes) + (found.kept.empty() ? "" : "; " + printable(found.kept)) + "\n";
}

nlohmann::ordered_json json_of(const Leftover& found) {
  nlohmann::ordered_json json = {
      {"path", found.path.string()}, {"what", name_of(found.what)}, {"bytes", found.bytes}, {"kept", nullptr}};
  if (!found.kept.empty()) json["kept"] = found.kept;
  return json;
}

}  // namespace

int clean(const Words& words) {
  std::string folder;
  CleanParams params;
  bool quiet = false, json = false;
  CommandLine line("clean FOLDER [OPTIONS]",
                   "Removes what killed builds left in FOLDER: unfinished files, '<name>.partial', and work folders of "
                   "builds with --memory-budget,\n"
                   "'<name>.build'. Only those of this user that no build is at work on; a work folder that 'cassata "
                   "build --resume' can go on\n"
                   "with is listed, and stays unless --resumable is given. Folders in FOLDER are not looked into, "
                   "links are not followed, and\n"
                   "files that builds did not make stay.");
  line.argument("FOLDER", folder);
  line.flag("dry-run,n", params.dry_run, "only print what would be removed");
  line.flag("resumable", params.resumable, "also remove work folders that a build can be resumed from");
  line.flag("quiet,q", quiet, "print nothing but errors");
  line.flag("json", json, "print a JSON list: path, what, bytes, and kept, why it stays, or null");
  if (!line.parse(words)) return kOk;
  nlohmann::ordered_json report = nlohmann::ordered_json::array();
  std::string text;
  for (const Leftover& found : cassata::clean(folder, params)) {
    report.push_back(json_of(found));
    text += line_of(found, params.dry_run);
  }
  if (json) {
    print(to_text(report));
  } else if (!quiet) {
    print(text);
  }
  return kOk;
}

}  // namespace cassata::tools
