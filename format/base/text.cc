#include "format/base/text.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "cassata/error.h"

namespace cassata {
namespace {

/// Bytes of the UTF-8 sequence that `text` begins with; 0 if it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool shortest = first != 0xE0 || byte(1) >= 0xA0, no_surrogate = first != 0xED || byte(1) < 0xA0;
    return follows(1) && follows(2) && shortest && no_surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool shortest = first != 0xF0 || byte(1) >= 0x90, in_range = first != 0xF4 || byte(1) < 0x90;
    return follows(1) && follows(2) && follows(3) && shortest && in_range ? 4 : 0;
  }
  return 0;
}

/// A code point below U+00A0 that moves the cursor, or worse, instead of showing something.
bool is_control(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  return first < 0x20 || first == 0x7F || (first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0);
}

/// What snprintf() makes of a number.
template <class... Arguments>
std::string formatted(const char* format, Arguments... arguments) {
  char text[400];  // the longest f64 with some digits after the point
  const int length = std::snprintf(text, sizeof text, format, arguments...);
  return {text, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof text - 1)};
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text, std::string_view name) {
  constexpr std::array<std::pair<std::string_view, double>, 11> kUnits = {{{"", 1},
                                                                           {"B", 1},
                                                                           {"kB", 1e3},
                                                                           {"KB", 1e3},
                                                                           {"MB", 1e6},
                                                                           {"GB", 1e9},
                                                                           {"TB", 1e12},
                                                                           {"KiB", 0x1p10},
                                                                           {"MiB", 0x1p20},
                                                                           {"GiB", 0x1p30},
                                                                           {"TiB", 0x1p40}}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  for (const auto& [known, bytes] : kUnits)
    if (error == std::errc{} && unit == known && value * bytes >= 1 && value * bytes < 0x1p63)
      return static_cast<std::uint64_t>(value * bytes);
  std::string units;
  for (const auto& unit_and_bytes : kUnits) units.append(units.empty() ? "" : ", ").append(unit_and_bytes.first);
  invalid_argument(std::string(name) + ": '" + std::string(text) +
                   "' given, expected a number of bytes over 0, such as 512MiB or 2GB (units: " + units + ")");
}

std::string fixed(double value, int digits) { return formatted("%.*f", digits, value); }

std::string short_number(double value) { return formatted("%g", value); }

std::string hex(std::uint64_t value) { return formatted("%016llx", static_cast<unsigned long long>(value)); }

std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string size_text(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.95; value /= 1000) ++unit;
  return fixed(value, 1) + " " + kUnits[unit];
}

std::string bytes_text(std::uint64_t bytes) {
  const std::string exact = std::to_string(bytes) + " bytes";
  if (bytes < std::uint64_t{1} << 20) return exact;
  static constexpr const char* kUnits[] = {"MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 0x1p20;
  std::size_t unit = 0;
  for (; value >= 1023.95; value /= 1024) ++unit;  // not "1024.0 MiB"
  return exact + " (" + fixed(value, 1) + " " + kUnits[unit] + ")";
}

std::size_t utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t word = 0;  // eight bytes of ASCII at once
    if (text.size() - at >= sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & 0x8080'8080'8080'8080) == 0) {
        at += sizeof word;
        continue;
      }
    }
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) break;
    at += length;
  }
  return at;
}

bool is_utf8(std::string_view text) noexcept { return utf8_prefix(text) == text.size(); }

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j)
      diagonal = std::exchange(row[j + 1], std::min({diagonal + (a[i] != b[j] ? 1 : 0), row[j] + 1, row[j + 1] + 1}));
  }
  return row.back();
}

std::string quoted(std::string_view text, std::size_t longest) {
  return "'" + printable(text.substr(0, longest)) + (text.size() > longest ? "...'" : "'");
}

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length != 0 && !is_control(text)) {
      shown += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    char escape[5];
    std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(text[0]));
    shown += text[0] == '\n' ? "\\n" : escape;
    text.remove_prefix(1);
  }
  return shown;
}

}  // namespace cassata
