// Reads and writes arrays in .npy files, front to back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/checksum.h"
#include "cassata/manifest.h"
#include "format/os/file_reader.h"
#include "format/os/publish.h"

namespace cassata {

/// An accepted shape: the number of dimensions and its name in messages, as {2, "(rows, dim)"}.
struct NpyShape {
  std::size_t dimensions;
  std::string_view name;
};

/// Header of a .npy file with an array in C order.
struct NpyHeader {
  std::size_t type;                  ///< index of the element type in the list of accepted types
  std::size_t element_bytes;         ///< bytes of an element
  std::vector<std::uint64_t> shape;  ///< unchecked: may not match the length of the file
  std::uint64_t offset;              ///< offset of the first element in the file, in bytes
};

/// Reads the header. Accepts format versions 1 to 3, C order, one of `shapes`, and one of the element types `types`,
/// which have NumPy's names ("<f4"; "<U" and "|S" stand for texts of any length above 0). Throws Error:
/// invalid_argument for anything else, io.
NpyHeader read_npy_header(const FileReader& file, std::span<const std::string_view> types,
                          std::initializer_list<NpyShape> shapes);

/// Throws Error(invalid_argument) if the length of the file does not match the header.
void check_npy_length(const FileReader& file, const NpyHeader& header);
/// A shape as NumPy writes it: "(3, 4)", "(3,)".
std::string npy_shape_text(std::span<const std::uint64_t> shape);

/// NumPy's names of the integer types.
inline constexpr std::array<std::string_view, 8> kNpyIntegers = {"<i8", "<i4", "<u8", "<u4",
                                                                 "<i2", "<u2", "|i1", "|u1"};

/// Calls `call` with a zero of the type kNpyIntegers[type].
template <class Call>
void with_npy_integer(std::size_t type, Call call) {
  switch (type) {
    case 0: return call(std::int64_t{});
    case 1: return call(std::int32_t{});
    case 2: return call(std::uint64_t{});
    case 3: return call(std::uint32_t{});
    case 4: return call(std::int16_t{});
    case 5: return call(std::uint16_t{});
    case 6: return call(std::int8_t{});
    default: return call(std::uint8_t{});
  }
}

/// Reads the elements of an array, some rows at a time. A row is all elements with one index on the first axis.
class NpyReader {
 public:
  /// Throws as read_npy_header() and check_npy_length() do.
  NpyReader(const std::filesystem::path& path, std::span<const std::string_view> types,
            std::initializer_list<NpyShape> shapes);

  const NpyHeader& header() const noexcept { return header_; }
  std::uint64_t rows() const noexcept { return header_.shape[0]; }
  /// Number of rows that next() has returned.
  std::uint64_t done() const noexcept { return done_; }
  /// The bytes of the next `count` rows, or of the remaining ones, valid until the next call. Throws Error: io,
  /// invalid_argument (the file has shrunk).
  std::span<const std::byte> next(std::uint64_t count);
  /// Name of the file, and number of rows, bytes and hash of what has been read so far, for the provenance.
  InputEntry entry() const;

  const std::string& name() const noexcept { return file_.name(); }
  [[noreturn]] void refuse(const std::string& message) const { file_.refuse(message); }

 private:
  FileReader file_;
  NpyHeader header_;
  std::uint64_t row_bytes_ = 0, done_ = 0;
  std::vector<std::byte> read_;
  Xxh3 hash_;
};

/// The kind of .npy files with elements of NumPy type `type` and `dimensions` dimensions; any .npy file if `type` is
/// empty.
FileKind npy_kind(std::string_view type = {}, std::size_t dimensions = 0);

/// Writes a .npy file of format version 1 as a PendingFile. Throws Error(io).
class NpyWriter {
 public:
  /// An array in C order of elements of NumPy type `type`, as "<f4" or "|u1". Replaces only a file of the same type and
  /// number of dimensions, unless `replace` allows others.
  NpyWriter(const std::filesystem::path& path, std::string_view type, std::span<const std::uint64_t> shape,
            const ReplaceParams& replace = {});
  NpyWriter(const std::filesystem::path& path, std::string_view type, std::initializer_list<std::uint64_t> shape,
            const ReplaceParams& replace = {})
      : NpyWriter(path, type, std::span(shape.begin(), shape.size()), replace) {}

  /// Appends elements.
  void append(std::span<const std::byte> elements);
  /// Publishes the file. Requires that all elements of the shape have been appended.
  void publish();

 private:
  PendingFile file_;
  std::uint64_t written_ = 0, expected_;
};

/// Text of a file in quotes, escaped and shortened for a one-line message.
std::string in_quotes(std::string_view text);

}  // namespace cassata
