#include "cassata/condition.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "cassata/error.h"
#include "engine/kernels/column_scan.h"
#include "engine/payload/fields.h"
#include "format/base/text.h"

namespace cassata {
namespace {

enum class Operator { eq, gt, gte, lt, lte, in, exists, contains, negation, all, any };

/// Operators by name. $ne and $nin are complements of $eq and $in.
struct OperatorRow {
  std::string_view name;
  Operator what;
  bool complement = false;
};
constexpr std::array<OperatorRow, 11> kOfFields = {{{"$eq", Operator::eq},
                                                    {"$ne", Operator::eq, true},
                                                    {"$gt", Operator::gt},
                                                    {"$gte", Operator::gte},
                                                    {"$lt", Operator::lt},
                                                    {"$lte", Operator::lte},
                                                    {"$in", Operator::in},
                                                    {"$nin", Operator::in, true},
                                                    {"$exists", Operator::exists},
                                                    {"$contains", Operator::contains},
                                                    {"$not", Operator::negation}}};
constexpr std::array<OperatorRow, 3> kOfConditions = {
    {{"$and", Operator::all}, {"$or", Operator::any}, {"$not", Operator::negation}}};

/// Conditions within conditions; a limit, since each takes some of the stack.
constexpr int kDeepest = 100;

void append_text(const Term& term, std::string& out);

void append_text(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void append_text(const Term::List& list, std::string& out) {
  out += '[';
  for (const Term& one : list) {
    if (&one != list.data()) out += ", ";
    append_text(one, out);
  }
  out += ']';
}

void append_text(const Term::Object& object, std::string& out) {
  out += '{';
  for (const auto& [name, value] : object) {
    if (&name != &object.front().first) out += ", ";
    append_text(name, out);
    out += ": ";
    append_text(value, out);
  }
  out += '}';
}

void append_text(const Term& term, std::string& out) {
  std::visit(
      [&](const auto& held) {
        using T = std::remove_cvref_t<decltype(held)>;
        if constexpr (std::is_same_v<T, std::monostate>)
          out += "null";
        else if constexpr (std::is_same_v<T, bool>)
          out += held ? "true" : "false";
        else if constexpr (std::is_arithmetic_v<T>)
          out += decimal(held);
        else if constexpr (std::is_same_v<T, Timestamp>)
          out += decimal(held.value) + " " + std::string(name_of(held.unit)) + " since 1970";
        else
          append_text(held, out);
      },
      term.content);
}

/// A term as messages show it.
std::string shown(const Term& term) {
  std::string text;
  append_text(term, text);
  constexpr std::size_t kLongest = 60;
  return printable(std::string_view(text).substr(0, kLongest)) + (text.size() > kLongest ? "..." : "");
}

[[noreturn]] void refuse(const std::string& what) { invalid_argument("filter: " + what); }

/// "did you mean 'size'?", or "expected one of 'size', 'date'".
template <class Range, class NameOf>
std::string hint(std::string_view name, const Range& known, NameOf name_of) {
  std::string_view best;
  std::size_t least = 1 + name.size() / 4;
  for (const auto& one : known)
    if (const std::size_t edits = edit_distance(name, std::invoke(name_of, one));
        edits < least || (edits == least && best.empty()))
      least = edits, best = std::invoke(name_of, one);
  if (!best.empty()) return "did you mean " + quoted(best) + "?";
  return "expected one of " + quoted_list(known, name_of);
}

template <std::size_t kCount>
const OperatorRow& operator_of(std::string_view name, const std::array<OperatorRow, kCount>& known,
                               const std::string& place) {
  const auto row = std::ranges::find(known, name, &OperatorRow::name);
  if (row == known.end())
    refuse(place + "unknown operator " + quoted(name) + ", " + hint(name, known, &OperatorRow::name));
  return *row;
}

/// A number between the steps of a unit: `floor` is the step at or below it.
struct Step {
  __int128 floor;
  bool exact;
};
constexpr __int128 kBeyond = __int128{1} << 100;

std::optional<Step> step_of(double value) {
  if (std::isnan(value)) return {};
  const double floor = std::floor(value);
  if (std::abs(floor) >= 0x1p100) return Step{floor < 0 ? -kBeyond : kBeyond, false};
  return Step{static_cast<__int128>(floor), floor == value};
}

Step step_of(const Timestamp& time, TimeUnit unit) {
  __int128 value = time.value;
  int thousands = static_cast<int>(unit) - static_cast<int>(time.unit);
  for (; thousands > 0; --thousands) value *= 1000;
  __int128 divisor = 1;
  for (; thousands < 0; ++thousands) divisor *= 1000;
  const __int128 rest = (value % divisor + divisor) % divisor;
  return {(value - rest) / divisor, rest == 0};
}

/// Values from low to high, both included.
template <class T>
struct Interval {
  T low, high;
};

/// The integers that compare as `what` with a number; none: there are none.
std::optional<Interval<std::int64_t>> integers(Operator what, const Step& with) {
  constexpr __int128 kLeast = std::numeric_limits<std::int64_t>::min(),
                     kMost = std::numeric_limits<std::int64_t>::max();
  __int128 low = kLeast, high = kMost;
  const __int128 above = with.floor + 1, from = with.exact ? with.floor : above, below = from - 1;
  if (what == Operator::eq) low = with.exact ? with.floor : above, high = with.floor;
  if (what == Operator::gt) low = above;
  if (what == Operator::gte) low = from;
  if (what == Operator::lt) high = below;
  if (what == Operator::lte) high = with.floor;
  low = std::max(low, kLeast), high = std::min(high, kMost);
  if (low > high) return {};
  return Interval{static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)};
}

/// The floats that compare as `what` with a number between `below` and `above`, which are next to each other, or equal.
std::optional<Interval<double>> floats(Operator what, double below, double above) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Interval<double> found = {-kInfinity, kInfinity};
  const bool exact = below == above;
  if (what == Operator::eq) found = {above, below};
  if (what == Operator::gt) {
    if (above == kInfinity && exact) return {};
    found.low = exact ? std::nextafter(above, kInfinity) : above;
  }
  if (what == Operator::gte) found.low = above;
  if (what == Operator::lt) {
    if (below == -kInfinity && exact) return {};
    found.high = exact ? std::nextafter(below, -kInfinity) : below;
  }
  if (what == Operator::lte) found.high = below;
  if (!(found.low <= found.high)) return {};  // also for a NaN
  return found;
}

std::optional<Interval<double>> floats(Operator what, std::int64_t with) {
  const auto near = static_cast<double>(with);
  const auto exactly = static_cast<__int128>(near);
  const double infinity = std::numeric_limits<double>::infinity();
  return floats(what, exactly > with ? std::nextafter(near, -infinity) : near,
                exactly < with ? std::nextafter(near, infinity) : near);
}

/// "2024-01-31", "2024-01-31T12:00", "2024-01-31 12:00:00.25Z", "2024-01-31T12:00:00+02:00"; none: another text.
std::optional<Timestamp> parse_time(std::string_view text) {
  const auto number = [&](std::size_t digits) -> std::optional<int> {
    const std::string_view part = text.substr(0, digits);
    if (part.size() != digits || part.find_first_not_of("0123456789") != part.npos) return {};
    text.remove_prefix(digits);
    return parse_number<int>(part);
  };
  const auto skip = [&](std::string_view any) {
    const bool there = !text.empty() && any.find(text[0]) != any.npos;
    if (there) text.remove_prefix(1);
    return there;
  };
  const auto below = [&](std::size_t digits, int limit) -> std::optional<int> {
    const std::optional<int> found = number(digits);
    return found && *found < limit ? found : std::nullopt;
  };
  const std::optional<int> year = number(4), month = skip("-") ? number(2) : std::nullopt,
                           day = skip("-") ? number(2) : std::nullopt;
  if (!year || !month || !day) return {};
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return {};
  std::int64_t seconds = std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * 86400, fraction = 0;
  int unit = 0;  // thousands of a second
  if (skip("T ")) {
    const std::optional<int> hour = below(2, 24), minute = skip(":") ? below(2, 60) : std::nullopt;
    if (!hour || !minute) return {};
    seconds += *hour * 3600 + *minute * 60;
    if (skip(":")) {
      const std::optional<int> second = below(2, 60);
      if (!second) return {};
      seconds += *second;
      if (skip(".")) {
        std::size_t digits = 0;
        for (; !text.empty() && text[0] >= '0' && text[0] <= '9' && digits < 9; ++digits) {
          fraction = fraction * 10 + (text[0] - '0');
          text.remove_prefix(1);
        }
        if (digits == 0) return {};
        for (; digits % 3 != 0; ++digits) fraction *= 10;
        unit = static_cast<int>(digits / 3);
      }
    }
    if (!skip("Z") && !text.empty()) {
      const bool west = text[0] == '-';
      if (!skip("+-")) return {};
      const std::optional<int> hours = below(2, 24), minutes = skip(":") ? below(2, 60) : std::nullopt;
      if (!hours || !minutes) return {};
      seconds += (west ? 1 : -1) * (*hours * 3600 + *minutes * 60);
    }
  }
  if (!text.empty()) return {};
  __int128 value = seconds;
  for (int i = 0; i < unit; ++i) value *= 1000;
  value += fraction;
  if (value != static_cast<std::int64_t>(value)) return {};
  return Timestamp{static_cast<std::int64_t>(value), static_cast<TimeUnit>(unit)};
}

/// Tells in one step whether a value is one of many.
template <class T>
class Members {
 public:
  explicit Members(const std::vector<T>& values)
      : shift_(static_cast<int>(64 - std::bit_width(8 * values.size()))), places_(std::size_t{1} << (64 - shift_)) {
    for (const T value : values) {
      std::size_t at = place(value);
      while (places_[at] && *places_[at] != value) at = (at + 1) % places_.size();
      places_[at] = value;
    }
  }
  bool has(T value) const noexcept {
    for (std::size_t at = place(value); places_[at]; at = (at + 1) % places_.size())
      if (*places_[at] == value) return true;
    return false;
  }

 private:
  std::size_t place(T value) const noexcept {
    const T positive_zero = value == T{} ? T{} : value;
    return static_cast<std::size_t>((std::bit_cast<std::uint64_t>(positive_zero) * 0x9E3779B97F4A7C15) >> shift_);
  }

  int shift_;
  std::vector<std::optional<T>> places_;  // most of them empty, so that few steps are needed
};

/// The numbers for which holds(number).
template <class Holds>
Bitmap numbers_that(std::size_t size, Holds holds) {
  Bitmap out(size);
  for (std::size_t i = 0; i < size; i += Bitmap::kBits) {
    Bitmap::Word word = 0;
    for (std::size_t bit = 0; bit < std::min(Bitmap::kBits, size - i); ++bit)
      word |= Bitmap::Word{holds(i + bit)} << bit;
    out.words()[i / Bitmap::kBits] = word;
  }
  return out;
}

/// More intervals than this are slower to scan for than values are to look up.
constexpr std::size_t kMostScans = 8;

template <class T>
Bitmap scan(std::span<const T> values, std::span<const Interval<T>> intervals) {
  const auto between = kernels::column_scan::dispatch().of(T{});
  Bitmap out(values.size()), more(intervals.size() > 1 ? values.size() : 0);
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    Bitmap& found = i == 0 ? out : more;
    between(values.data(), values.size(), intervals[i].low, intervals[i].high, found.words().data());
    if (i != 0) out |= more;
  }
  return out;
}

}  // namespace

struct Condition::Node {
  Operator what = Operator::all;
  std::vector<Node> parts = {};   // negation (one), all, any
  std::string field = {};         // else
  std::string_view name = {};     // the operator as given
  std::vector<Term> values = {};  // of the operator

  static Node negation_of(Node node) { return {.what = Operator::negation, .parts = {std::move(node)}}; }
  static Node parse(const Term& form, int depth);
  static Node parse_field(const std::string& field, const Term& form, int depth);
  static void check_depth(int depth) {
    if (depth > kDeepest) refuse("conditions within more than " + std::to_string(kDeepest) + " others, expected fewer");
  }
};

Condition::Node Condition::Node::parse(const Term& form, int depth) {
  check_depth(depth);
  const auto* object = std::get_if<Term::Object>(&form.content);
  if (object == nullptr) refuse(shown(form) + " given, expected an object of fields and conditions");
  Node out;
  for (const auto& [name, value] : *object) {
    if (!name.starts_with('$')) {
      out.parts.push_back(parse_field(name, value, depth + 1));
      continue;
    }
    const OperatorRow& row = operator_of(name, kOfConditions, "");
    if (row.what == Operator::negation) {
      out.parts.push_back(negation_of(parse(value, depth + 1)));
      continue;
    }
    const auto* list = std::get_if<Term::List>(&value.content);
    if (list == nullptr || list->empty())
      refuse(name + ": " + shown(value) + " given, expected a list of at least 1 condition");
    Node joined{.what = row.what};
    for (const Term& one : *list) joined.parts.push_back(parse(one, depth + 1));
    out.parts.push_back(std::move(joined));
  }
  return out;
}

Condition::Node Condition::Node::parse_field(const std::string& field, const Term& form, int depth) {
  check_depth(depth);
  const std::string place = cassata::quoted(field) + ": ";
  const auto* object = std::get_if<Term::Object>(&form.content);
  const Term::Object alone = {{"$eq", form}};
  if (object != nullptr && object->empty()) refuse(place + "{} given, expected an operator, such as {\"$lt\": 1000}");
  Node out;
  for (const auto& [name, value] : object ? *object : alone) {
    const OperatorRow& row = operator_of(name, kOfFields, place);
    if (row.what == Operator::negation) {
      if (!std::holds_alternative<Term::Object>(value.content))
        refuse(place + "$not " + shown(value) + " given, expected an object of operators");
      out.parts.push_back(negation_of(parse_field(field, value, depth + 1)));
      continue;
    }
    const auto* list = std::get_if<Term::List>(&value.content);
    const auto expect = [&](bool right, const std::string& what) {
      if (!right) refuse(place + std::string(row.name) + " " + shown(value) + " given, expected " + what);
    };
    Node compare{.what = row.what, .field = field, .name = row.name};
    if (row.what == Operator::in) {
      expect(list != nullptr, "a list of values");
      compare.values = *list;
    } else {
      expect(row.what != Operator::exists || std::holds_alternative<bool>(value.content), "true or false");
      compare.values = {value};
    }
    for (const Term& one : compare.values) {
      expect(!std::holds_alternative<std::monostate>(one.content), "a value; $exists finds rows with and without one");
      expect(!std::holds_alternative<Term::List>(one.content), "a value; $in takes a list of them");
      expect(!std::holds_alternative<Term::Object>(one.content), "a value");
    }
    out.parts.push_back(row.complement ? negation_of(std::move(compare)) : std::move(compare));
  }
  return out.parts.size() == 1 ? std::move(out.parts.front()) : out;
}

/// Evaluates conditions over one file.
class Condition::Scan {
 public:
  Scan(std::span<const MappedField> fields, std::uint64_t size) : fields_(fields), size_(size) {}

  Bitmap rows(const Node& node) const {
    switch (node.what) {
      case Operator::all: {
        Bitmap out(size_, true);
        for (const Node& part : node.parts) out &= rows(part);
        return out;
      }
      case Operator::any: {
        Bitmap out(size_);
        for (const Node& part : node.parts) out |= rows(part);
        return out;
      }
      case Operator::negation: {
        Bitmap out = rows(node.parts.front());
        out.invert();
        return out;
      }
      default: break;
    }
    const MappedField& field = field_of(node);
    if (node.what == Operator::exists) {
      Bitmap out = field.rows_present();
      if (!std::get<bool>(node.values.front().content)) out.invert();
      return out;
    }
    Bitmap out = compared(node, field);
    if (field.entry.nulls) out &= field.rows_present();
    return out;
  }

 private:
  const MappedField& field_of(const Node& node) const {
    for (const MappedField& field : fields_)
      if (field.entry.name == node.field) return field;
    if (fields_.empty()) refuse(cassata::quoted(node.field) + " given, but the index has no fields");
    refuse("unknown field " + cassata::quoted(node.field) + ", " +
           hint(node.field, fields_, [](const MappedField& field) -> std::string_view { return field.entry.name; }));
  }

  [[noreturn]] static void refuse_value(const Node& node, const MappedField& field, const Term& value,
                                        const std::string& expected) {
    refuse(cassata::quoted(node.field) + ": " + std::string(node.name) + " " + shown(value) + " given, expected " +
           expected + ", as the field is of type " + std::string(name_of(field.entry.type)));
  }

  static void expect_operators(const Node& node, const MappedField& field, bool right, const std::string& expected) {
    if (!right) refuse_value(node, field, node.values.empty() ? Term(Term::List()) : node.values.front(), expected);
  }

  /// The rows whose values compare with those of the node; anything for rows without a value.
  Bitmap compared(const Node& node, const MappedField& field) const {
    const bool whole = node.what != Operator::contains;
    switch (field.entry.type) {
      case FieldType::int64:
      case FieldType::timestamp:
      case FieldType::float64:
        expect_operators(node, field, whole, "a comparison");
        return field.entry.type == FieldType::float64 ? numbers<double>(node, field)
                                                      : numbers<std::int64_t>(node, field);
      case FieldType::boolean:
        expect_operators(node, field, node.what == Operator::eq || node.what == Operator::in,
                         "$eq, $ne, $in, $nin or $exists");
        return truths(node, field);
      case FieldType::text: return coded(node, field);
      case FieldType::tags: return rows_of_lists(coded(node, field), field);
    }
    return Bitmap(size_);
  }

  static Operator single(Operator what) { return what == Operator::in ? Operator::eq : what; }

  static std::optional<Interval<std::int64_t>> interval(std::int64_t, const Node& node, const MappedField& field,
                                                        const Term& value) {
    std::optional<Step> step;
    if (field.entry.type == FieldType::timestamp) {
      const auto* time = std::get_if<Timestamp>(&value.content);
      const auto* text = std::get_if<std::string>(&value.content);
      const std::optional<Timestamp> parsed = text ? parse_time(*text) : std::nullopt;
      if (!time && !parsed)
        refuse_value(node, field, value, "a time, such as \"2024-01-31\" or \"2024-01-31T12:30:00Z\"");
      step = step_of(time ? *time : *parsed, field.entry.unit);
    } else if (const auto* number = std::get_if<std::int64_t>(&value.content)) {
      step = Step{*number, true};
    } else if (const auto* real = std::get_if<double>(&value.content)) {
      step = step_of(*real);
    } else {
      refuse_value(node, field, value, "a number");
    }
    return step ? integers(single(node.what), *step) : std::nullopt;
  }
  static std::optional<Interval<double>> interval(double, const Node& node, const MappedField& field,
                                                  const Term& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value.content)) return floats(single(node.what), *number);
    if (const auto* real = std::get_if<double>(&value.content)) return floats(single(node.what), *real, *real);
    refuse_value(node, field, value, "a number");
  }

  template <class T>
  static Bitmap numbers(const Node& node, const MappedField& field) {
    std::vector<Interval<T>> intervals;
    for (const Term& value : node.values)
      if (const auto found = interval(T{}, node, field, value)) intervals.push_back(*found);
    const std::span<const T> all = field.all<T>();
    if (intervals.size() <= kMostScans) return scan<T>(all, intervals);
    std::vector<T> values;  // intervals of many values of $in are single values
    for (const Interval<T>& one : intervals) values.push_back(one.low);
    const Members<T> members(values);
    return numbers_that(all.size(), [&](std::size_t row) { return members.has(all[row]); });
  }

  Bitmap truths(const Node& node, const MappedField& field) const {
    bool asked[2] = {};
    for (const Term& value : node.values) {
      const auto* truth = std::get_if<bool>(&value.content);
      if (truth == nullptr) refuse_value(node, field, value, "true or false");
      asked[*truth] = true;
    }
    if (asked[0] == asked[1]) return Bitmap(size_, asked[0]);
    Bitmap out = field.rows_true();
    if (asked[0]) out.invert();
    return out;
  }

  /// The codes that are selected, as intervals.
  static std::vector<Interval<std::uint64_t>> codes(const Node& node, const MappedField& field) {
    const MappedTexts& texts = field.dictionary;
    /// The first code of a text that is at least `text`, or over it.
    const auto bound = [&](const std::string& text, bool over) {
      std::uint64_t begin = 0, end = texts.size();
      while (begin < end) {
        const std::uint64_t middle = begin + (end - begin) / 2;
        const std::string_view here = texts[middle];
        if (here < text || (over && here == text))
          begin = middle + 1;
        else
          end = middle;
      }
      return begin;
    };
    std::vector<Interval<std::uint64_t>> found;
    const auto add = [&](std::uint64_t begin, std::uint64_t end) {
      if (begin < end) found.push_back({begin, end - 1});
    };
    const bool lists = field.entry.type == FieldType::tags;
    for (const Term& value : node.values) {
      const auto* text = std::get_if<std::string>(&value.content);
      if (text == nullptr) refuse_value(node, field, value, "a text");
      switch (single(node.what)) {
        case Operator::gt: add(bound(*text, true), texts.size()); break;
        case Operator::gte: add(bound(*text, false), texts.size()); break;
        case Operator::lt: add(0, bound(*text, false)); break;
        case Operator::lte: add(0, bound(*text, true)); break;
        case Operator::contains:
          if (lists) {
            add(bound(*text, false), bound(*text, true));
            break;
          }
          texts.expect_all();
          for (std::uint64_t code = 0; code < texts.size(); ++code)
            if (texts[code].find(*text) != std::string_view::npos) add(code, code + 1);
          break;
        default: add(bound(*text, false), bound(*text, true));
      }
    }
    return found;
  }

  /// The values whose code is selected: of rows or, for tags, of all lists.
  static Bitmap coded(const Node& node, const MappedField& field) {
    const std::vector<Interval<std::uint64_t>> selected = codes(node, field);
    return field.with_codes([&]<class Code>(std::span<const Code> values) {
      constexpr std::uint64_t kMost = std::numeric_limits<Code>::max();
      if (selected.size() > kMostScans) {
        Bitmap set(field.dictionary.size());
        for (const auto& [low, high] : selected)
          for (std::uint64_t code = low; code <= high; ++code) set.set(code);
        return numbers_that(values.size(), [&](std::size_t i) {
          const Code code = read_once(values[i]);
          return code < set.size() && set.test(code);
        });
      }
      std::vector<Interval<Code>> intervals;
      for (const auto& [low, high] : selected)
        if (low <= kMost) intervals.push_back({static_cast<Code>(low), static_cast<Code>(std::min(high, kMost))});
      return scan<Code>(values, intervals);
    });
  }

  /// The rows whose lists have one of `tags`, which are positions in all lists.
  Bitmap rows_of_lists(const Bitmap& tags, const MappedField& field) const {
    const std::span<const std::uint64_t> places = field.places();
    Bitmap out(size_);
    std::uint64_t row = 0;
    tags.for_each([&](std::uint64_t tag) {
      while (row < size_ && read_once(places[row + 1]) <= tag) ++row;
      if (row < size_) out.set(row);
    });
    return out;
  }

  std::span<const MappedField> fields_;
  std::uint64_t size_;
};

Condition::Condition(const Term& form) : root_(std::make_shared<const Node>(Node::parse(form, 0))) {
  append_text(form, text_);
}

Bitmap Condition::rows(const Fields& fields) const {
  const Fields::Sections& sections = *fields.sections_;
  Bitmap out;
  sections.file.reading([&] { out = Scan(sections.fields, sections.file.manifest().size).rows(*root_); });
  return out;
}

}  // namespace cassata
