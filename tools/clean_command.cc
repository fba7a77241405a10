// cassata clean: removes the leftovers of killed builds from a folder.
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
                   "Removes the leftovers of killed builds from FOLDER: unfinished files, '<name>.partial', and work "
                   "folders of builds with\n"
                   "--memory-budget, '<name>.build'. It removes only leftovers of this user that no running build "
                   "uses. A work folder that 'cassata build\n"
                   "--resume' can continue is listed, and kept unless --resumable is given. Subfolders are not "
                   "searched, symbolic links are not followed,\n"
                   "and files that builds did not make are kept.");
  line.argument("FOLDER", folder);
  line.flag("dry-run,n", params.dry_run, "only print what would be removed");
  line.flag("resumable", params.resumable, "also remove work folders that a build can be resumed from");
  line.flag("quiet,q", quiet, "print nothing but errors");
  line.flag("json", json, "print a JSON list: path, what, bytes, and kept: the reason why it stays, or null");
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
