#include "engine/graph/page_store.h"

#include <algorithm>
#include <string>
#include <vector>

#include "cassata/checksum.h"

namespace cassata {

Page::Page(std::span<const std::byte> bytes, Id first, std::size_t rows, const PageShape& shape) noexcept
    : bytes_(bytes), first_(first) {
  if (rows == 0 || rows > bytes.size() / shape.own_bytes) return;
  const std::size_t links = number_at<std::uint16_t>(bytes.data());
  const std::size_t slots = number_at<std::uint16_t>(bytes.data() + sizeof(std::uint16_t) * rows);
  if (shape.used(rows, links, slots) > bytes.size()) return;
  rows_ = rows;
  links_ = links;
  slots_ = slots;
  used_ = shape.used(rows, links, slots);
  link_rows_ = PageShape::head_bytes(rows, slots);
  own_codes_ = link_rows_ + links * sizeof(Id);
  link_codes_ = own_codes_ + rows * shape.own_bytes;
}

std::size_t Page::slot_begin(std::size_t i) const noexcept {
  if (i == 0) return 0;
  return std::min<std::size_t>(number_at<std::uint16_t>(bytes_.data() + sizeof(std::uint16_t) * i), slots_);
}

Pages::Pages(const Section& pages, const Section& rows, const PageShape& shape, std::uint64_t size,
             std::size_t max_degree)
    : section_(pages), rows_section_(rows), shape_(shape), size_(size), max_degree_(max_degree) {
  if (pages.bytes.empty() || pages.bytes.size() % shape.page_bytes != 0)
    throw pages.damaged(
        0, std::to_string(pages.bytes.size()) + " bytes, expected pages of " + std::to_string(shape.page_bytes));
  first_rows_ = rows.as<Id>(pages.bytes.size() / shape.page_bytes + 1);
}

std::uint32_t Pages::page_of(Id row) const noexcept {
  const auto begin = first_rows_.begin() + 1;
  return static_cast<std::uint32_t>(std::upper_bound(begin, first_rows_.end() - 1, row) - begin);
}

Page Pages::page(std::uint32_t number) const noexcept {
  const Id begin = read_once(first_rows_[number]), end = read_once(first_rows_[number + 1]);
  section_.touch(bytes(number));
  return {bytes(number), begin, begin < end && end <= size_ ? end - begin : 0, shape_};
}

std::uint64_t Pages::own_code_at(const Page& page, std::size_t i) const noexcept {
  return static_cast<std::uint64_t>(page.own_codes() - section_.bytes.data()) + i * shape_.own_bytes;
}

std::uint64_t Pages::link_code_at(const Page& page, std::size_t i) const noexcept {
  return static_cast<std::uint64_t>(page.link_codes() - section_.bytes.data()) + i * shape_.link_bytes;
}

void Pages::compare_code(std::span<const std::byte> code, Id row, std::uint64_t at,
                         std::span<std::uint64_t> hashes) const {
  const std::uint64_t hash = xxh3(code) | 1;  // 0: none met yet
  if (hashes[row] != 0 && hashes[row] != hash)
    throw section_.damaged(at, "a code of row " + std::to_string(row) + " that differs from the one elsewhere");
  hashes[row] = hash;
}

void Pages::verify_page(std::uint32_t number, const Page& page, std::span<std::uint64_t> hashes) const {
  const std::uint64_t at = number * shape_.page_bytes;
  const auto damaged = [&](const std::string& found) {
    return section_.damaged(at, "page " + std::to_string(number) + ": " + found);
  };
  if (page.rows() == 0) throw damaged("its rows, links and slots do not fit into it");
  for (std::size_t i = 0; i < page.links(); ++i) {
    const Id row = page.link(i);
    if (row >= size_ || (row >= page.first() && row - page.first() < page.rows()) || (i > 0 && row <= page.link(i - 1)))
      throw damaged("link " + std::to_string(i) + " is to row " + std::to_string(row) +
                    ", expected rows of other pages that rise");
    const std::byte* const code = page.link_codes() + i * shape_.link_bytes;
    compare_code({code, shape_.link_bytes}, row, link_code_at(page, i), hashes);
  }
  std::vector<bool> used(page.links());
  for (std::size_t i = 0; i < page.rows(); ++i) {
    const std::size_t begin = page.slot_begin(i), end = page.slot_begin(i + 1);
    const std::string row = "row " + std::to_string(page.first() + i);
    if (end < begin || end - begin > max_degree_ ||
        number_at<std::uint16_t>(bytes(number).data() + sizeof(std::uint16_t) * (i + 1)) != end)
      throw damaged("the slots of " + row + " end at " + std::to_string(end) + ", expected up to " +
                    std::to_string(max_degree_));
    for (std::size_t s = begin; s < end; ++s) {
      const std::size_t link = page.slot(s);
      if (link >= page.links() || (s > begin && link <= page.slot(s - 1)))
        throw damaged("a slot of " + row + " holds " + std::to_string(link) + ", expected numbers of links that rise");
      used[link] = true;
    }
  }
  if (std::ranges::find(used, false) != used.end()) throw damaged("a link that is of no row");
  const auto bytes = this->bytes(number);
  const std::size_t slots_end = sizeof(std::uint16_t) * (1 + page.rows() + page.slots()),
                    head = PageShape::head_bytes(page.rows(), page.slots());
  const auto zeros = [](std::span<const std::byte> part) {
    return std::ranges::all_of(part, [](std::byte b) { return b == std::byte{0}; });
  };
  if (!zeros(bytes.subspan(slots_end, head - slots_end)) || !zeros(bytes.subspan(page.used())))
    throw damaged("padding that is not zero");
}

void Pages::verify(std::span<const Id> upper_nodes, std::span<const std::byte> upper_codes, const Reading& reading,
                   const std::function<void(const Page&)>& codes) const {
  reading(rows_section_.bytes);
  for (std::size_t i = 0; i < first_rows_.size(); ++i)
    if (i == 0 ? first_rows_[0] != 0 : first_rows_[i] <= first_rows_[i - 1] || first_rows_[i] > size_)
      throw rows_section_.damaged(i * sizeof(Id), "row " + std::to_string(first_rows_[i]) +
                                                      ", expected rows from 0 that rise to " + std::to_string(size_));
  if (first_rows_.back() != size_)
    throw rows_section_.damaged(
        (first_rows_.size() - 1) * sizeof(Id),
        "row " + std::to_string(first_rows_.back()) + ", expected " + std::to_string(size_) + " at the end");
  std::vector<std::uint64_t> hashes(size_);
  for (std::size_t i = 0; i < upper_nodes.size(); ++i)
    if (const Id node = read_once(upper_nodes[i]); node < size_)
      hashes[node] = xxh3(upper_codes.subspan(i * shape_.link_bytes, shape_.link_bytes)) | 1;
  for (std::uint32_t number = 0; number < count(); ++number) {
    reading(bytes(number));
    const Page page = this->page(number);
    verify_page(number, page, hashes);
    codes(page);
  }
}

}  // namespace cassata
