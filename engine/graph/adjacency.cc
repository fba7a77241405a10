#include "engine/graph/adjacency.h"

#include <string>

namespace cassata {
namespace {

constexpr std::size_t kCacheLineBytes = 64;

void prefetch_ids(const Id* first, std::size_t count) noexcept {
  const char* line = reinterpret_cast<const char*>(first);
  for (std::size_t at = 0; at < count * sizeof(Id); at += kCacheLineBytes) __builtin_prefetch(line + at);
}

}  // namespace

OffsetAdjacency::OffsetAdjacency(const Section& offsets, const Section& edges, std::uint64_t size, std::size_t max_degree)
    : Adjacency(size, max_degree), offsets_section_(offsets), edges_section_(edges), offsets_(offsets.as<std::uint64_t>(size + 1)),
      edges_(edges.as<Id>(edges.bytes.size() / sizeof(Id))) {}

std::span<const Id> OffsetAdjacency::neighbors(Id id, Id*) const noexcept {
  const std::uint64_t end = std::min<std::uint64_t>(offsets_[id + 1], edges_.size());
  const std::uint64_t begin = std::min(offsets_[id], end);
  return edges_.subspan(begin, std::min<std::uint64_t>(end - begin, max_degree()));
}

void OffsetAdjacency::prefetch(Id id) const noexcept {
  const auto list = neighbors(id, nullptr);
  prefetch_ids(list.data(), list.size());
}

void OffsetAdjacency::verify() const {
  for (std::size_t i = 0; i < size(); ++i)
    if (offsets_[i] > offsets_[i + 1] || offsets_[i + 1] - offsets_[i] > max_degree())
      throw offsets_section_.damaged(i * sizeof offsets_[i], "node " + std::to_string(i) + "'s list goes from " + std::to_string(offsets_[i]) + " to " +
                                                                 std::to_string(offsets_[i + 1]) + ", expected 0 to " + std::to_string(max_degree()) + " neighbours");
  if (offsets_.front() != 0 || offsets_.back() != edges_.size())
    throw offsets_section_.damaged(0, "lists from " + std::to_string(offsets_.front()) + " to " + std::to_string(offsets_.back()) + ", expected 0 to " +
                                          std::to_string(edges_.size()));
  for (std::size_t i = 0; i < edges_.size(); ++i)
    if (edges_[i] >= size())
      throw edges_section_.damaged(i * sizeof edges_[i], "neighbour " + std::to_string(edges_[i]) + ", expected an id below " + std::to_string(size()));
}

std::span<const Id> RowAdjacency::neighbors(Id id, Id*) const noexcept {
  const auto row = rows_.subspan(std::size_t{id} * max_degree(), max_degree());
  std::size_t count = 0;
  while (count < row.size() && row[count] != kNoId) ++count;
  return row.first(count);
}

void RowAdjacency::prefetch(Id id) const noexcept { prefetch_ids(rows_.data() + std::size_t{id} * max_degree(), max_degree()); }

void NeighborLists::prefetch(Id id) const noexcept {
  const auto neighbors = list(id);
  prefetch_ids(neighbors.data(), neighbors.size());
}

}  // namespace cassata
