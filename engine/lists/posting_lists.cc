#include "engine/lists/posting_lists.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

namespace cassata {
std::uint32_t bucket_shift(std::size_t dim) noexcept {
  std::uint32_t shift = 0;
  while (buckets_of(dim, shift) > kMaxBuckets) ++shift;
  return shift;
}

PostingLists::PostingLists(const Section& lists, const Section& directory, const Section& buckets,
                           std::uint64_t list_count, std::uint32_t shift, std::uint64_t rows, std::size_t dim)
    : section_(lists),
      directory_section_(directory),
      buckets_section_(buckets),
      directory_(directory.as<ListEntry>(list_count)),
      buckets_(buckets.as<std::uint32_t>(buckets_of(dim, std::min(shift, 63U)) + 1)),
      shift_(std::min(shift, 63U)),
      rows_(rows),
      blocks_(blocks_of(rows)),
      dim_(dim) {
  if (lists.bytes.size() < kListsPadding)
    throw lists.damaged(
        0, std::to_string(lists.bytes.size()) + " bytes, expected at least " + std::to_string(kListsPadding));
}

PostingLists::Found PostingLists::find(std::uint32_t component) const noexcept {
  const std::size_t bucket = std::size_t{component} >> shift_;
  Found found;
  if (bucket + 1 >= buckets_.size()) return found;
  const std::size_t end = std::min<std::size_t>(read_once(buckets_[bucket + 1]), directory_.size());
  const std::size_t begin = std::min<std::size_t>(read_once(buckets_[bucket]), end);
  const auto last = directory_.begin() + static_cast<std::ptrdiff_t>(end);
  auto at = std::lower_bound(directory_.begin() + static_cast<std::ptrdiff_t>(begin), last, component,
                             [](const ListEntry& list, std::uint32_t c) { return list.component < c; });
  for (; at != last; ++at) {
    const ListEntry list = read_once(*at);
    if (list.component != component) break;
    if (inside(list)) ((list.flags & ListEntry::kNegative) != 0 ? found.negative : found.positive) = list;
  }
  return found;
}

bool PostingLists::inside(const ListEntry& list) const noexcept {
  const std::uint64_t size = section_.bytes.size() - kListsPadding;
  if (list.offset > size || list.length > size - list.offset || !(list.step > 0) || !std::isfinite(list.step))
    return false;
  return (list.flags & ListEntry::kHasBlockMaxima) == 0 ||
         (list.length >= table_bytes(blocks_) && list.offset % 8 == 0);
}

std::span<const std::byte> PostingLists::runs(const ListEntry& list) const noexcept {
  const auto runs = section_.bytes.subspan(list.offset, list.length);
  section_.touch(runs);
  return runs;
}

kernels::posting_blocks::RunTable PostingLists::table(const ListEntry& list) const noexcept {
  const std::byte* at = runs(list).data();
  const std::size_t places = table_places(blocks_), bytes = table_bytes(blocks_);
  return {.maxima = reinterpret_cast<const std::uint8_t*>(at),
          .offsets = reinterpret_cast<const std::uint16_t*>(at + places),
          .bases = reinterpret_cast<const std::uint64_t*>(at + 3 * places),
          .records = at + bytes,
          .bytes = list.length - bytes};
}

void PostingLists::verify(const Reading& reading) const {
  reading(buckets_section_.bytes);
  reading(directory_section_.bytes);
  verify_buckets();
  for (std::size_t i = 0; i < directory_.size(); ++i) verify_list(i, reading);
}

void PostingLists::verify_buckets() const {
  for (std::size_t b = 0; b + 1 < buckets_.size(); ++b) {
    const std::uint32_t first = read_once(buckets_[b]), end = read_once(buckets_[b + 1]);
    const bool rises = first <= end && end <= directory_.size() && (b != 0 || first == 0);
    if (!rises || (b + 2 == buckets_.size() && end != directory_.size()))
      throw buckets_section_.damaged(b * sizeof(std::uint32_t),
                                     "lists " + std::to_string(first) + " to " + std::to_string(end) +
                                         ", expected numbers that rise from 0 to " + std::to_string(directory_.size()));
    for (std::size_t i = first; i < end; ++i)
      if (std::size_t{directory_[i].component} >> shift_ != b)
        throw directory_section_.damaged(i * sizeof(ListEntry), "component " + std::to_string(directory_[i].component) +
                                                                    " in bucket " + std::to_string(b));
  }
}

void PostingLists::verify_list(std::size_t number, const Reading& reading) const {
  const auto list = number_at<ListEntry>(directory_section_.bytes.data() +
                                         number * sizeof(ListEntry));  // a copy: the file may change
  const auto order = [](const ListEntry& l) {
    return std::uint64_t{l.component} << 1 | (l.flags & ListEntry::kNegative);
  };
  const bool ordered = number == 0 || order(directory_[number - 1]) < order(list);
  if (!ordered || list.component >= dim_ || (list.flags & ~(ListEntry::kNegative | ListEntry::kHasBlockMaxima)) != 0 ||
      !inside(list))
    throw directory_section_.damaged(number * sizeof(ListEntry),
                                     "list " + std::to_string(number) + " of component " +
                                         std::to_string(list.component) +
                                         ": out of order, with unknown flags or a wrong step, or not inside the lists");
  reading(runs(list));
  const bool has_block_maxima = (list.flags & ListEntry::kHasBlockMaxima) != 0;
  Walk walk{has_block_maxima ? table_bytes(blocks_) : 0, 0};
  if (has_block_maxima) {
    const kernels::posting_blocks::RunTable table = this->table(list);
    for (std::size_t block = 0; block < table_places(blocks_); ++block)
      if (const std::uint16_t offset = table.offsets[block]; offset != kernels::posting_blocks::RunTable::kNoRun)
        verify_run(number, list, block, table.bases[block / 64] + offset + table_bytes(blocks_), table.maxima[block],
                   walk);
      else if (table.maxima[block] != 0)
        throw section_.damaged(list.offset + block, "list " + std::to_string(number) + ": a largest code where block " +
                                                        std::to_string(block) + " has no run");
  }
  for (std::size_t next = 0; !has_block_maxima && walk.at < list.length;) {
    const std::size_t block =
        list.length - walk.at < sizeof(std::uint32_t) ? blocks_ : number_at<std::uint32_t>(runs(list).data() + walk.at);
    walk.at += sizeof(std::uint32_t);
    verify_run(number, list, block < next ? blocks_ : block, walk.at, 0, walk);
    next = block + 1;
  }
  if (walk.at != list.length || walk.entries != list.entries)
    throw section_.damaged(list.offset, "list " + std::to_string(number) + ": " + std::to_string(walk.entries) +
                                            " entries, expected " + std::to_string(list.entries) + " to its end");
}

void PostingLists::verify_run(std::size_t number, const ListEntry& list, std::size_t block, std::uint64_t at,
                              std::uint8_t bound, Walk& walk) const {
  const std::span<const std::byte> bytes = runs(list);
  const auto wrong = [&](const std::string& found) {
    return section_.damaged(list.offset + std::min<std::uint64_t>(walk.at, bytes.size()),
                            "list " + std::to_string(number) + ": " + found);
  };
  if (at != walk.at)
    throw wrong("the run of block " + std::to_string(block) + " does not begin where the one before ends");
  const std::uint32_t mask = at + sizeof mask > bytes.size() ? 0 : number_at<std::uint32_t>(bytes.data() + at);
  const auto count = static_cast<std::size_t>(std::popcount(mask));
  if (block >= blocks_ || mask == 0 || bytes.size() - at - sizeof mask < count ||
      block * kernels::posting_blocks::kBlockRows + std::bit_width(mask) > rows_)
    throw wrong("a run of block " + std::to_string(block) + ", expected rising blocks of rows below " +
                std::to_string(rows_));
  std::uint8_t most = 0;
  for (const std::byte code : bytes.subspan(at + sizeof mask, count)) {
    if (code == std::byte{0}) throw wrong("code 0");
    most = std::max(most, std::to_integer<std::uint8_t>(code));
  }
  if (bound > most) throw wrong("a bound of block " + std::to_string(block) + " that is over its codes");
  walk.at += sizeof mask + count;
  walk.entries += count;
}

}  // namespace cassata
