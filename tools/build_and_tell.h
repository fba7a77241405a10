// What every build ends with.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/params.h"

namespace cassata::tools {

struct Telling {
  bool quiet = false, json = false;
  nlohmann::ordered_json more = nlohmann::ordered_json::object();  ///< to be told besides, as JSON
};

/// Builds the index of the vectors in `input`, with a progress bar, and prints a summary.
void build_and_tell(const std::string& input, BuildParams params, const std::string& output, const Telling& telling);

}  // namespace cassata::tools
