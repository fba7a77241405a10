// The one exception type of the project.
#pragma once

#include <stdexcept>
#include <string>

namespace cassata {

enum class Errc {
  invalid_argument,  ///< an argument or an input file is not what it must be
  io,                ///< the operating system refused; `Error::system_error()` tells why
  corrupt,           ///< an index file is damaged or truncated, or not one of ours
  incompatible,      ///< an index file needs a newer version of this library
};

/// The message names the file or the argument, the place, what was found and what was expected.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message, int system_error = 0, bool published = false)
      : std::runtime_error(message), code_(code), system_error_(system_error), published_(published) {}
  Errc code() const noexcept { return code_; }
  /// The errno value behind Errc::io, else 0.
  int system_error() const noexcept { return system_error_; }
  /// Behind Errc::io: whether the file that was to be written stands under its name all the same, complete, though it
  /// may not survive a power loss.
  bool published() const noexcept { return published_; }

 private:
  Errc code_;
  int system_error_;
  bool published_;
};

[[noreturn]] inline void invalid_argument(const std::string& message) { throw Error(Errc::invalid_argument, message); }
[[noreturn]] inline void corrupt(const std::string& message) { throw Error(Errc::corrupt, message); }

/// "`what`: <strerror>", from errno as it stands or from `error`.
[[noreturn]] void io_error(const std::string& what, int error = 0);

}  // namespace cassata
