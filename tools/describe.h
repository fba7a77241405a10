// An index as JSON, with the names that Python's `Index.info` uses.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cassata/index.h"
#include "cassata/parameters.h"

namespace cassata::tools {

/// The facts that identify an index: path, class, kind, n, dim, metric, dtype, file_size, uuid.
nlohmann::ordered_json describe_briefly(const Index& index);
/// All facts of header and manifest.
nlohmann::ordered_json describe(const Index& index);
/// How much of it is in memory, as in Python's `Index.residency()`.
nlohmann::ordered_json describe_residency(const Index& index);
/// A parameter's value.
nlohmann::ordered_json json_of(const Value& value);
/// Indented, with a line feed at the end. Bytes that are not UTF-8, as in odd file names, become U+FFFD: the text is
/// always valid JSON.
std::string to_text(const nlohmann::ordered_json& json);

}  // namespace cassata::tools
