// Which files a written file may replace.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cassata {

/// Rules for replacing a file.
struct ReplaceParams {
  /// Replace any file. Otherwise only an empty file or one of the kind that is written.
  bool overwrite = false;
  /// How users ask for that, for messages.
  std::string_view option = "overwrite";
  /// Called after publishing if readers of the replaced file may lose access, because its owner or group could not be
  /// kept.
  std::function<void(const std::string& message)> note = {};
};

}  // namespace cassata
