// Joins a graph index of documents and the token vectors of the same documents in one file.
#pragma once

#include <filesystem>

#include "cassata/index.h"
#include "cassata/manifest.h"
#include "cassata/params.h"
#include "format/file/file_writer.h"

namespace cassata {

/// Checks that the index and the tokens in `folder` have equally many documents and, if choices.ids is given, the same
/// ids. Then verifies every byte of the index, copies its sections and streams the tokens to `writer`. Returns the
/// manifest of the joined file. Throws Error: invalid_argument, naming the file and the row; corrupt; io.
Manifest write_multivector(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                           FileWriter& writer);

}  // namespace cassata
