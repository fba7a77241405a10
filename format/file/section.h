// Named ranges of bytes of a mapped file, and typed views of them. The only place that reinterprets bytes as numbers.
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

class RowReads;

/// Compares parts of a mapped file with their hashes before they are used.
class TouchCheck {
 public:
  /// Compares the hash blocks that overlap `part` with their hashes, each block once. A difference makes the present
  /// call of the index fail. Any thread.
  virtual void touch(std::span<const std::byte> part) const noexcept = 0;

 protected:
  ~TouchCheck() = default;
};

/// A callback for code that verifies the contents of sections: it calls this with each part of the mapping before it
/// reads the part, roughly front to back. When the call returns, the part has been read from disk and its hashes
/// compared. Throws Error, and the exceptions of the caller's progress function.
class Reading {
 public:
  /// Does nothing when called.
  Reading() = default;
  explicit Reading(std::function<void(std::span<const std::byte>)> function) : function_(std::move(function)) {}
  void operator()(std::span<const std::byte> part) const {
    if (function_) function_(part);
  }

 private:
  std::function<void(std::span<const std::byte>)> function_;
};

/// A section of a file, borrowed: valid while its MappedFile lives.
struct Section {
  std::string_view file;  ///< for messages
  std::string_view name;
  std::uint64_t offset = 0;  ///< in the file, in bytes
  std::span<const std::byte> bytes;
  const TouchCheck* check = nullptr;  ///< compares parts with their hashes before use; null: nothing does
  RowReads* reads = nullptr;          ///< requests rows from disk; null: they are in memory

  /// Call it before using `part` of the section.
  void touch(std::span<const std::byte> part) const noexcept {
    if (check) check->touch(part);
  }

  /// The section as an array of exactly `count` elements. Throws Error(corrupt) if its length differs.
  template <class T>
  requires std::is_trivially_copyable_v<T> std::span<const T> as(std::uint64_t count)
  const {
    if (bytes.size() % sizeof(T) != 0 || bytes.size() / sizeof(T) != count) throw wrong_length(count, sizeof(T));
    return {reinterpret_cast<const T*>(bytes.data()), static_cast<std::size_t>(count)};
  }

  /// An Error(corrupt) about byte `at` of this section; `found` is the rest of the message.
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

/// Reads a number at any alignment.
template <class T>
requires std::is_trivially_copyable_v<T> T number_at(const std::byte* from)
noexcept {
  T number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

/// Copies a value out of a mapped file. Another process may write the file at any time, so a value that is checked and
/// then used must be read exactly once.
template <class T>
requires std::is_trivially_copyable_v<T> T read_once(const T& from)
noexcept {
  T copy;
  std::memcpy(&copy, &from, sizeof copy);
  // Hides the origin of `copy` from the compiler, which could otherwise read `from` again.
  if constexpr (std::is_scalar_v<T>)
    asm("" : "+r"(copy));
  else
    asm("" : "+m"(copy));
  return copy;
}

/// Appends the bytes of a number.
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
