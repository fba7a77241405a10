// Conditions over the fields of an index, in the form of MongoDB's query documents.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cassata/bitmap.h"
#include "cassata/payload.h"

namespace cassata {

/// A time: a number of units since 1970-01-01T00:00:00 UTC.
struct Timestamp {
  std::int64_t value = 0;
  TimeUnit unit = TimeUnit::seconds;
};

/// A condition as JSON or Python has it, without meaning: Condition gives it one.
struct Term {
  using List = std::vector<Term>;
  using Object = std::vector<std::pair<std::string, Term>>;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Timestamp, List, Object> content;

  Term() = default;
  template <class T>
  Term(T value) : content(std::move(value)) {}            // NOLINT: implicit, so that trees can be written as lists
  Term(const char* text) : content(std::string(text)) {}  // NOLINT
  Term(int value) : content(std::int64_t{value}) {}       // NOLINT
};

/// A condition: which rows does it select? Copies are cheap. Any number of threads.
///
///   {"section": "games", "size": {"$lt": 1000, "$exists": true}, "$or": [{"a": 1}, {"b": {"$in": ["x", "y"]}}]}
///
/// An object joins its conditions by "and". Operators of a field: $eq (also without an object: the value alone), $ne,
/// $gt, $gte, $lt, $lte, $in, $nin, $exists, $contains, $not; of conditions: $and, $or, $not. A row without a value
/// fulfils no comparison; $ne, $nin and $not are the complements of $eq, $in and their condition. A list of tags
/// fulfils a comparison if one of its tags does. $contains: a list of tags has the tag, or a text holds the text.
/// Numbers are compared by value, integers with floats, without rounding. A NaN fulfils no comparison. Texts are
/// compared bytewise. Timestamps are compared with times in any unit, or with texts in the form of ISO 8601.
class Condition {
 public:
  /// Throws Error(invalid_argument) for an unknown operator or a wrong operand, naming it.
  explicit Condition(const Term& form);

  /// The condition in one form: equal texts select the same rows.
  const std::string& text() const noexcept { return text_; }

  /// The rows that the condition selects. Throws Error(invalid_argument) for a field that is not there, or that cannot
  /// be compared with the condition's value, naming field, operator, value and what is expected; corrupt.
  Bitmap rows(const Fields& fields) const;

 private:
  struct Node;
  class Scan;
  std::shared_ptr<const Node> root_;
  std::string text_;
};

}  // namespace cassata
