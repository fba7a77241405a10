#include "engine/payload/fields.h"

#include <algorithm>
#include <array>
#include <set>
#include <type_traits>
#include <unordered_map>

#include "cassata/error.h"
#include "format/base/text.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

constexpr std::string_view kValuesSuffix = ".values", kPresentSuffix = ".present", kDictionarySuffix = ".dictionary";

std::string part(const FieldEntry& entry, std::string_view suffix) { return entry.section + std::string(suffix); }

/// Bytes of a code for a dictionary of so many texts.
std::uint8_t width_for(std::size_t texts) { return texts <= 256 ? 1 : texts <= 65536 ? 2 : 4; }

/// The different texts of those that are used, ascending, and the code of each text.
struct Coded {
  Texts dictionary;
  std::vector<std::uint32_t> codes;

  /// `used` are positions in `texts`.
  Coded(const Texts& texts, const std::vector<std::size_t>& used) : codes(texts.size()) {
    std::unordered_map<std::string_view, std::uint32_t> code_of;
    for (const std::size_t i : used) code_of.try_emplace(texts[i]);
    std::vector<std::string_view> ascending;
    for (const auto& [text, code] : code_of) ascending.push_back(text);
    std::ranges::sort(ascending);
    for (const std::string_view text : ascending) {
      code_of[text] = static_cast<std::uint32_t>(dictionary.size());
      dictionary.append(text);
    }
    for (const std::size_t i : used) codes[i] = code_of[texts[i]];
  }
};

class ColumnWriter {
 public:
  ColumnWriter(const Column& column, std::string section, FileWriter& writer)
      : column_(column), n_(column.size()), writer_(writer) {
    entry_.name = column.name;
    entry_.type = column.type();
    entry_.section = std::move(section);
    entry_.nulls = column.present.size() != 0 && column.present.count() != n_;
  }

  FieldEntry write() {
    std::visit([this](const auto& values) { put(values); }, column_.values);
    if (entry_.nulls) section(kPresentSuffix, column_.present.words());
    return entry_;
  }

 private:
  template <class T>
  void section(std::string_view suffix, std::span<const T> values) {
    writer_.begin(part(entry_, suffix), Tier::cold);
    writer_.append(values);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    entry_.width = sizeof(T);
    std::vector<T> stored = values;
    for (std::size_t row = 0; row < n_; ++row)
      if (!column_.has(row)) stored[row] = 0;
    section(kValuesSuffix, std::span<const T>(stored));
  }
  void put(const Timestamps& times) {
    entry_.unit = times.unit;
    put(times.values);
  }
  void put(const Bitmap& truths) {
    Bitmap stored = truths;
    if (entry_.nulls) stored &= column_.present;
    section(kValuesSuffix, std::span<const Bitmap::Word>(stored.words()));
  }
  void put(const Texts& texts) {
    std::vector<std::size_t> used;
    for (std::size_t row = 0; row < n_; ++row)
      if (column_.has(row)) used.push_back(row);
    const Coded coded(texts, used);
    put_codes(coded.codes, coded.dictionary);
  }
  void put(const TextLists& lists) {
    std::vector<std::size_t> used;
    for (std::size_t row = 0; row < n_; ++row)
      if (column_.has(row))
        for (std::size_t i = lists.begin(row); i < lists.end(row); ++i) used.push_back(i);
    const Coded coded(lists.texts, used);
    std::vector<std::uint32_t> codes;
    std::vector<std::uint64_t> places = {0};
    for (std::size_t row = 0; row < n_; ++row) {
      if (column_.has(row)) {
        const auto at = [&](std::size_t i) { return coded.codes.begin() + static_cast<std::ptrdiff_t>(i); };
        const std::set<std::uint32_t> list(at(lists.begin(row)), at(lists.end(row)));
        codes.insert(codes.end(), list.begin(), list.end());
      }
      places.push_back(codes.size());
    }
    put_codes(codes, coded.dictionary);
    section(kOffsetsSuffix, std::span<const std::uint64_t>(places));
  }
  void put_codes(const std::vector<std::uint32_t>& codes, const Texts& dictionary) {
    entry_.width = width_for(dictionary.size());
    if (entry_.width == 1)
      put_narrow<std::uint8_t>(codes);
    else if (entry_.width == 2)
      put_narrow<std::uint16_t>(codes);
    else
      section(kValuesSuffix, std::span(codes));
    write_texts(dictionary, part(entry_, kDictionarySuffix), writer_);
  }
  template <class Code>
  void put_narrow(const std::vector<std::uint32_t>& codes) {
    std::vector<Code> narrow(codes.size());
    std::ranges::transform(codes, narrow.begin(), [](std::uint32_t code) { return static_cast<Code>(code); });
    section(kValuesSuffix, std::span<const Code>(narrow));
  }

  const Column& column_;
  std::size_t n_;
  FileWriter& writer_;
  FieldEntry entry_;
};

/// The texts of a column; null: it has none.
const Texts* texts_of(const Column& column) {
  if (const auto* lists = std::get_if<TextLists>(&column.values)) return &lists->texts;
  return std::get_if<Texts>(&column.values);
}

}  // namespace

std::string_view name_of(IdType type) { return type == IdType::int64 ? "int64" : "text"; }

std::string_view name_of(FieldType type) {
  static constexpr std::array<std::string_view, 6> kNames = {"int64", "float64", "bool", "timestamp", "text", "tags"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view name_of(TimeUnit unit) {
  static constexpr std::array<std::string_view, 4> kNames = {"s", "ms", "us", "ns"};
  return kNames[static_cast<std::size_t>(unit)];
}

std::size_t Column::size() const noexcept {
  return std::visit(
      [](const auto& held) {
        if constexpr (std::is_same_v<decltype(held), const Timestamps&>)
          return held.values.size();
        else
          return held.size();
      },
      values);
}

void check_columns(std::span<const Column> columns, std::uint64_t size) {
  if (columns.size() > Fields::kMost)
    invalid_argument("fields: " + std::to_string(columns.size()) + " given, expected at most " +
                     std::to_string(Fields::kMost));
  std::set<std::string> names;
  for (const Column& column : columns) {
    const std::string place = "fields: " + cassata::quoted(column.name) + ": ";
    if (column.name.empty() || column.name.starts_with('$') || !is_utf8(column.name))
      invalid_argument(place + "not a name, expected a text that is not empty and does not begin with '$'");
    if (!names.insert(column.name).second) invalid_argument(place + "given twice, expected different names");
    if (column.size() != size)
      invalid_argument(place + std::to_string(column.size()) + " values, expected " + std::to_string(size) +
                       ", as there are vectors");
    if (const Texts* texts = texts_of(column))
      for (std::size_t i = 0; i < texts->size(); ++i)
        if (!is_utf8((*texts)[i])) invalid_argument(place + quoted((*texts)[i]) + ", expected UTF-8");
  }
}

std::vector<FieldEntry> write_columns(std::span<const Column> columns, FileWriter& writer) {
  std::vector<FieldEntry> entries;
  for (const Column& column : columns)
    entries.push_back(ColumnWriter(column, "fields." + std::to_string(entries.size()), writer).write());
  return entries;
}

MappedField::MappedField(const MappedFile& file, const FieldEntry& from)
    : entry(from), size(file.manifest().size), values(file.section(part(entry, kValuesSuffix))) {
  const bool coded = entry.type == FieldType::text || entry.type == FieldType::tags;
  const unsigned width = entry.width;
  const bool right = entry.type == FieldType::boolean ? width == 0
                     : coded                          ? width == 1 || width == 2 || width == 4
                                                      : width == 8;
  if (!right)
    corrupt(file.manifest_place() + "field " + cassata::quoted(entry.name) + " of type '" +
            std::string(name_of(entry.type)) + "' with values of " + std::to_string(width) + " bytes");
  if (entry.nulls) {
    present = file.section(part(entry, kPresentSuffix));
    present.as<Bitmap::Word>(Bitmap::words_for(size));
  }
  if (coded) dictionary = MappedTexts(file, part(entry, kDictionarySuffix));
  if (entry.type == FieldType::tags) {
    lists = file.section(part(entry, kOffsetsSuffix));
    lists.as<std::uint64_t>(size + 1);
    if (values.bytes.size() % width != 0)
      throw values.damaged(0, "holds " + std::to_string(values.bytes.size()) + " bytes, expected a multiple of " +
                                  std::to_string(width));
  } else if (entry.type == FieldType::boolean) {
    values.as<Bitmap::Word>(Bitmap::words_for(size));
  } else if (values.bytes.size() != size * width) {
    throw values.damaged(0, "holds " + std::to_string(values.bytes.size()) + " bytes, expected " +
                                std::to_string(size) + " values of " + std::to_string(width));
  }
}

Bitmap MappedField::bits(const Section& section) const {
  section.touch(section.bytes);
  Bitmap rows(size);
  std::ranges::copy(section.as<Bitmap::Word>(rows.words().size()), rows.words().begin());
  rows.clear_tail();
  return rows;
}

Bitmap MappedField::rows_present() const { return entry.nulls ? bits(present) : Bitmap(size, true); }

void MappedField::expect_all() const noexcept {
  for (const Section& section : {values, present, lists}) Mapping::advise(section.bytes, Advice::will_need);
}

void MappedField::verify(const Reading& reading) const {
  for (const Section& section : {values, present, lists}) reading(section.bytes);
  const Bitmap there = rows_present();
  const auto check_tail = [&](const Section& section) {
    const std::size_t last = Bitmap::words_for(size) - 1;
    const Bitmap::Word word = section.as<Bitmap::Word>(last + 1)[last];
    if (size % Bitmap::kBits != 0 && word >> (size % Bitmap::kBits) != 0)
      throw section.damaged(last * sizeof word, "bits beyond the last row, expected zeros");
  };
  if (entry.nulls) check_tail(present);
  const auto check_nulls = [&]<class T>(std::span<const T> all) {
    for (std::uint64_t row = 0; row < size; ++row)
      if (!there.test(row) && number_at<std::array<std::byte, sizeof(T)>>(std::as_bytes(all.subspan(row, 1)).data()) !=
                                  std::array<std::byte, sizeof(T)>{})
        throw values.damaged(row * sizeof(T), "row " + std::to_string(row) + ": a value, expected 0 in a row without");
  };
  const auto check_codes = [&](auto codes) {
    for (std::size_t i = 0; i < codes.size(); ++i)
      if (const auto code = read_once(codes[i]);
          code >= dictionary.size() && (entry.type == FieldType::tags || there.test(i)))
        throw values.damaged(i * entry.width, "code " + std::to_string(code) + ", expected one below " +
                                                  std::to_string(dictionary.size()));
  };
  switch (entry.type) {
    case FieldType::boolean:
      check_tail(values);
      for (std::size_t i = 0; i < there.words().size(); ++i)
        if ((all<Bitmap::Word>()[i] & ~there.words()[i]) != 0)
          throw values.damaged(i * sizeof(Bitmap::Word), "true, expected 0 in a row without a value");
      return;
    case FieldType::int64:
    case FieldType::timestamp: return check_nulls(all<std::int64_t>());
    case FieldType::float64: return check_nulls(all<double>());
    case FieldType::text:
      dictionary.verify(reading, true);
      return with_codes([&](auto codes) {
        check_nulls(codes);
        check_codes(codes);
      });
    case FieldType::tags: break;
  }
  dictionary.verify(reading, true);
  with_codes([&](auto codes) {
    check_codes(codes);
    std::uint64_t begin = 0;
    for (std::uint64_t row = 0; row <= size; ++row) {
      const std::uint64_t end = read_once(places()[row]);
      const bool empty = row == 0 || !there.test(row - 1);
      if (end < begin || end > codes.size() || (empty && end != begin) || (row == size && end != codes.size()))
        throw lists.damaged(row * sizeof end, "a list of tags up to code " + std::to_string(end) + " of " +
                                                  std::to_string(codes.size()) + ", from code " +
                                                  std::to_string(begin) + " on");
      for (std::uint64_t i = begin + 1; i < end; ++i)
        if (read_once(codes[i - 1]) >= read_once(codes[i]))
          throw values.damaged(i * entry.width, "row " + std::to_string(row - 1) + ": tags that do not rise");
      begin = end;
    }
  });
}

Fields::Sections::Sections(const MappedFile& opened) : file(opened), entries(opened.manifest().fields) {
  if (entries.size() > kMost)
    corrupt(file.manifest_place() + std::to_string(entries.size()) + " fields, expected at most " +
            std::to_string(kMost));
  std::set<std::string_view> names;
  for (const FieldEntry& entry : entries) {
    if (!names.insert(entry.name).second) corrupt(file.manifest_place() + "two fields " + cassata::quoted(entry.name));
    fields.emplace_back(file, entry);
  }
}

Fields::Fields(const MappedFile& file) : sections_(std::make_unique<const Sections>(file)) {}
Fields::~Fields() = default;
std::span<const FieldEntry> Fields::entries() const noexcept { return sections_->entries; }
std::uint64_t Fields::dictionary_size(std::size_t i) const noexcept { return sections_->fields[i].dictionary.size(); }

void Fields::verify(const Reading& reading) const {
  for (const MappedField& field : sections_->fields) field.verify(reading);
}

namespace {

/// The values of a field as a column has them.
class ColumnReader {
 public:
  explicit ColumnReader(const MappedField& field) : field_(field) {
    field.expect_all();
    if (field.entry.nulls) present_ = field.rows_present();
  }

  Column read() {
    Column out{.name = field_.entry.name, .values = {}, .present = present_};
    switch (field_.entry.type) {
      case FieldType::int64: out.values = copy<std::int64_t>(); break;
      case FieldType::float64: out.values = copy<double>(); break;
      case FieldType::boolean: out.values = field_.rows_true(); break;
      case FieldType::timestamp: out.values = Timestamps{field_.entry.unit, copy<std::int64_t>()}; break;
      case FieldType::text: out.values = field_.with_codes([this](auto codes) { return texts(codes); }); break;
      case FieldType::tags: out.values = field_.with_codes([this](auto codes) { return lists(codes); }); break;
    }
    return out;
  }

 private:
  template <class T>
  std::vector<T> copy() const {
    const std::span<const T> all = field_.all<T>();
    return {all.begin(), all.end()};
  }
  template <class Code>
  std::string_view text(std::span<const Code> codes, std::size_t i) const {
    const Code code = read_once(codes[i]);
    if (code >= field_.dictionary.size())
      throw field_.values.damaged(i * sizeof(Code), "code " + std::to_string(code) + ", expected one below " +
                                                        std::to_string(field_.dictionary.size()));
    return field_.dictionary[code];
  }
  template <class Code>
  Texts texts(std::span<const Code> codes) const {
    Texts out;
    for (std::size_t row = 0; row < field_.size; ++row)
      out.append(present_.size() == 0 || present_.test(row) ? text(codes, row) : std::string_view());
    return out;
  }
  template <class Code>
  TextLists lists(std::span<const Code> codes) const {
    const std::span<const std::uint64_t> places = field_.places();
    TextLists out;
    std::uint64_t at = read_once(places[0]);
    for (std::size_t row = 0; row < field_.size; ++row) {
      const std::uint64_t end = read_once(places[row + 1]);
      if (at > end || end > codes.size())
        throw field_.lists.damaged(row * sizeof end, "tags from code " + std::to_string(at) + " to " +
                                                         std::to_string(end) + ", expected 0 to " +
                                                         std::to_string(codes.size()));
      for (; at < end; ++at) out.texts.append(text(codes, at));
      out.end_list();
    }
    return out;
  }

  const MappedField& field_;
  Bitmap present_;
};

}  // namespace

Column Fields::column(std::size_t i) const {
  Column out;
  sections_->file.reading([&] { out = ColumnReader(sections_->fields[i]).read(); });
  return out;
}

}  // namespace cassata
