// Folders of token vectors, byte by byte as NumPy writes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::test {

/// "(3,)", "(3, 4)"
inline std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text = "(";
  for (const std::uint64_t length : shape) text += (text.size() == 1 ? "" : ", ") + std::to_string(length);
  return text + (shape.size() == 1 ? ",)" : ")");
}

inline std::string npy(const std::string& descr, const std::vector<std::uint64_t>& shape, const std::string& elements) {
  return npy_header(npy_dict(descr, shape_text(shape))) + elements;
}

/// `numbers` as elements that NumPy calls `descr`; of f2 as the bits that they are.
template <class T>
std::string elements(const std::string& descr, const std::vector<T>& numbers) {
  std::string bytes;
  for (const T number : numbers) {
    if (descr == "<f4")
      bytes += raw(static_cast<float>(number));
    else if (descr == "<f8")
      bytes += raw(static_cast<double>(number));
    else if (descr == "<f2")
      bytes += raw(static_cast<std::uint16_t>(number));
    else
      bytes +=
          raw(static_cast<std::uint64_t>(number)).substr(0, descr.back() - '0');  // two's complement, little-endian
  }
  return bytes;
}

template <class T>
std::string npy_of(const std::string& descr, const std::vector<std::uint64_t>& shape, const std::vector<T>& numbers) {
  return npy(descr, shape, elements(descr, numbers));
}

}  // namespace cassata::test
