// What an index can be: the rules that builds and files share.
#pragma once

#include <string>

#include "cassata/schema.h"

namespace cassata {

/// Empty if this version can build and search an index of `schema`, except for what depends on dimension and size.
/// Otherwise the reason: an invalid argument of a build, a damage of a file.
std::string problem_with(const IndexSchema& schema);

}  // namespace cassata
