#include "tools/command.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <sstream>
#include <utility>

#include "format/file/mapped_file.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace po = boost::program_options;

std::string with_options(std::string_view message, bool help) {
  const bool combination = message.starts_with("unsupported combination: ");  // of parameters and their values
  std::string text;
  for (std::size_t begin = 0, end; begin < message.size(); begin = end) {
    end = std::min(message.find(' ', begin), message.size());
    std::string_view word = message.substr(begin, end - begin);
    while (!word.empty() && std::string_view(":,;)").find(word.back()) != std::string_view::npos) word.remove_suffix(1);
    const bool leads = begin == 0 && message.substr(word.size()).starts_with(": ");
    const ParameterInfo* const row = find_parameter(word);
    const bool name = leads || combination || word.find('_') != word.npos || (help && row && row->option.size() > 2);
    text += row && name ? option_name(*row) : std::string(word);
    text += message.substr(begin + word.size(), end - begin - word.size());
    if (end < message.size()) text += message[end++];
  }
  return text;
}

CommandLine::CommandLine(std::string synopsis, std::string about)
    : synopsis_(std::move(synopsis)), about_(std::move(about)) {
  options_.add_options()("help,h", "print this help");
}

void CommandLine::argument(const char* name, std::string& into) {
  hidden_.add_options()(name, po::value(&into));
  positions_.add(name, 1);
  required_.push_back(name);
}

void CommandLine::arguments(const char* name, std::vector<std::string>& into) {
  hidden_.add_options()(name, po::value(&into));
  positions_.add(name, -1);
  required_.push_back(name);
}

void CommandLine::option(const char* names, const char* value_name, const std::string& standing,
                         const std::string& help, std::function<void(const std::string&)> set) {
  const std::string_view all = names;
  const std::string shown =
      all.front() == ',' ? "-" + std::string(all.substr(1)) : "--" + std::string(all.substr(0, all.find(',')));
  auto* value = po::value<std::string>()
                    ->value_name(value_name)
                    ->notifier([shown, set = std::move(set)](const std::string& text) {
                      try {
                        set(text);
                      } catch (const Error& error) {
                        throw Error(error.code(), shown + ": " + error.what());
                      }
                    });
  options_.add_options()(names, value, (standing.empty() ? help : help + " (default: " + standing + ")").c_str());
}

void CommandLine::flag(const char* names, bool& into, const std::string& help) {
  options_.add_options()(names, po::bool_switch(&into), help.c_str());
}

void CommandLine::parameter(const ParameterInfo& row, const Value& standing, std::function<void(const Value&)> give) {
  static constexpr const char* kValueNames[] = {"N", "N", "", "NAME", "FILE", "SIZE"};
  std::string names(row.option.empty() ? row.name : row.option);
  std::ranges::replace(names, '_', '-');
  std::string help = with_options(help_of(row), true);
  if (row.applies != nullptr) help += "; only " + std::string(row.applies->text);
  if (row.type == ParameterType::flag) {
    const auto on = [give = std::move(give)](bool given) {
      if (given) give(true);
    };
    options_.add_options()(names.c_str(), po::bool_switch()->notifier(on), help.c_str());
    return;
  }
  std::string usual(row.usual);
  if (const std::string held = value_text(standing); !held.empty()) usual += (usual.empty() ? "" : ", else ") + held;
  if (!usual.empty()) help += " (default: " + usual + ")";
  auto* value =
      po::value<std::string>()
          ->value_name(kValueNames[static_cast<std::size_t>(row.type)])
          ->notifier([&row, give = std::move(give)](const std::string& text) { give(parse_value(row, text)); });
  options_.add_options()(names.c_str(), value, help.c_str());
}

std::string CommandLine::nearest(const std::string& option) const {
  std::string wanted = option, best;
  std::ranges::replace(wanted, '_', '-');
  std::ranges::transform(wanted, wanted.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::size_t least = 1 + wanted.size() / 4;
  for (const auto& known : options_.options()) {
    std::istringstream names(known->format_name());  // "-o [ --output ]"
    for (std::string name; names >> name;) {
      if (!name.starts_with('-')) continue;
      const bool short_one = name.size() == 2;
      const std::size_t distance =
          short_one ? (wanted.substr(wanted.find_first_not_of('-')) == name.substr(1) ? 0 : wanted.size())
                    : cassata::edit_distance(wanted, name);
      if (distance < least || (distance == 0 && best.empty())) least = distance, best = name;
    }
  }
  return best;
}

bool CommandLine::parse(const Words& words) {
  const auto end = std::ranges::find(words, "--");
  if (std::any_of(words.begin(), end, [](const std::string& word) {
        return word == "--help" || word == "-h";
      })) {  // also behind an option with a value
    print(help());
    return false;
  }
  po::options_description all;
  all.add(options_).add(hidden_);
  po::variables_map given;
  constexpr int kNoGuessing = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
  try {
    po::store(po::command_line_parser(words).options(all).positional(positions_).style(kNoGuessing).run(), given);
  } catch (const po::unknown_option& error) {
    const std::string option = error.get_option_name(), known = nearest(option);
    throw UnknownOption(option, "no option " + cassata::quoted(option) +
                                    (known.empty() ? "; see" : "; did you mean " + known + "? See") + " 'cassata " +
                                    synopsis_.substr(0, synopsis_.find(' ')) + " --help'");
  } catch (const po::too_many_positional_options_error&) {
    invalid_argument("too many arguments; usage: cassata " + synopsis_);
  }
  check_arguments(given);
  po::notify(given);
  return true;
}

bool CommandLine::has(const std::string& option) const {
  return options_.find_nothrow(option.starts_with("--") ? option.substr(2) : option, false) != nullptr;
}

void CommandLine::check_arguments(const po::variables_map& given) const {
  for (const char* name : required_) {
    if (given.count(name) == 0) invalid_argument(std::string(name) + " is missing; usage: cassata " + synopsis_);
    const auto* const one = boost::any_cast<std::string>(&given[name].value());
    const auto* const all = boost::any_cast<std::vector<std::string>>(&given[name].value());
    if (one != nullptr ? one->empty() : std::ranges::count(*all, "") != 0)
      invalid_argument(std::string(name) + ": '' given, expected a path");
  }
}

std::string CommandLine::help() const {
  std::ostringstream text;
  text << "Usage: cassata " << synopsis_ << "\n\n" << about_ << "\n\n" << options_;
  return text.str();
}

void check_used(const Given<SearchParams>& given, std::span<const Index> indexes) {
  std::vector<IndexSchema> schemas;
  std::string held;
  for (const Index& index : indexes) {
    schemas.push_back(index.manifest().schema);
    held += "; " + index.file().path() + " holds a " + std::string(index.class_name());
  }
  if (const ParameterInfo* const row = given.unused(schemas))
    invalid_argument(std::string(row->name) + ": " + unused_text(*row) + held);
}

void add_resident(CommandLine& line, OpenParams& params) {
  line.parameters(open_parameters(), params, {"verify", "lock"});
}

ReplaceParams replacing(bool overwrite) {
  return {.overwrite = overwrite, .option = "--force", .note = [](const std::string& message) {
            std::fprintf(stderr, "cassata: note: %s\n", printable(message).c_str());
          }};
}

void add_force(CommandLine& line, ReplaceParams& replace, const std::string& option) {
  line.flag(
      "force,f", replace.overwrite,
      "let " + option + " replace any file; otherwise only an empty file or one of the kind that this command writes");
  replace = replacing(replace.overwrite);
}

void check_output(const std::string& output, const std::string& expected) {
  if (output.empty()) invalid_argument("--output: none given, expected " + expected);
  if (output == "-")
    invalid_argument("--output: '-' given, which means standard output, expected " + expected +
                     " (./- is a file of that name)");
}

void check_output_file(const std::string& output) {
  check_output(output, "the index file to write");
  if (output.ends_with('/')) invalid_argument("--output: " + cassata::quoted(output) + " given, expected a file");
}

void refuse_overwriting(const std::filesystem::path& output, const std::vector<std::filesystem::path>& inputs,
                        const std::string& option) {
  std::error_code absent;
  if (!std::filesystem::is_regular_file(output, absent))
    return;  // to write to a terminal that was read from destroys nothing
  for (const std::filesystem::path& input : inputs)
    if (std::filesystem::equivalent(output, input, absent))
      invalid_argument(option + ": " + output.string() + " is the input itself");
}

}  // namespace cassata::tools
