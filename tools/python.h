// Runs the program's Python package, which draws pictures and reads SciPy's files.
#pragma once

#include <string>
#include <string_view>

#include "tools/command.h"

namespace cassata::tools {

/// The interpreter that imports all of `modules`, e.g. "cassata.plot, matplotlib": the one beside this program, as in a
/// virtual environment, else the one on PATH. Throws Error(invalid_argument) with the command that installs
/// them: the package with its optional dependencies `extra`.
std::string find_python(const std::string& modules, const std::string& extra);

/// Standard output of `command`, which gets `input` on standard input. Throws Error(io) if it cannot be started, and
/// Error(invalid_argument) if it fails: it has printed the reason on stderr.
std::string output_of(Words command, std::string_view input = {});

}  // namespace cassata::tools
