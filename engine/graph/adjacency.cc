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
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const bool follows_unused = i % max_degree() != 0 && rows_[i - 1] == kNoId;
    if (rows_[i] != kNoId && (rows_[i] >= size() || follows_unused))
      throw section_.damaged(offset_ + i * sizeof(Id), "neighbour " + std::to_string(rows_[i]) + " of node " + std::to_string(i / max_degree()) +
                                                           (follows_unused ? " after an unused place" : ", expected a number below " + std::to_string(size())));
  }
}

void NeighborLists::prefetch(Id id) const noexcept {
  const auto neighbors = list(id);
  prefetch_ids(neighbors.data(), neighbors.size());
}

}  // namespace cassata
