// A named range of bytes of a mapped file, and typed views of it. The only place where bytes become numbers in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cassata/error.h"

namespace cassata {

/// Compares parts of a mapped file with their hashes before they are used.
class TouchCheck {
 public:
  /// Compares the blocks that hold `part` with their hashes, each once. A difference is an error of the call that is
  /// under way. Any thread.
  virtual void touch(std::span<const std::byte> part) const noexcept = 0;

 protected:
  ~TouchCheck() = default;
};

/// What checks the contents of sections calls this with each part of the mapping just before it reads the part, about
/// front to back. The part has been read from disk and hashed when the call returns. Throws Error, or what the caller's
/// progress function throws.
class Reading {
 public:
  /// Nothing is to be done.
  Reading() = default;
  explicit Reading(std::function<void(std::span<const std::byte>)> function) : function_(std::move(function)) {}
  void operator()(std::span<const std::byte> part) const {
    if (function_) function_(part);
  }

 private:
  std::function<void(std::span<const std::byte>)> function_;
};

/// A section's bytes, borrowed: valid while its MappedFile lives.
struct Section {
  std::string_view file;  ///< for messages
  std::string_view name;
  std::uint64_t offset = 0;  ///< of its first byte in the file
  std::span<const std::byte> bytes;
  const TouchCheck* check = nullptr;  ///< to be told of what is used of the section; null: nothing

  /// `part` of the section is about to be used.
  void touch(std::span<const std::byte> part) const noexcept {
    if (check) check->touch(part);
  }

  /// The section as exactly `count` elements; throws Error(corrupt) if its length is another.
  template <class T>
  requires std::is_trivially_copyable_v<T> std::span<const T> as(std::uint64_t count)
  const {
    if (bytes.size() % sizeof(T) != 0 || bytes.size() / sizeof(T) != count) throw wrong_length(count, sizeof(T));
    return {reinterpret_cast<const T*>(bytes.data()), static_cast<std::size_t>(count)};
  }

  /// The error for an element at byte `at` of this section.
  Error damaged(std::uint64_t at, const std::string& found) const {
    return Error(Errc::corrupt, std::string(file) + ": section '" + std::string(name) + "' at byte " +
                                    std::to_string(offset + at) + ": " + found);
  }

 private:
  Error wrong_length(std::uint64_t count, std::size_t element) const {
    return damaged(0, "holds " + std::to_string(bytes.size()) + " bytes, expected " + std::to_string(count) +
                          " elements of " + std::to_string(element));
  }
};

/// The number at `from`, of any alignment.
template <class T>
requires std::is_trivially_copyable_v<T> T number_at(const std::byte* from)
noexcept {
  T number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

/// A copy of what lies mapped at `from`. Another process may write into a mapped file at any time: what was checked
/// must be what is used, so it is read once.
template <class T>
requires std::is_trivially_copyable_v<T> T read_once(const T& from)
noexcept {
  T copy;
  std::memcpy(&copy, &from, sizeof copy);
  // The compiler takes it for no copy from here on, so it cannot read `from` again instead.
  if constexpr (std::is_scalar_v<T>)
    asm("" : "+r"(copy));
  else
    asm("" : "+m"(copy));
  return copy;
}

/// Appends a number's bytes.
template <class T>
requires std::is_trivially_copyable_v<T>
void append_bytes(T number, std::vector<std::byte>& out) {
  const auto bytes = std::as_bytes(std::span(&number, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// The bytes of an array of numbers.
template <class T>
requires std::is_trivially_copyable_v<T> std::span<const std::byte> bytes_of(std::span<const T> values) {
  return std::as_bytes(values);
}

}  // namespace cassata
