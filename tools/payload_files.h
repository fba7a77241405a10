// External ids, fields and conditions that a command reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/bitmap.h"
#include "cassata/index.h"
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

/// The rows that --filter and --filter-ids choose; empty: not given.
struct FilterChoices {
  std::optional<std::string> condition;
  std::filesystem::path ids;

  bool given() const { return condition || !ids.empty(); }
};

/// Adds the options --filter and --filter-ids, whose help begins and ends as `condition` and `ids` say.
void add_filter(CommandLine& line, FilterChoices& filter, const std::string& condition, const std::string& ids);
/// The rows of `index` that both let through; null: neither is given. Throws Error: invalid_argument, naming the file
/// and the line; corrupt; io.
std::shared_ptr<const Bitmap> filter_of(const Index& index, const FilterChoices& filter);

}  // namespace cassata::tools
