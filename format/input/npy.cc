// .npy: magic, version, header length, a Python dict literal, the elements
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#include "format/input/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "format/input/formats.h"

namespace cassata {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 65535;  // a 2-D array of plain numbers needs about 118

constexpr std::array<std::string_view, 5> kElementNames = {"<f4", "<f2", "<f8", "|u1", "|i1"};
constexpr std::array<ElementType, 5> kElementTypes = {ElementType::f32, ElementType::f16, ElementType::f64, ElementType::u8, ElementType::i8};

/// A piece of a file's text, made fit for a one-line message.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 60)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > 60 ? "...'" : "'");
}

/// What the header's dict says, each as it stands there.
struct Dict {
  std::optional<std::string_view> descr, fortran_order, shape;

  std::optional<std::string_view>* place(std::string_view key) {
    if (key == "descr") return &descr;
    if (key == "fortran_order") return &fortran_order;
    return key == "shape" ? &shape : nullptr;
  }
};

/// Reads just the dicts that NumPy writes: {'key': value, ...} where a value is a string, True, False or a tuple or list.
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
        file_.refuse("its header has the key " + quoted(key) + (place ? " twice" : "") + ", expected descr, fortran_order and shape");
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

  /// A string without its quotes. NumPy escapes nothing in the strings that matter here.
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

  [[noreturn]] void unexpected(const std::string& wanted) const { file_.refuse("its header has " + quoted(rest_) + ", expected " + wanted); }

  std::string_view rest_;
  const FileReader& file_;
};

std::size_t type_of(std::string_view descr, std::span<const std::string_view> types, const FileReader& file) {
  const auto found = std::ranges::find(types, descr);
  if (found != types.end()) return static_cast<std::size_t>(found - types.begin());
  std::string known;
  for (const std::string_view type : types) known += (known.empty() ? "" : ", ") + std::string(type);
  std::string_view why;
  if (descr.starts_with('>')) why = " (big-endian)";
  if (descr.starts_with('[')) why = " (a structure)";
  if (descr == "|O") why = " (Python objects)";
  file.refuse("dtype " + quoted(descr) + std::string(why) + ", expected one of " + known);
}

/// "(3, 4)" to {3, 4}. Python 2 wrote 3L.
std::array<std::uint64_t, 2> matrix_shape(std::string_view text, const FileReader& file) {
  const auto refuse = [&] { file.refuse("shape " + quoted(text) + ", expected (rows, dim)"); };
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
  if (shape.size() != 2) refuse();
  return {shape[0], shape[1]};
}

/// The header's text, and where it ends in the file.
std::pair<std::string, std::uint64_t> read_text(const FileReader& file) {
  constexpr std::uint64_t kVersionAt = kNpyMagic.size();
  std::array<char, kVersionAt + 2> start;
  if (file.bytes() < start.size() + sizeof(std::uint16_t)) file.refuse(std::to_string(file.bytes()) + " bytes are no .npy file");
  file.read(std::as_writable_bytes(std::span(start)), 0);
  if (!std::string_view(start.data(), start.size()).starts_with(kNpyMagic))
    file.refuse("not an .npy file (its first 6 bytes are not the magic string)");
  const int major = start[kVersionAt], minor = start[kVersionAt + 1];
  if (major < 1 || major > 3) file.refuse(".npy version " + std::to_string(major) + "." + std::to_string(minor) + ", expected 1, 2 or 3");
  const std::uint64_t length = major == 1 ? file.read<std::uint16_t>(start.size()) : file.read<std::uint32_t>(start.size());
  const std::uint64_t begin = start.size() + (major == 1 ? sizeof(std::uint16_t) : sizeof(std::uint32_t));
  if (length > kMaxHeaderBytes) file.refuse("a header of " + std::to_string(length) + " bytes, expected at most " + std::to_string(kMaxHeaderBytes));
  if (begin + length > file.bytes())
    file.refuse("the header ends at byte " + std::to_string(begin + length) + ", but the file has " + std::to_string(file.bytes()) + " bytes");
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(std::as_writable_bytes(std::span(text)), begin);
  return {std::move(text), begin + length};
}

}  // namespace

NpyHeader read_npy_header(const FileReader& file, std::span<const std::string_view> types) {
  const auto [text, offset] = read_text(file);
  const Dict dict = DictReader(text, file).read();
  if (!dict.descr || !dict.fortran_order || !dict.shape) file.refuse("its header lacks a key, expected descr, fortran_order and shape");
  const std::size_t type = type_of(*dict.descr, types, file);
  const auto [rows, columns] = matrix_shape(*dict.shape, file);
  if (*dict.fortran_order != "False")
    file.refuse("fortran_order " + quoted(*dict.fortran_order) + ", expected False: rows that stand one after another (numpy.ascontiguousarray)");
  return {.type = type, .rows = rows, .columns = columns, .offset = offset};
}

std::unique_ptr<DenseStream> open_npy(FileReader file, ElementType) {
  const NpyHeader header = read_npy_header(file, kElementNames);
  return packed_rows(std::move(file), header.offset, header.rows, header.columns, kElementTypes[header.type]);
}

}  // namespace cassata
