// Documents from files.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cassata/documents.h"
#include "tools/command.h"

namespace cassata::tools {

/// A file of texts: one a line, or, if its extension is .jsonl, the text `field` of each line's JSON object.
struct DocumentFile {
  std::string path;  ///< empty: not given
  std::string field = "text";
};

/// Adds the options --documents and --document-field.
void add_documents(CommandLine& line, DocumentFile& file);
/// Opens the file; null without one. Memory holds one text. Throws Error: io, invalid_argument (naming the line).
std::unique_ptr<DocumentStream> open_documents(const DocumentFile& file);

/// `text` on one line and in one column: tabs, line ends and backslashes as \t, \n, \r and \\.
std::string in_one_column(std::string_view text);

}  // namespace cassata::tools
