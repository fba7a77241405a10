// Whether a written file may replace another.
#pragma once

#include <functional>
#include <string>

namespace cassata {

/// How a file takes the place of another.
struct ReplaceParams {
  /// Whatever stands there is replaced; else only an empty file, or one of the kind that is written.
  bool overwrite = false;
  /// Is told, once the file is published, whom it shuts out: those who could read the former file by its owner or
  /// group, which could not be kept.
  std::function<void(const std::string& message)> note = {};
};

}  // namespace cassata
