// Where rows of different lengths lie in their section.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "format/file/section.h"

namespace cassata {

/// Where each row of a section lies, as u32 or, beyond 4 GiB, u64: (n + 1) numbers, the first 0, the last the section's
/// length.
class RowOffsets {
 public:
  /// Throws Error(corrupt) if the section's length is not that of size + 1 numbers of either width.
  RowOffsets(const Section& section, std::uint64_t size) : section_(section) {
    if (section.bytes.size() == (size + 1) * sizeof(std::uint32_t))
      narrow_ = section.as<std::uint32_t>(size + 1).data();
    else
      wide_ = section.as<std::uint64_t>(size + 1).data();
  }
  std::uint64_t operator[](std::size_t i) const noexcept {
    return narrow_ ? read_once(narrow_[i]) : read_once(wide_[i]);
  }
  /// The part of `rows` where row `i` lies: in them, whatever a damaged file says.
  std::span<const std::byte> part(std::span<const std::byte> rows, std::size_t i) const noexcept {
    const std::uint64_t end = std::min<std::uint64_t>((*this)[i + 1], rows.size()), begin = std::min((*this)[i], end);
    return rows.subspan(begin, end - begin);
  }
  /// The two numbers that tell where row `i` lies.
  std::span<const std::byte> bytes(std::size_t i) const noexcept {
    const std::size_t width = narrow_ ? sizeof *narrow_ : sizeof *wide_;
    return section_.bytes.subspan(i * width, 2 * width);
  }
  void touch(std::size_t i) const noexcept { section_.touch(bytes(i)); }
  void prefetch(std::size_t i) const noexcept {
    __builtin_prefetch(narrow_ ? static_cast<const void*>(narrow_ + i) : wide_ + i);
  }
  /// Throws Error(corrupt) unless the first of `size` rows begins at 0 and the last ends with the section.
  void check_ends(std::size_t size, std::size_t length) const {
    if ((*this)[0] != 0 || (*this)[size] != length)
      throw damaged(0, "rows from byte " + std::to_string((*this)[0]) + " to " + std::to_string((*this)[size]) +
                           ", expected 0 to " + std::to_string(length));
  }
  /// The error for number i.
  Error damaged(std::size_t i, const std::string& found) const {
    return section_.damaged(i * (narrow_ ? sizeof(std::uint32_t) : sizeof(std::uint64_t)), found);
  }

 private:
  Section section_;
  const std::uint32_t* narrow_ = nullptr;
  const std::uint64_t* wide_ = nullptr;
};

}  // namespace cassata
