// The process and its environment: output, progress on a terminal, Ctrl-C.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cassata/types.h"
#include "format/base/text.h"
#include "format/os/publish.h"

namespace cassata::tools {

/// A signal asked the process to end. Thrown so that unfinished files are removed; main() then ends by that signal.
struct Interrupted {
  int signal;
};

/// Call once, first: makes Ctrl-C and its like wait for stop_if_interrupted(), and a closed pipe an error that Output
/// sees.
void prepare_process();
/// Throws Interrupted if such a signal has arrived.
void stop_if_interrupted();

/// Text written somewhere, wholly or with an error: to standard output; to a file, which appears complete at finish()
/// or not at all; or, as it comes, to a pipe, a device or an open descriptor such as /dev/stdout.
class Output {
 public:
  /// Standard output. Throws Error(io).
  Output();
  /// An empty path or "-" is standard output. A file is replaced as PendingFile does it. Throws Error(io).
  Output(const std::string& path, const FileKind& kind, const ReplaceParams& replace);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  /// Throws Error(io), or Interrupted{SIGPIPE} when standard output's reader is gone: it has seen enough.
  void write(std::string_view text);
  void finish();

 private:
  void flush();
  void write_to(int descriptor);

  std::string name_;
  std::optional<PendingFile> file_;
  int fd_ = -1;
  std::uint64_t offset_ = 0;
  std::string buffer_;
};

/// Writes `text` to standard output.
void print(std::string_view text);

/// Reports progress: a bar on stderr if that is a terminal and `quiet` is false. Always throws Interrupted after
/// Ctrl-C.
Progress progress_bar(bool quiet);

}  // namespace cassata::tools
