// The table of parameters: every option of a build, a search and other operations, with name, type, range, help and the
// indexes that have it. The command line's options, Python's keyword arguments, the provenance in a file, error
// messages and the tables in docs/ come from it. The structs in params.h hold the defaults.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cassata/error.h"
#include "cassata/params.h"
#include "cassata/recommend.h"
#include "cassata/two_level.h"

namespace cassata {

/// The value of a parameter; none: std::monostate.
using Value = std::variant<std::monostate, bool, std::uint64_t, double, std::string>;

enum class ParameterType {
  whole,   ///< a number of 0 or more: std::uint64_t
  real,    ///< double
  flag,    ///< bool
  choice,  ///< one of some names: std::string in small letters
  path,    ///< std::string
  bytes,   ///< std::uint64_t; may be given as a text such as "512MiB"
};

/// The indexes that have a parameter.
struct Applies {
  std::span<const std::string_view> tags;  ///< for documentation: kinds, kinds of vectors, encodings, stages
  std::string_view text;                   ///< for messages, after "expected only with"
  bool (*to)(const IndexSchema& schema);
};

/// Whether a value is written into the file's provenance, where the index has the parameter.
enum class Recorded { no, if_changed, always };

/// One parameter, whatever struct holds it.
struct ParameterInfo {
  std::string_view name;         ///< as in Python and in messages: "ef_construction"
  std::string_view option = {};  ///< on the command line, if it is not the name with dashes: "force,f", ",k"
  ParameterType type = ParameterType::whole;
  double minimum = 0, maximum = std::numeric_limits<double>::infinity();
  bool above_minimum = false;                       ///< the minimum itself is out of range
  std::vector<std::string> (*choices)() = nullptr;  ///< the names of a choice
  const Applies* applies = nullptr;                 ///< null: every index has it
  bool ignored_elsewhere = false;                   ///< other indexes ignore it instead of refusing it
  std::string_view usual = {};                      ///< the default in words, where the struct's default does not apply
  Recorded recorded = Recorded::no;
  std::string_view help;                 ///< one line; other parameters by their names
  std::string (*more_help)() = nullptr;  ///< the rest of that line, if tables have it
};

/// One parameter in a struct of `Params`, read by `get` and written by `set`, which takes values that were checked.
template <class Params>
struct Parameter : ParameterInfo {
  Value (*get)(const Params&) = nullptr;
  void (*set)(Params&, const Value&) = nullptr;
};

/// In the order in which they must be set, starting from usual_build().
std::span<const Parameter<BuildParams>> build_parameters();
std::span<const Parameter<SearchParams>> search_parameters();
std::span<const Parameter<OpenParams>> open_parameters();
std::span<const Parameter<RecommendParams>> recommend_parameters();
std::span<const Parameter<TwoLevelChoices>> two_level_parameters();
std::span<const Parameter<TokenChoices>> join_parameters();

/// The default parameters of a build.
BuildParams usual_build(VectorKind vectors);

/// Its option on the command line: "-m", "--ef-construction".
std::string option_name(const ParameterInfo& parameter);
/// What --help and documentation say of it.
std::string help_of(const ParameterInfo& parameter);
/// "a whole number from 2 to 512".
std::string expected_text(const ParameterInfo& parameter);
/// A value as text, for messages, provenance and documentation; empty for none.
std::string value_text(const Value& value);
/// Reads `text` as a user types it. Throws Error(invalid_argument), as check_value().
Value parse_value(const ParameterInfo& parameter, std::string_view text);
/// Throws Error(invalid_argument) for a value of another type, or out of range; names are checked when they are set.
void check_value(const ParameterInfo& parameter, const Value& value);
/// The row of that name in any of the tables; null: none.
const ParameterInfo* find_parameter(std::string_view name);

/// Whether an index takes the parameter, or ignores it.
inline bool has(const IndexSchema& schema, const ParameterInfo& parameter) {
  return parameter.applies == nullptr || parameter.ignored_elsewhere || parameter.applies->to(schema);
}

/// Whether some values of the parameter's type are out of range.
inline bool bounded(const ParameterInfo& parameter) {
  return parameter.minimum > 0 || parameter.maximum < std::numeric_limits<double>::infinity();
}

/// Throws Error(invalid_argument) for the first value of `params` that is out of range.
template <class Params>
void check_values(const Params& params, std::span<const Parameter<Params>> table) {
  for (const Parameter<Params>& row : table) {
    if (!bounded(row)) continue;
    if (const Value value = row.get(params); value.index() != 0) check_value(row, value);
  }
}

/// Throws Error(invalid_argument) for a name that is none of `known`.
[[noreturn]] void refuse_unknown(std::string_view name, std::span<const std::string_view> known);

/// Values given by a user, in any order.
template <class Params>
class Given {
 public:
  explicit Given(std::span<const Parameter<Params>> table) : table_(table), values_(table.size()) {}

  /// Checks type and range. Throws Error(invalid_argument) naming the parameter; so do all functions for a name that is
  /// not in the table.
  void give(std::string_view name, Value value) {
    const std::size_t i = place(name);
    check_value(table_[i], value);
    values_[i] = std::move(value);
  }
  /// The same for a text, as parse_value() reads it.
  void give_text(std::string_view name, std::string_view text) {
    const std::size_t i = place(name);
    values_[i] = parse_value(table_[i], text);
  }
  /// The value; none if it is not given.
  const Value& value(std::string_view name) const { return values_[place(name)]; }
  bool given(std::string_view name) const { return value(name).index() != 0; }
  /// Sets all given values in `params`, in the table's order. Throws Error(invalid_argument), e.g. for the name
  /// of an unknown metric.
  void apply(Params& params) const {
    for (std::size_t i = 0; i < table_.size(); ++i)
      if (values_[i].index() != 0) table_[i].set(params, values_[i]);
  }
  /// The first given parameter that all `indexes` refuse; null: none.
  const ParameterInfo* unused(std::span<const IndexSchema> indexes) const {
    for (std::size_t i = 0; i < table_.size(); ++i)
      if (const Value& value = values_[i];
          value.index() != 0 && value != Value(false) &&
          std::ranges::none_of(indexes, [&](const IndexSchema& index) { return has(index, table_[i]); }))
        return &table_[i];
    return nullptr;
  }

 private:
  std::size_t place(std::string_view name) const {
    const auto row = std::ranges::find(table_, name, &ParameterInfo::name);
    if (row != table_.end()) return static_cast<std::size_t>(row - table_.begin());
    std::vector<std::string_view> known;
    for (const ParameterInfo& one : table_) known.push_back(one.name);
    refuse_unknown(name, known);
  }

  std::span<const Parameter<Params>> table_;
  std::vector<Value> values_;
};

/// "given, expected only with kind 'postings'", to follow the parameter's name.
std::string unused_text(const ParameterInfo& parameter);

/// The parameters of a build. Throws Error(invalid_argument) for one that the index does not have.
BuildParams build_params(const Given<BuildParams>& given, VectorKind vectors);

/// The name of the class of such indexes (docs/python.md lists them); empty: none.
std::string_view class_name_of(const IndexSchema& schema);

/// A class of indexes, for documentation; several may have one name.
struct IndexClass {
  std::string_view name;
  VectorKind vector_kind;
  Kind kind;
  Role role;  ///< of the second stage; traversal: the first stage has traversal-only codes; search: one stage
  std::vector<std::string> first = {}, second = {};  ///< names of encodings
  std::vector<std::string> metrics = {};
};
std::vector<IndexClass> index_classes();

/// The parameters of a build that its file's provenance records, by name.
std::vector<std::pair<std::string, Value>> recorded(const BuildParams& params);
/// The same without the parameters that the class determines: the arguments of its build, besides the collection.
std::vector<std::pair<std::string, Value>> arguments_of(const BuildParams& params);

}  // namespace cassata
