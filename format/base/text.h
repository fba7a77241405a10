// Numbers, sizes and names as text, and back: for messages, summaries and what users type.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace cassata {

/// `text` as a number: all of it, in range, of an unsigned type without a sign. None otherwise.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// "512MiB", "1.5 GB", "1000": bytes, at least 1. Throws Error(invalid_argument), about the parameter `name`.
std::uint64_t parse_bytes(std::string_view text, std::string_view name);

/// The shortest text that parse_number() reads as `value`.
template <class T>
std::string decimal(T value) {
  std::array<char, 32> digits;
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}
/// `value` with so many digits after the point.
std::string fixed(double value, int digits);
/// `value` with six significant digits at most.
std::string short_number(double value);
/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t value);
/// 16 hexadecimal digits.
std::string hex(std::uint64_t value);

/// Bytes as summaries have them: "12.3 MB".
std::string size_text(std::uint64_t bytes);
/// Bytes as messages have them, exactly: "1234 bytes"; from a MiB on rounded, too: "1610612736 bytes (1.5 GiB)".
std::string bytes_text(std::uint64_t bytes);

/// Bytes of the longest beginning of `text` that is UTF-8.
std::size_t utf8_prefix(std::string_view text) noexcept;
bool is_utf8(std::string_view text) noexcept;
/// Number of characters to insert, remove or replace until `a` is `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// `text` with control characters and what is not UTF-8 as escapes: it stays on its line, and cannot control a
/// terminal.
std::string printable(std::string_view text);
/// The same in single quotes; longer texts end in "...".
std::string quoted(std::string_view text, std::size_t longest = 60);
/// "'f32', 'f16'": the names of a range, for messages; name_of(one) is a name.
template <class Range, class NameOf = std::identity>
std::string quoted_list(const Range& range, NameOf name_of = {}) {
  std::string out;
  for (const auto& one : range) out += (out.empty() ? "'" : ", '") + std::string(std::invoke(name_of, one)) + "'";
  return out;
}

}  // namespace cassata
