// .npy: magic, version, header length, a Python dict literal, the elements
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#include "format/input/npy.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "format/file/section.h"
#include "format/input/formats.h"

namespace cassata {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr std::uint64_t kMaxHeaderBytes = 65535;  // an array of plain numbers needs about 118

constexpr std::array<std::string_view, 5> kElementNames = {"<f4", "<f2", "<f8", "|u1", "|i1"};
constexpr std::array<ElementType, 5> kElementTypes = {ElementType::f32, ElementType::f16, ElementType::f64,
                                                      ElementType::u8, ElementType::i8};

/// The values of the header's dict, as text.
struct Dict {
  std::optional<std::string_view> descr, fortran_order, shape;

  std::optional<std::string_view>* place(std::string_view key) {
    if (key == "descr") return &descr;
    if (key == "fortran_order") return &fortran_order;
    return key == "shape" ? &shape : nullptr;
  }
};

/// Parses the dicts that NumPy writes: {'key': value, ...}, where a value is a string, True, False, a tuple or a list.
class DictReader {
 public:
  DictReader(std::string_view text, const FileReader& file) : rest_(text), file_(file) {}

  Dict read() {
    Dict dict;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      std::optional<std::string_view>* const place = dict.place(key);
      if (!place || *place)
        file_.refuse("its header has the key " + in_quotes(key) + (place ? " twice" : "") +
                     ", expected descr, fortran_order and shape");
      *place = value();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (!rest_.empty()) unexpected("the end of the header");
    return dict;
  }

 private:
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

  bool accept(char c) {
    skip_spaces();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!accept(c)) unexpected(std::string("'") + c + "'");
  }

  std::string_view take(std::size_t n) {
    const std::string_view text = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return text;
  }

  /// A string without its quotes. NumPy writes no escapes in these strings.
  std::string_view string() {
    skip_spaces();
    if (!rest_.starts_with('\'') && !rest_.starts_with('"')) unexpected("a string");
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == rest_.npos) unexpected("a closed string");
    return take(end + 1).substr(1, end - 1);
  }

  std::string_view value() {
    skip_spaces();
    if (rest_.starts_with('\'') || rest_.starts_with('"')) return string();
    const bool nested = rest_.starts_with('(') || rest_.starts_with('[');
    const std::size_t end = nested ? rest_.find(rest_[0] == '(' ? ')' : ']') : rest_.find_first_of(" ,}\n");
    if (end == rest_.npos || (!nested && end == 0)) unexpected("a value");
    return take(nested ? end + 1 : end);
  }

  [[noreturn]] void unexpected(const std::string& wanted) const {
    file_.refuse("its header has " + in_quotes(rest_) + ", expected " + wanted);
  }

  std::string_view rest_;
  const FileReader& file_;
};

struct Type {
  std::size_t place;
  std::size_t bytes;  // of an element
};

/// The name of a dtype as NumPy writes it, for any name that NumPy reads: "=f4", "f4" and "float32" become "<f4"; "<u1"
/// becomes "|u1".
std::string canonical(std::string_view descr) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"float16", "f2"}, {"float32", "f4"}, {"float64", "f8"}, {"int8", "i1"},   {"int16", "i2"},  {"int32", "i4"},
      {"int64", "i8"},   {"uint8", "u1"},   {"uint16", "u2"},  {"uint32", "u4"}, {"uint64", "u8"},
  };
  for (const auto& [name, code] : kNames)
    if (descr == name) descr = code;
  const bool ordered = descr.starts_with('<') || descr.starts_with('=') || descr.starts_with('|');
  const std::string_view code = ordered ? descr.substr(1) : descr;
  if (code.size() < 2 || std::string_view("fiuUS").find(code[0]) == std::string_view::npos) return std::string(descr);
  const bool order_matters = code[0] != 'S' && code.substr(1) != "1";
  return (order_matters || code[0] == 'U' ? "<" : "|") + std::string(code);
}

/// Bytes of an element of dtype `descr` if it is `type`, or a text type that `type` stands for; else 0.
std::size_t bytes_of_type(std::string_view descr, std::string_view type) {
  const bool text = type == "<U" || type == "|S";
  if (text ? !descr.starts_with(type) : descr != type) return 0;
  std::uint32_t length = 0;
  const auto [stop, error] = std::from_chars(descr.data() + 2, descr.data() + descr.size(), length);
  if (error != std::errc() || stop != descr.data() + descr.size()) return 0;
  return std::size_t{length} * (type == "<U" ? sizeof(char32_t) : 1);
}

Type type_of(std::string_view descr, std::span<const std::string_view> types, const FileReader& file) {
  std::string known;
  const std::string name = canonical(descr);
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (const std::size_t bytes = bytes_of_type(name, types[i])) return {.place = i, .bytes = bytes};
    known += (i == 0 ? "" : ", ") + std::string(types[i]);
  }
  std::string_view why;
  if (descr.starts_with('>')) why = " (big-endian)";
  if (descr.starts_with('[')) why = " (a structure)";
  if (descr == "|O") why = " (Python objects)";
  file.refuse("dtype " + in_quotes(descr) + std::string(why) + ", expected one of " + known);
}

/// Parses a shape: "(3, 4)" gives {3, 4}. Python 2 wrote 3L.
std::vector<std::uint64_t> shape_of(std::string_view text, std::initializer_list<NpyShape> shapes,
                                    const FileReader& file) {
  const auto refuse = [&] {
    std::string known;
    for (const NpyShape& shape : shapes) known += (known.empty() ? "" : " or ") + std::string(shape.name);
    file.refuse("shape " + in_quotes(text) + ", expected " + known);
  };
  std::vector<std::uint64_t> shape;
  if (!text.starts_with('(')) refuse();
  const char* at = text.data() + 1;
  const char* const end = text.data() + text.size() - 1;  // the closing bracket
  while (at < end) {
    std::uint64_t length = 0;
    const auto [stop, error] = std::from_chars(at, end, length);
    if (error != std::errc()) refuse();
    at = stop;
    if (at < end && *at == 'L') ++at;
    shape.push_back(length);
    if (at < end && *at != ',') refuse();
    if (at < end) ++at;
    while (at < end && *at == ' ') ++at;
  }
  if (std::ranges::none_of(shapes, [&](const NpyShape& wanted) { return wanted.dimensions == shape.size(); })) refuse();
  return shape;
}

/// The product of the numbers; none if it is larger than `max`.
std::optional<std::uint64_t> product(std::span<const std::uint64_t> numbers, std::uint64_t max) {
  if (std::ranges::find(numbers, 0) != numbers.end()) return 0;
  std::uint64_t result = 1;
  for (const std::uint64_t n : numbers) {
    if (n > max / result) return {};
    result *= n;
  }
  return result;
}

/// The text of the header, and the offset of its end in the file.
std::pair<std::string, std::uint64_t> read_text(const FileReader& file) {
  constexpr std::uint64_t kVersionAt = kNpyMagic.size();
  std::array<char, kVersionAt + 2> start;
  if (file.bytes() < start.size() + sizeof(std::uint16_t))
    file.refuse(std::to_string(file.bytes()) + " bytes, expected a .npy file of at least " +
                std::to_string(start.size() + sizeof(std::uint16_t)));
  file.read(std::as_writable_bytes(std::span(start)), 0);
  if (!std::string_view(start.data(), start.size()).starts_with(kNpyMagic))
    file.refuse("not a .npy file (its first 6 bytes are not the magic string)");
  const int major = start[kVersionAt], minor = start[kVersionAt + 1];
  if (major < 1 || major > 3)
    file.refuse(".npy version " + std::to_string(major) + "." + std::to_string(minor) + ", expected 1, 2 or 3");
  const std::uint64_t length =
      major == 1 ? file.read<std::uint16_t>(start.size()) : file.read<std::uint32_t>(start.size());
  const std::uint64_t begin = start.size() + (major == 1 ? sizeof(std::uint16_t) : sizeof(std::uint32_t));
  if (length > kMaxHeaderBytes)
    file.refuse("a header of " + std::to_string(length) + " bytes, expected at most " +
                std::to_string(kMaxHeaderBytes));
  if (begin + length > file.bytes())
    file.refuse("the header ends at byte " + std::to_string(begin + length) + ", but the file has " +
                std::to_string(file.bytes()) + " bytes");
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(std::as_writable_bytes(std::span(text)), begin);
  return {std::move(text), begin + length};
}

}  // namespace

NpyHeader read_npy_header(const FileReader& file, std::span<const std::string_view> types,
                          std::initializer_list<NpyShape> shapes) {
  const auto [text, offset] = read_text(file);
  const Dict dict = DictReader(text, file).read();
  if (!dict.descr || !dict.fortran_order || !dict.shape)
    file.refuse("a key is missing in its header, expected descr, fortran_order and shape");
  const Type type = type_of(*dict.descr, types, file);
  std::vector<std::uint64_t> shape = shape_of(*dict.shape, shapes, file);
  if (*dict.fortran_order != "False")
    file.refuse("fortran_order " + in_quotes(*dict.fortran_order) +
                ", expected False: row-major order (numpy.ascontiguousarray)");
  return {.type = type.place, .element_bytes = type.bytes, .shape = std::move(shape), .offset = offset};
}

void check_npy_length(const FileReader& file, const NpyHeader& header) {
  const std::uint64_t found = file.bytes() - header.offset;
  std::vector<std::uint64_t> lengths = header.shape;
  lengths.push_back(header.element_bytes);
  const auto expected = product(lengths, found);
  if (expected != found)
    file.refuse(std::to_string(found) + " bytes after the header, expected " + npy_shape_text(header.shape) +
                " elements of " + std::to_string(header.element_bytes) +
                (expected ? "; the file has trailing bytes" : "; the file is truncated"));
}

std::string npy_shape_text(std::span<const std::uint64_t> shape) {
  std::string text;
  for (const std::uint64_t length : shape) text += (text.empty() ? "" : ", ") + std::to_string(length);
  return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

NpyReader::NpyReader(const std::filesystem::path& path, std::span<const std::string_view> types,
                     std::initializer_list<NpyShape> shapes)
    : file_(path), header_(read_npy_header(file_, types, shapes)) {
  check_npy_length(file_, header_);
  if (rows() != 0) row_bytes_ = (file_.bytes() - header_.offset) / rows();
}

std::span<const std::byte> NpyReader::next(std::uint64_t count) {
  const std::uint64_t n = std::min(count, rows() - done_);
  read_.resize(static_cast<std::size_t>(n * row_bytes_));
  file_.read(read_, header_.offset + done_ * row_bytes_);
  hash_.update(read_);
  done_ += n;
  return read_;
}

InputEntry NpyReader::entry() const {
  return {.name = std::filesystem::path(name()).filename().string(),
          .rows = done_,
          .bytes = done_ * row_bytes_,
          .xxh3 = hash_.digest()};
}

FileKind npy_kind(std::string_view type, std::size_t dimensions) {
  if (type.empty())
    return {.name = "a .npy file", .fits = [](std::string_view start) { return start.starts_with(kNpyMagic); }};
  return {.name = "a .npy file of dtype " + std::string(type) + " and " + std::to_string(dimensions) + " dimensions",
          .fits = [descr = "'descr': '" + std::string(type) + "'", dimensions](std::string_view start) {
            const std::size_t begin = start.find("'shape': ("), end = start.find(')', std::min(begin, start.size()));
            if (!start.starts_with(kNpyMagic) || start.find(descr) == start.npos || end == start.npos) return false;
            std::size_t found = 0;
            for (std::size_t i = begin; i < end; ++i)
              found += std::isdigit(start[i + 1]) == 0 && std::isdigit(start[i]) != 0 ? 1 : 0;
            return found == dimensions;
          }};
}

NpyWriter::NpyWriter(const std::filesystem::path& path, std::string_view type, std::span<const std::uint64_t> shape,
                     const ReplaceParams& replace)
    : file_(path, npy_kind(type, shape.size()), replace) {
  constexpr std::size_t kStart = 10;  // magic, version 1.0 and the length of the header as u16
  constexpr std::size_t kAlign = 64;  // the elements begin at a multiple
  std::string header =
      "{'descr': '" + std::string(type) + "', 'fortran_order': False, 'shape': " + npy_shape_text(shape) + ", }";
  header.resize((kStart + header.size() + kAlign) / kAlign * kAlign - kStart, ' ');
  header.back() = '\n';
  std::vector<std::byte> start;
  for (const char c : kNpyMagic) start.push_back(static_cast<std::byte>(c));
  append_bytes<std::uint16_t>(1, start);  // 1, 0
  append_bytes(static_cast<std::uint16_t>(header.size()), start);
  for (const char c : header) start.push_back(static_cast<std::byte>(c));
  expected_ = bytes_of_type(type, type);
  for (const std::uint64_t length : shape) expected_ *= length;
  expected_ += start.size();
  append(start);
}

void NpyWriter::append(std::span<const std::byte> elements) {
  file_.write(elements, written_);
  written_ += elements.size();
}

void NpyWriter::publish() {
  assert(written_ == expected_);
  file_.publish();
}

std::string in_quotes(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, 60)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c >= ' ' && c <= '~')
      out += c;
    else
      ((out += "\\x") += kDigits[byte >> 4]) += kDigits[byte & 15];
  }
  return out + (text.size() > 60 ? "...'" : "'");
}

std::unique_ptr<DenseStream> open_npy(FileReader file, ElementType) {
  const NpyHeader header = read_npy_header(file, kElementNames, {{2, "(rows, dim)"}});
  return packed_rows(std::move(file), header.offset, header.shape[0], header.shape[1], kElementTypes[header.type]);
}

}  // namespace cassata
