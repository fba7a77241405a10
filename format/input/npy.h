// Arrays in .npy files, read and written front to back.
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

/// A shape that a caller can use, and its name for messages: {2, "(rows, dim)"}.
struct NpyShape {
  std::size_t dimensions;
  std::string_view name;
};

/// What the header of a .npy file says of an array in C order.
struct NpyHeader {
  std::size_t type;                  ///< the elements', by its place among those that were asked for
  std::size_t element_bytes;         ///< of one
  std::vector<std::uint64_t> shape;  ///< any numbers: nothing has compared them with the file's length
  std::uint64_t offset;              ///< of the first element in the file
};

/// Throws Error(invalid_argument) unless the file begins with the header of an array of one of `shapes`, in C order,
/// format version 1 to 3, of one of `types`, named as NumPy does ("<f4"; "<U" and "|S" stand for texts of any length
/// but 0).
NpyHeader read_npy_header(const FileReader& file, std::span<const std::string_view> types,
                          std::initializer_list<NpyShape> shapes);

/// Throws Error(invalid_argument) unless the file ends where an array of that header ends.
void check_npy_length(const FileReader& file, const NpyHeader& header);
/// As NumPy writes it: "(3, 4)", "(3,)".
std::string npy_shape_text(std::span<const std::uint64_t> shape);

/// NumPy's names of whole numbers.
inline constexpr std::array<std::string_view, 8> kNpyIntegers = {"<i8", "<i4", "<u8", "<u4",
                                                                 "<i2", "<u2", "|i1", "|u1"};

/// Calls `call` with a number of the type that has place `type` in kNpyIntegers.
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

/// An array's elements as they stand in the file, some rows at a time: a row is all that has one place on the first
/// axis.
class NpyReader {
 public:
  /// Throws as read_npy_header does, and where the file's length is not what its header says.
  NpyReader(const std::filesystem::path& path, std::span<const std::string_view> types,
            std::initializer_list<NpyShape> shapes);

  const NpyHeader& header() const noexcept { return header_; }
  std::uint64_t rows() const noexcept { return header_.shape[0]; }
  /// Rows that next() has returned.
  std::uint64_t done() const noexcept { return done_; }
  /// The next `count` rows, or what is left of them, valid until the next call. Throws Error: io, invalid_argument (the
  /// file has shrunk).
  std::span<const std::byte> next(std::uint64_t count);
  /// Name, rows, bytes and hash of what has been read so far, for the manifest's provenance.
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

/// A .npy file of so many dimensions whose elements NumPy names `type`; of any array, if `type` is empty.
FileKind npy_kind(std::string_view type = {}, std::size_t dimensions = 0);

/// A .npy file being written, of format version 1. It appears under its name complete, or not at all. Throws Error(io).
class NpyWriter {
 public:
  /// An array in C order of elements that NumPy names `type`: "<f4", "|u1". It replaces one of the same type and number
  /// of dimensions, unless `replace` says otherwise.
  NpyWriter(const std::filesystem::path& path, std::string_view type, std::span<const std::uint64_t> shape,
            const ReplaceParams& replace = {});
  NpyWriter(const std::filesystem::path& path, std::string_view type, std::initializer_list<std::uint64_t> shape,
            const ReplaceParams& replace = {})
      : NpyWriter(path, type, std::span(shape.begin(), shape.size()), replace) {}

  /// The next elements.
  void append(std::span<const std::byte> elements);
  /// To be called when all that the shape promises has been appended.
  void publish();

 private:
  PendingFile file_;
  std::uint64_t written_ = 0, expected_;
};

/// A piece of a file's text, made fit for a one-line message.
std::string in_quotes(std::string_view text);

}  // namespace cassata
