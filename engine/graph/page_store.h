// The base layer in pages, for collections whose codes and neighbour lists do not fit into memory. A page holds some
// rows that are close to each other, with their codes and links, and that is all a traversal needs to continue from
// them: it reads one page for every few nodes that it expands, and nothing else
// (docs/decisions/pages-hold-codes-of-links.md).
//
//   graph.pages       pages of page_bytes bytes, a power of two, at least 4096; each holds consecutive rows and their
//                     links, the neighbours of its rows in other pages:
//                       u16                 number of links
//                       u16 each row        end of the row's slots
//                       u16 each slot       row after row, the numbers of the row's links in ascending order
//                       zeros               up to a multiple of 4 bytes
//                       u32 each link       its row, in ascending order
//                       own code each row   in the encoding by which the traversal keeps rows
//                       code each link      in a shorter encoding
//                       zeros               up to the end
//   graph.page_rows   u32 each page         its first row; at the end the number of rows
//
// Neighbours in the same page have no links: a traversal scores all rows of a page that it reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "cassata/types.h"
#include "format/file/section.h"

namespace cassata {

/// Sizes of a page and its parts, in bytes.
struct PageShape {
  static constexpr std::size_t kLeastBytes = 4096, kMostBytes = std::size_t{1} << 28;
  static constexpr std::size_t kMostSlots = 0xFFFF;  ///< most slots, and most links, of a page

  std::size_t page_bytes = 0, own_bytes = 0, link_bytes = 0;  ///< of the page, of a row's own code, of a link's code

  /// Bytes before the links' rows.
  static std::size_t head_bytes(std::size_t rows, std::size_t slots) {
    return (sizeof(std::uint16_t) * (1 + rows + slots) + 3) / 4 * 4;
  }
  /// Bytes before the zeros at the end.
  std::size_t used(std::size_t rows, std::size_t links, std::size_t slots) const {
    return head_bytes(rows, slots) + links * sizeof(Id) + rows * own_bytes + links * link_bytes;
  }
};

/// A view of a page. Whatever the bytes are, its calls read nothing outside of them; a page whose parts exceed its
/// bytes has no rows.
class Page {
 public:
  /// `bytes` hold `rows` rows from row `first` on, by page_rows.
  Page(std::span<const std::byte> bytes, Id first, std::size_t rows, const PageShape& shape) noexcept;

  Id first() const noexcept { return first_; }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t links() const noexcept { return links_; }
  std::size_t slots() const noexcept { return slots_; }
  /// Bytes before the zeros at the end.
  std::size_t used() const noexcept { return used_; }
  /// The first slot of row `i`, i <= rows(); at most slots().
  std::size_t slot_begin(std::size_t i) const noexcept;
  /// The number of a link; a damaged file may hold any number.
  std::size_t slot(std::size_t i) const noexcept {
    return number_at<std::uint16_t>(bytes_.data() + sizeof(std::uint16_t) * (1 + rows_ + i));
  }
  /// The row of link `i`; a damaged file may hold any number.
  Id link(std::size_t i) const noexcept { return number_at<Id>(bytes_.data() + link_rows_ + i * sizeof(Id)); }
  const std::byte* own_codes() const noexcept { return bytes_.data() + own_codes_; }
  const std::byte* link_codes() const noexcept { return bytes_.data() + link_codes_; }

 private:
  std::span<const std::byte> bytes_;
  Id first_;
  std::size_t rows_ = 0, links_ = 0, slots_ = 0, used_ = 0, link_rows_ = 0, own_codes_ = 0, link_codes_ = 0;
};

/// All pages of a file. Immutable; any number of threads.
class Pages {
 public:
  /// `size` is the number of rows, `max_degree` the most slots of a row. Throws Error(corrupt) if the sections' lengths
  /// do not match.
  Pages(const Section& pages, const Section& rows, const PageShape& shape, std::uint64_t size, std::size_t max_degree);

  std::size_t size() const noexcept { return size_; }
  std::size_t count() const noexcept { return first_rows_.size() - 1; }
  const PageShape& shape() const noexcept { return shape_; }
  /// The number of the page that holds `row`; below count() for any row, whatever the bytes are.
  std::uint32_t page_of(Id row) const noexcept;
  std::span<const std::byte> bytes(std::uint32_t page) const noexcept {
    return section_.bytes.subspan(page * shape_.page_bytes, shape_.page_bytes);
  }
  Page page(std::uint32_t page) const noexcept;
  /// Checks every rule of the format except those of own codes, for which it calls `codes` with each page. Among
  /// others: all links to a row have the same code, and for `upper_nodes` it is the one in `upper_codes`. Calls
  /// `reading` with each part before it is read. Throws Error(corrupt).
  void verify(std::span<const Id> upper_nodes, std::span<const std::byte> upper_codes, const Reading& reading,
              const std::function<void(const Page&)>& codes) const;
  /// The first byte in the section of the own code of row `i` of a page, and of the code of its link `i`.
  std::uint64_t own_code_at(const Page& page, std::size_t i) const noexcept;
  std::uint64_t link_code_at(const Page& page, std::size_t i) const noexcept;
  const Section& section() const noexcept { return section_; }

 private:
  void verify_page(std::uint32_t number, const Page& page, std::span<std::uint64_t> hashes) const;
  void compare_code(std::span<const std::byte> code, Id row, std::uint64_t at, std::span<std::uint64_t> hashes) const;

  Section section_, rows_section_;
  PageShape shape_;
  std::uint64_t size_;
  std::size_t max_degree_;
  std::span<const Id> first_rows_;
};

}  // namespace cassata
