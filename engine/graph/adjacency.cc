#include "engine/graph/adjacency.h"

#include <algorithm>
#include <string>

namespace cassata {
namespace {

constexpr std::size_t kCacheLineBytes = 64;

/// Starts to fetch a list.
[[gnu::always_inline]] inline std::span<const std::byte> fetched(std::span<const std::byte> list) noexcept {
  for (std::size_t at = 0; at < list.size(); at += kCacheLineBytes) __builtin_prefetch(list.data() + at);
  return list;
}

}  // namespace

std::size_t id_bytes(const Section& section, std::uint64_t count, std::size_t size) {
  if (size <= kMaxNarrowSize && section.bytes.size() == count * sizeof(std::uint16_t)) return sizeof(std::uint16_t);
  return section.as<Id>(count).size_bytes() / std::max<std::uint64_t>(count, 1);
}

std::span<const std::byte> RowAdjacency::locate(Id id) const noexcept {
  return fetched({row(id), max_degree() * width_});
}

std::span<const Id> RowAdjacency::read(Id, std::span<const std::byte> list, Id* scratch) const noexcept {
  if (width_ == sizeof(Id)) return {reinterpret_cast<const Id*>(list.data()), max_degree()};
  const auto* const narrow = reinterpret_cast<const std::uint16_t*>(list.data());
  std::copy_n(narrow, max_degree(), scratch);
  return {scratch, max_degree()};
}

void RowAdjacency::verify(const Reading& reading) const {
  const Id unused = width_ == sizeof(Id) ? kNoId : Id{0xFFFF};
  std::vector<Id> seen_by(size(), kNoId);  // the last node that had each as its neighbour
  std::vector<Id> list(max_degree()), scratch(max_degree());
  for (Id node = 0; node < size(); ++node) {
    reading(locate(node));
    std::ranges::copy(neighbors(node, scratch.data()),
                      list.begin());  // which may lie in the file, and change between two looks
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i] == unused) continue;
      const bool follows_unused = i != 0 && list[i - 1] == unused;
      const bool fits = list[i] < size() && list[i] != node && seen_by[list[i]] != node && !follows_unused;
      if (!fits)
        throw section_.damaged(
            offset_ + (node * max_degree() + i) * width_,
            "neighbour " + std::to_string(list[i]) + " of node " + std::to_string(node) +
                (follows_unused ? " after an unused place"
                                : ", expected other numbers below " + std::to_string(size()) + ", each once"));
      seen_by[list[i]] = node;
    }
  }
}

std::span<const std::byte> NeighborLists::locate(Id id) const noexcept { return fetched(std::as_bytes(list(id))); }

std::span<const Id> NeighborLists::read(Id id, std::span<const std::byte>, Id*) const noexcept { return list(id); }

}  // namespace cassata
