// The rules of valid schemas, which builds and files share.
#pragma once

#include <string>

#include "cassata/schema.h"

namespace cassata {

/// Empty if this version can build and search an index of `schema`, except for what depends on dimension and size.
/// Otherwise the reason: for a build an invalid argument, for a file damage.
std::string problem_with(const IndexSchema& schema);

}  // namespace cassata
