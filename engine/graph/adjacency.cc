#include "engine/graph/adjacency.h"

#include <string>

namespace cassata {
namespace {

constexpr std::size_t kCacheLineBytes = 64;

[[gnu::always_inline]] inline void prefetch_ids(const Id* first, std::size_t count) noexcept {
  const char* line = reinterpret_cast<const char*>(first);
  for (std::size_t at = 0; at < count * sizeof(Id); at += kCacheLineBytes) __builtin_prefetch(line + at);
}

}  // namespace

std::span<const Id> RowAdjacency::neighbors(Id id, Id*) const noexcept { return rows_.subspan(std::size_t{id} * max_degree(), max_degree()); }

void RowAdjacency::prefetch(Id id) const noexcept { prefetch_ids(rows_.data() + std::size_t{id} * max_degree(), max_degree()); }

void RowAdjacency::verify() const {
  std::vector<Id> seen_by(size(), kNoId);  // the last node that had each as its neighbour
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Id node = static_cast<Id>(i / max_degree()), neighbor = rows_[i];
    if (neighbor == kNoId) continue;
    const bool follows_unused = i % max_degree() != 0 && rows_[i - 1] == kNoId;
    const bool fits = neighbor < size() && neighbor != node && seen_by[neighbor] != node && !follows_unused;
    if (!fits)
      throw section_.damaged(
          offset_ + i * sizeof(Id),
          "neighbour " + std::to_string(neighbor) + " of node " + std::to_string(node) +
              (follows_unused ? " after an unused place" : ", expected other numbers below " + std::to_string(size()) + ", each once"));
    seen_by[neighbor] = node;
  }
}

void NeighborLists::prefetch(Id id) const noexcept {
  const auto neighbors = list(id);
  prefetch_ids(neighbors.data(), neighbors.size());
}

}  // namespace cassata
