// The end of every build: a warning about low recall, and a summary.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "cassata/index.h"
#include "tools/build_input.h"

namespace cassata::tools {

/// How the summary of a build is printed.
struct BuildReport {
  bool quiet = false, json = false;
  nlohmann::ordered_json more = nlohmann::ordered_json::object();  ///< further keys of the JSON
};

/// Builds an index by `build`, with the progress bar that it is given, and prints a summary.
void build_and_report(const std::function<Index(const Progress&)>& build, const BuildReport& report);
/// The same, of the vectors in `input`.
void build_and_report(const BuildInput& input, BuildParams params, const std::string& output,
                      const BuildReport& report);

}  // namespace cassata::tools
