#include "tools/payload_files.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "cassata/condition.h"
#include "format/base/text.h"
#include "format/input/npy.h"
#include "format/os/file_reader.h"

namespace cassata::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string read_text(const FileReader& file) {
  std::string text(file.bytes(), '\0');
  file.read(std::as_writable_bytes(std::span(text)), 0);
  return text;
}

/// A number that i64 holds, or a float. Throws Error(invalid_argument), about `place`.
std::variant<std::int64_t, double> number_of(const Json& json, const std::string& place) {
  if (json.is_number_float()) return json.get<double>();
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{INT64_MAX})
    invalid_argument(place + json.dump() + " given, expected an integer of 64 bits");
  return json.get<std::int64_t>();
}

Payload::Ids read_external_ids(const std::filesystem::path& path) {
  if (path.extension() == ".npy") {
    NpyReader file(path, std::array<std::string_view, 1>{"<i8"}, {{1, "(rows,)"}});
    std::vector<std::int64_t> ids(file.rows());
    const std::span<const std::byte> bytes = file.next(ids.size());
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(ids)).begin());
    return ids;
  }
  Texts ids;
  for (const std::string& line : read_lines(path)) ids.append(line);
  return ids;
}

/// A field in the making. Its type is that of its first value; an integer becomes a float if another value is one.
class FieldReader {
 public:
  explicit FieldReader(std::string name, std::size_t rows) {
    column_.name = std::move(name);
    skip_to(rows);
  }

  /// Adds the value of row `row`; rows before it have none. Throws Error(invalid_argument), about `place`.
  void add(std::size_t row, const Json& value, const std::string& place) {
    skip_to(row);
    if (value.is_null()) return;
    if (value.is_boolean())
      get<Bools>(value, place).push_back(value.get<bool>());
    else if (value.is_string())
      get<Texts>(value, place).append(value.get_ref<const std::string&>());
    else if (value.is_number())
      add(number_of(value, place), value, place);
    else if (value.is_array() && std::ranges::all_of(value, &Json::is_string))
      add_tags(value, place);
    else
      invalid_argument(place + value.dump() +
                       " given, expected a number, true, false, a text, a list of texts or null");
    present_.push_back(true);
  }

  Column column(std::size_t rows) {
    skip_to(rows);
    std::visit([this](auto& values) { finish(values); }, values_);
    if (std::ranges::count(present_, false) != 0) {
      column_.present = Bitmap(present_.size());
      for (std::size_t row = 0; row < present_.size(); ++row)
        if (present_[row]) column_.present.set(row);
    }
    return std::move(column_);
  }

 private:
  using Integers = std::vector<std::int64_t>;
  using Floats = std::vector<double>;
  using Bools = std::vector<bool>;

  /// The values so far, of type T: those of the first row with one decide. Other rows have 0, false or nothing.
  template <class T>
  T& get(const Json& value, const std::string& place) {
    if (std::holds_alternative<std::monostate>(values_)) {
      T& values = values_.emplace<T>();
      for (std::size_t row = 0; row < present_.size(); ++row) append_nothing(values);
    }
    T* const values = std::get_if<T>(&values_);
    if (values == nullptr)
      invalid_argument(place + value.dump() +
                       " given, expected a value of the same type as in the rows before, or null");
    return *values;
  }

  void add(const std::variant<std::int64_t, double>& number, const Json& value, const std::string& place) {
    if (std::holds_alternative<double>(number)) {
      if (const auto* integers = std::get_if<Integers>(&values_)) values_ = Floats(integers->begin(), integers->end());
      get<Floats>(value, place).push_back(std::get<double>(number));
    } else if (auto* floats = std::get_if<Floats>(&values_)) {
      floats->push_back(static_cast<double>(std::get<std::int64_t>(number)));
    } else {
      get<Integers>(value, place).push_back(std::get<std::int64_t>(number));
    }
  }
  void add_tags(const Json& value, const std::string& place) {
    auto& lists = get<TextLists>(value, place);
    for (const Json& tag : value) lists.texts.append(tag.get_ref<const std::string&>());
    lists.end_list();
  }

  template <class T>
  static void append_nothing(std::vector<T>& values) {
    values.emplace_back();
  }
  static void append_nothing(Texts& texts) { texts.append({}); }
  static void append_nothing(TextLists& lists) { lists.end_list(); }
  static void append_nothing(std::monostate&) {}

  /// Rows up to `row` have no value.
  void skip_to(std::size_t row) {
    for (; present_.size() < row; present_.push_back(false))
      std::visit([](auto& values) { append_nothing(values); }, values_);
  }

  template <class T>
  void finish(T& values) {
    column_.values = std::move(values);
  }
  void finish(Bools& values) {
    Bitmap truths(values.size());
    for (std::size_t row = 0; row < values.size(); ++row)
      if (values[row]) truths.set(row);
    column_.values = std::move(truths);
  }
  /// A field without any value.
  void finish(std::monostate&) { column_.values = Integers(present_.size()); }

  Column column_;
  std::vector<bool> present_;
  std::variant<std::monostate, Integers, Floats, Bools, Texts, TextLists> values_;
};

std::vector<Column> read_fields(const std::filesystem::path& path) {
  std::vector<std::pair<std::string, FieldReader>> fields;
  const std::vector<std::string> lines = read_lines(path);
  for (std::size_t row = 0; row < lines.size(); ++row) {
    const std::string place = path.string() + ": line " + std::to_string(row + 1) + ": ";
    const Json object = Json::parse(lines[row], nullptr, false);
    if (!object.is_object()) invalid_argument(place + cassata::quoted(lines[row]) + ", expected an object of JSON");
    for (const auto& [name, value] : object.items()) {
      auto field = std::ranges::find(fields, name, &std::pair<std::string, FieldReader>::first);
      if (field == fields.end()) field = fields.emplace(fields.end(), name, FieldReader(name, row));
      field->second.add(row, value, place + cassata::quoted(name) + ": ");
    }
  }
  std::vector<Column> columns;
  for (auto& [name, field] : fields) columns.push_back(field.column(lines.size()));
  return columns;
}

Term term_of(const Json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number()) return std::visit([](auto number) { return Term(number); }, number_of(json, "filter: "));
  if (json.is_array()) {
    Term::List list;
    for (const Json& one : json) list.push_back(term_of(one));
    return list;
  }
  Term::Object object;
  for (const auto& [name, value] : json.items()) object.emplace_back(name, term_of(value));
  return object;
}

/// A condition in JSON. Throws Error(invalid_argument).
Condition parse_condition(std::string_view json) {
  const Json form = Json::parse(json, nullptr, false);
  if (form.is_discarded()) invalid_argument("filter: " + cassata::quoted(json) + " given, expected JSON");
  return Condition(term_of(form));
}

/// The row of an id as text, or of a row number in an index without ids. Throws Error(invalid_argument), about `place`.
Id row_of(const Index& index, const std::string& text, const std::string& place) {
  std::optional<Id> row;
  if (const auto number = parse_number<std::int64_t>(text)) row = index.row(*number);
  if (!row) row = index.row(std::string_view(text));
  if (!row)
    invalid_argument(
        place + cassata::quoted(text) + ", expected " +
        (index.external_ids() != nullptr ? "an id of the index" : "a row number below " + decimal(index.size())));
  return *row;
}

}  // namespace

void add_payload(CommandLine& line, PayloadFiles& files) {
  line.option("ids", "FILE", "",
              "the ids by which you know the vectors, all different: .npy of int64 (rows,), or one text a line",
              [&](const std::string& text) { files.ids = text; });
  line.option("fields", "FILE", "",
              "values of each vector, for filters: a JSON object a line, of numbers, texts, true or false, or lists of "
              "texts (tags); null or a missing name: no value",
              [&](const std::string& text) { files.fields = text; });
}

Payload read_payload(const PayloadFiles& files) {
  Payload payload;
  if (!files.ids.empty()) payload.ids = read_external_ids(files.ids);
  if (!files.fields.empty()) payload.fields = read_fields(files.fields);
  return payload;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  const std::string text = read_text(FileReader(path));
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    if (lines.back().ends_with('\r')) lines.back().pop_back();
    begin = end + 1;
  }
  return lines;
}

void add_filter(CommandLine& line, FilterChoices& filter, const std::string& condition, const std::string& ids) {
  line.option("filter", "JSON", "",
              "a condition over fields that " + condition + ", such as {\"size\": {\"$lt\": 1000}} (docs/payload.md)",
              [&](const std::string& text) { filter.condition = text; });
  line.option("filter-ids", "FILE", "", "the ids that " + ids + ", one a line",
              [&](const std::string& text) { filter.ids = text; });
}

std::shared_ptr<const Bitmap> filter_of(const Index& index, const FilterChoices& filter) {
  std::shared_ptr<const Bitmap> by_condition;
  if (filter.condition) by_condition = index.rows_where(parse_condition(*filter.condition));
  if (filter.ids.empty()) return by_condition;
  Bitmap rows(index.size());
  const std::vector<std::string> lines = read_lines(filter.ids);
  for (std::size_t i = 0; i < lines.size(); ++i)
    rows.set(row_of(index, lines[i], filter.ids.string() + ": line " + decimal(i + 1) + ": "));
  if (by_condition) rows &= *by_condition;
  return std::make_shared<const Bitmap>(std::move(rows));
}

}  // namespace cassata::tools
