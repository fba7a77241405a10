// What the header of a .npy file says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "format/input/file_reader.h"

namespace cassata {

inline constexpr std::string_view kNpyMagic = "\x93NUMPY";

/// A matrix in C order: `rows` x `columns` elements from byte `offset` to the file's end, as the header has it.
struct NpyHeader {
  std::size_t type;  ///< the elements', by its place among those that were asked for
  std::uint64_t rows, columns, offset;
};

/// Throws Error(invalid_argument) unless the file begins with the header of a 2-D array in C order, format version 1 to 3, of one of `types`,
/// named as NumPy does ("<f4").
NpyHeader read_npy_header(const FileReader& file, std::span<const std::string_view> types);

}  // namespace cassata
