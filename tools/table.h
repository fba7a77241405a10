// Columns of text.
#pragma once

#include <string>
#include <vector>

namespace cassata::tools {

using Row = std::vector<std::string>;

/// Columns as wide as their widest entry; those in `right` are set to the right.
std::string table(const std::vector<Row>& rows, const std::vector<bool>& right);

}  // namespace cassata::tools
