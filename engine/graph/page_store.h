// The base layer in pages, for collections whose codes and neighbour lists do not fit into memory: a page holds some
// rows that are near each other and all that it takes to go on from them, so that a walk reads a page for each few
// nodes that it expands, and nothing else.
//
//   graph.pages       pages of page_bytes, a power of two from 4096 on; each holds rows that follow one another, and
//   links from them:
//                       u16                 links: rows of other pages that are neighbours of a row of this one
//                       u16 each row        where the row's slots end
//                       u16 each slot       of row after row: numbers of the links that are its neighbours, rising
//                       zeros               up to a multiple of 4
//                       u32 each link       its row; rising
//                       own code each row   in the encoding that the walk goes by
//                       code each link      in one that takes less
//                       zeros               up to the end
//   graph.page_rows   u32 each page         its first row, and at the end the number of rows
//
// That rows of one page are neighbours is not written down: whoever reads one scores all.
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

inline constexpr std::string_view kPagesSection = "graph.pages";
inline constexpr std::string_view kPageRowsSection = "graph.page_rows";
/// Section of the codes of the nodes of the upper layers, by position, in the encoding of links.
inline constexpr std::string_view kUpperCodesSection = "graph.upper_codes";

/// What is in a page, in bytes.
struct PageShape {
  static constexpr std::size_t kLeastBytes = 4096, kMostBytes = std::size_t{1} << 28;
  static constexpr std::size_t kMostSlots = 0xFFFF;  ///< and links

  std::size_t page_bytes = 0, own_bytes = 0, link_bytes = 0;

  /// Before the links' rows.
  static std::size_t head_bytes(std::size_t rows, std::size_t slots) {
    return (sizeof(std::uint16_t) * (1 + rows + slots) + 3) / 4 * 4;
  }
  std::size_t used(std::size_t rows, std::size_t links, std::size_t slots) const {
    return head_bytes(rows, slots) + links * sizeof(Id) + rows * own_bytes + links * link_bytes;
  }
};

/// A page as it lies in a file. Whatever the bytes, it leads nowhere outside of them; a page that cannot be one has no
/// rows.
class Page {
 public:
  /// `rows` that begin with `first`, if they are as many.
  Page(std::span<const std::byte> bytes, Id first, std::size_t rows, const PageShape& shape) noexcept;

  Id first() const noexcept { return first_; }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t links() const noexcept { return links_; }
  std::size_t slots() const noexcept { return slots_; }
  /// Bytes that it has a use for.
  std::size_t used() const noexcept { return used_; }
  /// The number of the first slot of row `i`, i <= rows(); no more than slots().
  std::size_t slot_begin(std::size_t i) const noexcept;
  /// A number of a link, or whatever a damaged file holds.
  std::size_t slot(std::size_t i) const noexcept {
    return number_at<std::uint16_t>(bytes_.data() + sizeof(std::uint16_t) * (1 + rows_ + i));
  }
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
  /// Throws Error(corrupt) if the sections' lengths are not what they must be.
  Pages(const Section& pages, const Section& rows, const PageShape& shape, std::uint64_t size, std::size_t max_degree);

  std::size_t size() const noexcept { return size_; }
  std::size_t count() const noexcept { return first_rows_.size() - 1; }
  const PageShape& shape() const noexcept { return shape_; }
  /// The page that holds `row`; below count(), whatever the bytes.
  std::uint32_t page_of(Id row) const noexcept;
  std::span<const std::byte> bytes(std::uint32_t page) const noexcept {
    return section_.bytes.subspan(page * shape_.page_bytes, shape_.page_bytes);
  }
  Page page(std::uint32_t page) const noexcept;
  /// Checks all that pages must be, but for their own codes: among others that a row has one code, whoever links to it,
  /// and that of `upper_nodes` is the one in `upper_codes`. Calls `reading` with each part before it is read, and
  /// `codes` for each page, to check its own codes. Throws Error(corrupt).
  void verify(std::span<const Id> upper_nodes, std::span<const std::byte> upper_codes, const Reading& reading,
              const std::function<void(const Page&)>& codes) const;
  /// Where in the section the own code of row `i` of a page lies, and that of its link `i`.
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
