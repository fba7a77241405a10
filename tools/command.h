// What the subcommands share: their functions, their options, their exit codes.
#pragma once

#include <boost/program_options.hpp>

#include <charconv>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "cassata/params.h"
#include "tools/terminal.h"

namespace cassata::tools {

/// The words after the subcommand's name.
using Words = std::vector<std::string>;

enum Exit : int {
  kOk = 0,
  kFailedCheck = 1,  ///< what was checked is not as it must be
  kRefused = 2,      ///< bad usage, bad input, or the system refused; one line on stderr tells which
};

// The subcommands, one file each; main.cc names them. They throw cassata::Error, Interrupted or a Program_options
// error.
int build(const Words& words);
int search(const Words& words);
int inspect(const Words& words);
int verify(const Words& words);
int demo(const Words& words);
int clean(const Words& words);
/// `build` where --target-recall is given, and whether it has such an option.
int build_recommended(const Words& words);
bool recommended_has(const std::string& option);
/// The same where --two-level is given.
int build_two_level(const Words& words);
bool two_level_has(const std::string& option);
/// The same where --multivec is given.
int build_multivector(const Words& words);
bool multivector_has(const std::string& option);
int bench(const Words& words);

/// An option that there is not.
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
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  std::string expected = "a number that f32 can hold";
  if (std::is_integral_v<T>)
    expected = error == std::errc::result_out_of_range ? "at most " + std::to_string(std::numeric_limits<T>::max())
                                                       : "a whole number, 0 or more";
  invalid_argument(quoted(text) + " given, expected " + expected);
}

/// The same, and whole, from `least` to `most`, which `limit` names if it is no plain number.
template <class T>
T number(std::string_view text, T least, T most, const std::string& limit = {}) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    invalid_argument(quoted(text) + " given, expected a whole number from " + std::to_string(least) + " to " +
                     (limit.empty() ? std::to_string(most) : limit));
  return value;
}

/// Calls `run` and returns what it does; an Error(invalid_argument) that it throws tells the engine's names of
/// parameters as options of the command line, those that it `has`.
int naming_options(const std::function<bool(const std::string&)>& has, const std::function<int()>& run);

/// Calls `set`, which looks at what the user gave for an option; an Error it throws gets the option's name in place of
/// the parameter's.
void about_option(const std::string& shown, const std::function<void()>& set);

/// A subcommand's command line: described once, for parsing and for --help.
class CommandLine {
 public:
  /// `synopsis` is the line of usage after "cassata"; `about` says in a sentence or more what the command does.
  CommandLine(std::string synopsis, std::string about);

  /// An argument without a dash. Each must be given, in the order of declaration; a list takes all that follow, one or
  /// more.
  void argument(const char* name, std::string& into);
  void arguments(const char* name, std::vector<std::string>& into);
  /// An option with a value; `names` as in "output,o". With a `standing` value, --help shows it as the default. `set`
  /// is called with what the user gave and may throw Error.
  void option(const char* names, const char* value_name, const std::string& standing, const std::string& help,
              std::function<void(const std::string&)> set);
  /// The same for a number, whose default is the value that it has.
  template <class T>
  void option(const char* names, T& into, const std::string& help) {
    option(names, "N", decimal(into), help, [&into](const std::string& text) { into = number<T>(text); });
  }
  void flag(const char* names, bool& into, const std::string& help);

  /// Returns false if the user asked for help, which is printed then.
  bool parse(const Words& words);
  /// Whether there is such an option, with its dashes.
  bool has(const std::string& option) const;

 private:
  template <class T>
  static std::string decimal(T value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
  }
  /// The option that was meant; empty: none is like it.
  std::string nearest(const std::string& option) const;
  void check_arguments(const boost::program_options::variables_map& given) const;
  std::string help() const;

  std::string synopsis_, about_;
  boost::program_options::options_description options_{"Options"}, hidden_;
  boost::program_options::positional_options_description positions_;
  std::vector<const char*> required_;
};

/// Options of a search that not every index has a use for: of each kind one that was given, or none.
struct SpecialOptions {
  std::string of_lists, of_rerank;

  /// Throws Error(invalid_argument) about one that none of `indexes` has a use for.
  void check(std::span<const Index> indexes) const;
};

/// What tells a search how far to go, besides its width.
void add_search_options(CommandLine& line, SearchParams& params, SpecialOptions& special);

/// What of an index is in memory before the first query.
void add_resident(CommandLine& line, OpenParams& params);

/// Adds --force, which has `replace` overwrite any file; notes of `replace` go to stderr.
void add_force(CommandLine& line, ReplaceParams& replace, const std::string& option = "--output");

/// Throws Error(invalid_argument) unless --output was given, and names a file or folder, as `expected`.
void check_output(const std::string& output, const std::string& expected);

/// Throws Error(invalid_argument) if writing a file at `output` would destroy one of `inputs`.
void refuse_overwriting(const std::filesystem::path& output, const std::vector<std::filesystem::path>& inputs,
                        const std::string& option = "--output");

}  // namespace cassata::tools
