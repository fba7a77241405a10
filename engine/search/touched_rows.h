// Codes whose rows are compared with the file's hashes before they are used for the first time.
#pragma once

#include <memory>

#include "engine/codec/codes.h"

namespace cassata {

/// The same codes; before a row is scored or decoded, Codes::touch() is called with it.
std::unique_ptr<Codes> touched_codes(std::unique_ptr<Codes> codes);

}  // namespace cassata
