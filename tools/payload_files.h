// External ids, fields and conditions that a command reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/condition.h"
#include "cassata/payload.h"
#include "tools/command.h"

namespace cassata::tools {

/// The files that --ids and --fields name; empty: not given.
struct PayloadFiles {
  std::filesystem::path ids, fields;
};

/// Adds the options --ids and --fields.
void add_payload(CommandLine& line, PayloadFiles& files);
/// Reads the files. Throws Error: invalid_argument, naming the file and the line; io.
Payload read_payload(const PayloadFiles& files);

/// The lines of a text file, without their ends; "\r\n" ends a line, too.
std::vector<std::string> read_lines(const std::filesystem::path& path);

/// A condition in JSON. Throws Error(invalid_argument).
Condition parse_condition(std::string_view json);

}  // namespace cassata::tools
