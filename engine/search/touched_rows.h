// Verification on first use: rows are compared with the file's hashes before they are used for the first time.
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// Wraps `codes`: calls Codes::touch() with a row before its scorers score or bind it. Who decodes a row touches it
/// first.
std::unique_ptr<Codes> touched_codes(std::unique_ptr<Codes> codes);

}  // namespace cassata
