// Documents from files.
#pragma once

#include <memory>
#include <string>

#include "cassata/documents.h"

namespace cassata::tools {

/// The texts of a file: one a line, or, if its extension is .jsonl, the text `field` of each line's JSON object. Memory
/// holds one of them. Throws Error: io, invalid_argument (naming the line).
std::unique_ptr<DocumentStream> open_documents(const std::string& path, const std::string& field);

/// `text` on one line and in one column: tabs, line ends and backslashes as \t, \n, \r and \\.
std::string in_one_column(std::string_view text);

}  // namespace cassata::tools
