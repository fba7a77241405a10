// What the subcommands share: their functions, their options, their exit codes.
#pragma once

#include <boost/program_options.hpp>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "cassata/parameters.h"
#include "cassata/params.h"
#include "tools/terminal.h"

namespace cassata::tools {

/// The words after the subcommand's name.
using Words = std::vector<std::string>;

enum Exit : int {
  kOk = 0,
  kFailedCheck = 1,  ///< a check found damage
  kRefused = 2,      ///< bad usage, bad input, or the system refused; one line on stderr names it
};

// The subcommands, one file each; main.cc names them. They throw cassata::Error, Interrupted or a Program_options
// error.
int build(const Words& words);
int search(const Words& words);
int fuse(const Words& words);
int inspect(const Words& words);
int verify(const Words& words);
int clean(const Words& words);
/// `build` with --target-recall, and whether this form has an option.
int build_recommended(const Words& words);
bool recommended_has(const std::string& option);
/// The same for --two-level.
int build_two_level(const Words& words);
bool two_level_has(const std::string& option);
/// The same for --multivec.
int build_multivector(const Words& words);
bool multivector_has(const std::string& option);
int bench(const Words& words);
int pack(const Words& words);
int unpack(const Words& words);

/// The command line has an unknown option.
class UnknownOption : public Error {
 public:
  UnknownOption(std::string option, const std::string& message)
      : Error(Errc::invalid_argument, message), option_(std::move(option)) {}
  const std::string& option() const noexcept { return option_; }

 private:
  std::string option_;
};

/// `text` as a number of type T: whole and in range for an integer. Throws Error(invalid_argument).
template <class T>
T number(std::string_view text) {
  if (const std::optional<T> value = parse_number<T>(text)) return *value;
  invalid_argument(cassata::quoted(text) + " given, expected " +
                   (std::is_integral_v<T> ? "a whole number from 0 to " + decimal(std::numeric_limits<T>::max())
                                          : std::string("a number that f32 can hold")));
}

/// `message` with the engine's names of parameters as options of the command line: its first word, if a colon follows,
/// words with an underscore, and all words of an unsupported combination. In a text of `help` also those that the
/// command line calls otherwise.
std::string with_options(std::string_view message, bool help = false);

/// A subcommand's command line: described once, for parsing and for --help.
class CommandLine {
 public:
  /// `synopsis` is the line of usage after "cassata"; `about` describes the command.
  CommandLine(std::string synopsis, std::string about);

  /// An argument without a dash. Each must be given, in the order of declaration; a list takes all that follow, one or
  /// more.
  void argument(const char* name, std::string& into);
  void arguments(const char* name, std::vector<std::string>& into);
  /// An option with a value; `names` as in "output,o". With a `standing` value, --help shows it as the default. `set`
  /// is called with what the user gave and may throw Error, whose message gets the option's name before it.
  void option(const char* names, const char* value_name, const std::string& standing, const std::string& help,
              std::function<void(const std::string&)> set);
  /// The same for a number, whose default is the value that it has.
  template <class T>
  void option(const char* names, T& into, const std::string& help) {
    option(names, "N", decimal(into), help, [&into](const std::string& text) { into = number<T>(text); });
  }
  void flag(const char* names, bool& into, const std::string& help);
  /// An option for each parameter of a table but `without`; what the user gives goes into `into`, which is a
  /// Given<Params> or the parameters themselves.
  template <class Params, class Into>
  void parameters(std::span<const Parameter<Params>> table, Into& into,
                  std::initializer_list<std::string_view> without = {}) {
    for (const Parameter<Params>& row : table)
      if (std::find(without.begin(), without.end(), row.name) == without.end())
        parameter(row, row.get(Params{}), [&](const Value& value) {
          if constexpr (std::is_same_v<Into, Params>)
            row.set(into, value);
          else
            into.give(row.name, value);
        });
  }

  /// Returns false if the user asked for help, which is printed then.
  bool parse(const Words& words);
  /// Whether there is such an option, with its dashes.
  bool has(const std::string& option) const;

 private:
  void parameter(const ParameterInfo& row, const Value& standing, std::function<void(const Value&)> give);
  /// The known option that is most similar; empty: none is similar.
  std::string nearest(const std::string& option) const;
  void check_arguments(const boost::program_options::variables_map& given) const;
  std::string help() const;

  std::string synopsis_, about_;
  boost::program_options::options_description options_{"Options"}, hidden_;
  boost::program_options::positional_options_description positions_;
  std::vector<const char*> required_;
};

/// Throws Error(invalid_argument) about an option that none of `indexes` has.
void check_used(const Given<SearchParams>& given, std::span<const Index> indexes);

/// --resident: the sections that are read into memory before the first query.
void add_resident(CommandLine& line, OpenParams& params);

/// Rules for an output file; notes go to stderr.
ReplaceParams replacing(bool overwrite);

/// Adds --force, which has `replace` overwrite any file; notes of `replace` go to stderr.
void add_force(CommandLine& line, ReplaceParams& replace, const std::string& option = "--output");

/// Throws Error(invalid_argument) unless --output was given, and names a file or folder, as `expected`.
void check_output(const std::string& output, const std::string& expected);
/// The same for an index file.
void check_output_file(const std::string& output);

/// Throws Error(invalid_argument) if writing a file at `output` would destroy one of `inputs`.
void refuse_overwriting(const std::filesystem::path& output, const std::vector<std::filesystem::path>& inputs,
                        const std::string& option = "--output");

}  // namespace cassata::tools
