// A file of somebody else's format, read at byte offsets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "cassata/error.h"

namespace cassata {

class FileReader {
 public:
  /// Throws Error: io (cannot be opened), invalid_argument (not a regular file, so its length is not known).
  explicit FileReader(const std::filesystem::path& path);
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;
  ~FileReader();

  const std::string& name() const noexcept { return name_; }
  /// The file's length when it was opened.
  std::uint64_t bytes() const noexcept { return bytes_; }

  /// Reads exactly out.size() bytes from `offset`. Throws Error: io, invalid_argument (the file ends before).
  void read(std::span<std::byte> out, std::uint64_t offset) const;
  /// The same, as a number or a struct of numbers.
  template <class T>
  T read(std::uint64_t offset) const {
    T value;
    read(std::as_writable_bytes(std::span(&value, 1)), offset);
    return value;
  }

  /// Throws Error(invalid_argument): "<name>: <message>".
  [[noreturn]] void refuse(const std::string& message) const { invalid_argument(name_ + ": " + message); }

 private:
  std::string name_;
  int fd_;
  std::uint64_t bytes_ = 0;
};

}  // namespace cassata
