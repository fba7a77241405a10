// Token vectors beside an index of their documents, in one file.
#pragma once

#include <filesystem>

#include "cassata/index.h"
#include "cassata/manifest.h"
#include "cassata/params.h"
#include "format/file/file_writer.h"

namespace cassata {

/// Checks that the index and the tokens in `folder` are of the same documents, as far as it can be told, before
/// anything is written; then copies the index's sections, once every byte is checked, and streams the tokens. Returns
/// the manifest of both. Throws Error: invalid_argument, naming the file and the row; corrupt; io.
Manifest write_multivector(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                           FileWriter& writer);

}  // namespace cassata
