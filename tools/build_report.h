// What every build ends with.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "cassata/index.h"

namespace cassata::tools {

struct Telling {
  bool quiet = false, json = false;
  nlohmann::ordered_json more = nlohmann::ordered_json::object();  ///< to be told besides, as JSON
};

/// Builds an index by `build`, with the progress bar that it is given, and prints a summary.
void build_and_tell(const std::function<Index(const Progress&)>& build, const Telling& telling);
/// The same, of the vectors in `input`.
void build_and_tell(const std::string& input, BuildParams params, const std::string& output, const Telling& telling);

}  // namespace cassata::tools
