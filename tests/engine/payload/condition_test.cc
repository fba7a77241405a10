// Conditions: the rows that plain code selects from the columns, and an error for each that has no meaning.
#include "cassata/condition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "tests/engine/payload/mapped_payload.h"
#include "tests/engine/payload/random_columns.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace cassata::condition_test {
namespace {

using namespace test;
using Object = Term::Object;
using List = Term::List;

/// A condition, and what it says of a row.
struct Case {
  Term form;
  std::function<bool(std::size_t row)> holds;
};

/// -1, 0 or 1 as `a` is less than `b`, equal or greater; none: they do not compare. All numbers fit a long double.
using Order = std::optional<int>;
template <class T>
Order order_of(const T& a, const T& b) {
  if (a < b) return -1;
  if (a > b) return 1;
  return a == b ? Order(0) : std::nullopt;
}

struct Comparison {
  const char* name;
  std::function<bool(Order)> holds;
  bool complement = false;
};
const std::vector<Comparison> kComparisons = {
    {"$eq", [](Order o) { return o == 0; }},  {"$ne", [](Order o) { return o == 0; }, true},
    {"$gt", [](Order o) { return o == 1; }},  {"$gte", [](Order o) { return o == 1 || o == 0; }},
    {"$lt", [](Order o) { return o == -1; }}, {"$lte", [](Order o) { return o == -1 || o == 0; }}};

/// Nanoseconds since 1970, which a long double cannot hold.
__int128 nanoseconds(std::int64_t value, TimeUnit unit) {
  __int128 out = value;
  for (int i = static_cast<int>(unit); i < static_cast<int>(TimeUnit::nanoseconds); ++i) out *= 1000;
  return out;
}

/// A value to compare a column with, and how those of a row compare with it: of tags one or more.
struct Value {
  Term term;
  std::function<std::vector<Order>(std::size_t row)> orders;
};

Value random_value(Random& random, const Column& column) {
  switch (column.type()) {
    case FieldType::int64:
    case FieldType::float64: {
      const bool whole = random() % 2;
      const std::int64_t integer = random_integer(random);
      const double real = random_float(random);
      const long double value = whole ? static_cast<long double>(integer) : static_cast<long double>(real);
      return {whole ? Term(integer) : Term(real), [&column, value](std::size_t row) {
                const long double own = column.type() == FieldType::int64
                                            ? static_cast<long double>(std::get<0>(column.values)[row])
                                            : static_cast<long double>(std::get<1>(column.values)[row]);
                return std::vector{order_of(own, value)};
              }};
    }
    case FieldType::timestamp: {
      const Timestamp time{
          random() % 2 ? random_integer(random) : static_cast<std::int64_t>(below(random, 2000)) * 1000,
          static_cast<TimeUnit>(random() % 4)};
      return {
          time, [&column, time](std::size_t row) {
            const auto& own = std::get<Timestamps>(column.values);
            return std::vector{order_of(nanoseconds(own.values[row], own.unit), nanoseconds(time.value, time.unit))};
          }};
    }
    case FieldType::boolean: {
      const bool truth = random() % 2;
      return {truth, [&column, truth](std::size_t row) {
                return std::vector{order_of(std::get<Bitmap>(column.values).test(row), truth)};
              }};
    }
    case FieldType::text:
    case FieldType::tags: break;
  }
  const std::string text = random_word(random);
  return {text, [&column, text](std::size_t row) {
            if (column.type() == FieldType::text)
              return std::vector{order_of(std::get<Texts>(column.values)[row], std::string_view(text))};
            std::vector<Order> orders;
            for (const std::string& tag : tags_of(column, row)) orders.push_back(order_of(tag, text));
            return orders;
          }};
}

/// A condition on one column.
Case random_comparison(Random& random, const Column& column) {
  const auto field = [&](const char* name, const Term& value) {
    const Object operators = {{name, value}};
    return Object{{column.name, operators}};
  };
  const std::size_t style = random() % 6;
  if (style == 0) {
    const bool wanted = random() % 2;
    return {field("$exists", wanted), [&column, wanted](std::size_t row) { return column.has(row) == wanted; }};
  }
  if (style == 1) {
    const bool complement = random() % 2;
    std::vector<Value> values;
    List list;
    for (std::size_t i = below(random, 25); i > 0; --i) {
      values.push_back(random_value(random, column));
      list.push_back(values.back().term);
    }
    return {field(complement ? "$nin" : "$in", list), [&column, values, complement](std::size_t row) {
              const bool in = column.has(row) && std::ranges::any_of(values, [&](const Value& value) {
                                return std::ranges::count(value.orders(row), Order(0)) != 0;
                              });
              return in != complement;
            }};
  }
  if (style == 2 && (column.type() == FieldType::text || column.type() == FieldType::tags)) {
    const std::string text = random_word(random);
    return {field("$contains", text), [&column, text](std::size_t row) {
              if (!column.has(row)) return false;
              return column.type() == FieldType::tags
                         ? tags_of(column, row).contains(text)
                         : std::get<Texts>(column.values)[row].find(text) != std::string::npos;
            }};
  }
  const Comparison& comparison = kComparisons[random() % (column.type() == FieldType::boolean ? 2 : 6)];
  const Value value = random_value(random, column);
  const bool bare = std::string(comparison.name) == "$eq" && random() % 2;
  return {bare ? Object{{column.name, value.term}} : field(comparison.name, value.term),
          [&column, value, comparison](std::size_t row) {
            const bool some = column.has(row) && std::ranges::any_of(value.orders(row), comparison.holds);
            return some != comparison.complement;
          }};
}

Case random_condition(Random& random, const std::vector<Column>& columns, int depth) {
  const std::size_t style = depth == 0 ? 0 : random() % 5;
  if (style < 2) return random_comparison(random, columns[below(random, columns.size())]);
  if (style == 2) {
    const Case inner = random_condition(random, columns, depth - 1);
    return {Object{{"$not", inner.form}}, [inner](std::size_t row) { return !inner.holds(row); }};
  }
  List list;
  std::vector<Case> parts;
  for (std::size_t i = 1 + below(random, 3); i > 0; --i) {
    parts.push_back(random_condition(random, columns, depth - 1));
    list.push_back(parts.back().form);
  }
  const bool any = style == 3;
  return {Object{{any ? "$or" : "$and", list}}, [parts, any](std::size_t row) {
            const auto holds = [&](const Case& part) { return part.holds(row); };
            return any ? std::ranges::any_of(parts, holds) : std::ranges::all_of(parts, holds);
          }};
}

TEST(Condition, SelectsTheRowsThatPlainCodeSelects) {
  const TempDir folder;
  std::size_t selected = 0, total = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t size = 1 + below(random, 200);
    const std::vector<Column> columns = random_columns(random, size);
    const auto file = write_payload(folder / "index", {.ids = {}, .fields = columns}, size);
    const Fields fields(*file);
    for (std::size_t i = 0; i < 60; ++i) {
      const Case c = random_condition(random, columns, static_cast<int>(i % 4));
      const Condition condition(c.form);
      const Bitmap found = condition.rows(fields);
      ASSERT_EQ(found.size(), size);
      for (std::size_t row = 0; row < size; ++row)
        ASSERT_EQ(found.test(row), c.holds(row)) << "row " << row << ": " << condition.text();
      selected += found.count();
      total += size;
    }
  }
  EXPECT_GT(selected, total / 5);
  EXPECT_LT(selected, total * 4 / 5);
}

/// A file of some fields, each with two rows.
class Conditions : public ::testing::Test {
 protected:
  Conditions() {
    Texts texts;
    TextLists lists;
    for (const char* text : {"games", "news"}) {
      texts.append(text);
      lists.texts.append(text);
      lists.end_list();
    }
    Bitmap truths(2);
    truths.set(1);
    file_ = write_payload(
        folder_ / "index",
        {.ids = {},
         .fields = {{"size", std::vector<std::int64_t>{1000, 2000}},
                    {"weight", std::vector<double>{0.5, 1.5}},
                    {"public", truths},
                    {"date", Timestamps{TimeUnit::milliseconds, {1706702400000, 1706702400001}}},  // 2024-01-31T12:00
                    {"section", texts},
                    {"topics", lists}}},
        2);
    fields_ = std::make_unique<const Fields>(*file_);
  }
  std::vector<std::size_t> rows(const Term& form) const {
    std::vector<std::size_t> out;
    Condition(form).rows(*fields_).for_each([&](std::size_t row) { out.push_back(row); });
    return out;
  }
  void refuse(const Term& form, const std::string& message) const {
    SCOPED_TRACE(message);
    expect_error(Errc::invalid_argument, {message}, [&] { rows(form); });
  }
  static Term field(const char* name, const char* what, const Term& value) {
    const Object operators = {{what, value}};
    return Object{{name, operators}};
  }

 private:
  TempDir folder_;
  std::shared_ptr<const MappedFile> file_;
  std::unique_ptr<const Fields> fields_;
};

using Rows = std::vector<std::size_t>;

TEST_F(Conditions, KeysOfAnObjectAreJoinedByAnd) {
  const Object between = {{"$gt", 999}, {"$lte", 1999.5}};
  EXPECT_EQ(rows(Object{{"section", "games"}, {"size", between}}), Rows{0});
  EXPECT_EQ(rows(Object{{"section", "news"}, {"size", between}}), Rows{});
  EXPECT_EQ(rows(Object{}), (Rows{0, 1}));
  const Object not_games = {{"$not", Object{{"$eq", "games"}}}};
  EXPECT_EQ(rows(Object{{"section", not_games}}), Rows{1});
}

TEST_F(Conditions, TimesAreReadInTheFormOfIso8601) {
  for (const char* noon : {"2024-01-31T12:00", "2024-01-31 12:00:00", "2024-01-31T12:00:00Z", "2024-01-31T12:00:00.000",
                           "2024-01-31T13:00+01:00", "2024-01-30T23:30:00.0-12:30", "2024-01-31T12:00:00.000000000Z"}) {
    EXPECT_EQ(rows(field("date", "$eq", noon)), Rows{0}) << noon;
    EXPECT_EQ(rows(field("date", "$gt", noon)), Rows{1}) << noon;
  }
  EXPECT_EQ(rows(field("date", "$gt", "2024-01-31T12:00:00.0005")), Rows{1});
  EXPECT_EQ(rows(field("date", "$lte", "2024-01-31T12:00:00.001999999")), (Rows{0, 1}));
  EXPECT_EQ(rows(field("date", "$lt", "2024-02-01")), (Rows{0, 1}));
  EXPECT_EQ(rows(field("date", "$gte", "0001-01-01")), (Rows{0, 1}));
  for (const char* wrong : {"", "2024", "2024-02-30", "2024-1-31", "2024-01-31T", "2024-01-31T24:00",
                            "2024-01-31T12:00:", "2024-01-31T12:00:00.", "2024-01-31T12:00+1", "2024-01-31 x",
                            "2024-01-31T12:00:00.0000000001", "9999-01-01T00:00:00.000000001"})
    refuse(field("date", "$eq", wrong),
           std::string("filter: 'date': $eq \"") + wrong +
               "\" given, expected a time, such as \"2024-01-31\" or \"2024-01-31T12:30:00Z\", as the field is of type "
               "timestamp");
}

TEST_F(Conditions, RefusesWhatHasNoMeaning) {
  refuse("games", "filter: \"games\" given, expected an object of fields and conditions");
  refuse(Object{{"$nor", List{Object{}}}}, "filter: unknown operator '$nor', did you mean '$or'?");
  refuse(Object{{"$where", "x"}}, "filter: unknown operator '$where', expected one of '$and', '$or', '$not'");
  refuse(Object{{"$and", List{}}}, "filter: $and: [] given, expected a list of at least 1 condition");
  refuse(Object{{"$or", Object{}}}, "filter: $or: {} given, expected a list of at least 1 condition");
  refuse(Object{{"$not", 3}}, "filter: 3 given, expected an object of fields and conditions");
  refuse(field("size", "$lessthan", 3), "filter: 'size': unknown operator '$lessthan', expected one of '$eq', '$ne', ");
  refuse(field("size", "$let", 3), "filter: 'size': unknown operator '$let', did you mean '$lt'?");
  refuse(Object{{"size", Object{}}}, "filter: 'size': {} given, expected an operator, such as {\"$lt\": 1000}");
  refuse(Object{{"size", Term()}}, "filter: 'size': $eq null given, expected a value; $exists finds rows");
  refuse(Object{{"size", List{1, 2}}}, "filter: 'size': $eq [1, 2] given, expected a value; $in takes a list of them");
  refuse(field("size", "$in", 3), "filter: 'size': $in 3 given, expected a list of values");
  refuse(field("size", "$in", List{List{}}), "filter: 'size': $in [[]] given, expected a value; $in takes a list");
  refuse(field("size", "$exists", 1), "filter: 'size': $exists 1 given, expected true or false");
  refuse(field("size", "$not", 1), "filter: 'size': $not 1 given, expected an object of operators");
  refuse(field("sise", "$eq", 1), "filter: unknown field 'sise', did you mean 'size'?");
  refuse(field("author", "$eq", 1), "filter: unknown field 'author', expected one of 'size', 'weight', 'public', ");
  refuse(field("size", "$lt", "big"),
         "filter: 'size': $lt \"big\" given, expected a number, as the field is of type int64");
  refuse(field("size", "$eq", true), "filter: 'size': $eq true given, expected a number");
  refuse(field("weight", "$nin", List{1, false}), "filter: 'weight': $nin false given, expected a number");
  refuse(field("size", "$contains", 1), "filter: 'size': $contains 1 given, expected a comparison");
  refuse(field("public", "$lt", true), "filter: 'public': $lt true given, expected $eq, $ne, $in, $nin or $exists");
  refuse(field("public", "$eq", 1), "filter: 'public': $eq 1 given, expected true or false");
  refuse(field("date", "$eq", 1706702400), "filter: 'date': $eq 1706702400 given, expected a time");
  refuse(field("section", "$eq", 1.5), "filter: 'section': $eq 1.5 given, expected a text");
  refuse(field("topics", "$contains", 1), "filter: 'topics': $contains 1 given, expected a text");
  refuse(field("size", "$eq", std::string(100, 'x')), "xxx... given, expected a number");
  Term deep = Object{};
  for (int i = 0; i < 200; ++i) deep = Object{{"$not", deep}};
  refuse(deep, "filter: conditions within more than 100 others");
}

TEST_F(Conditions, TheTextNamesTheCondition) {
  const Object part = {{"$lt", 1.5}, {"$ne", true}};
  EXPECT_EQ(Condition(Object{{"a\"\\", part}, {"b", Object{{"$in", List{"x", -1}}}}}).text(),
            R"({"a\"\\": {"$lt": 1.5, "$ne": true}, "b": {"$in": ["x", -1]}})");
}

}  // namespace
}  // namespace cassata::condition_test
