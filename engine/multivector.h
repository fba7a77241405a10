// Token vectors beside an index of their documents, in one file.
#pragma once

#include <filesystem>

#include "engine/index.h"
#include "engine/params.h"
#include "format/file_writer.h"
#include "format/manifest.h"

namespace cassata {

/// Checks that the index and the tokens in `folder` are of the same documents, as far as it can be told, before anything is written; then copies
/// the index's sections, once every byte is checked, and streams the tokens. Returns the manifest of both.
/// Throws Error: invalid_argument, naming the file and the row; corrupt; io.
Manifest write_multivector(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices, FileWriter& writer);

}  // namespace cassata
