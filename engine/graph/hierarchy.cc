#include "engine/graph/hierarchy.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace cassata {
namespace {

constexpr unsigned kMaxLevel = 30;

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a random number for each id, the same in every build.
std::uint64_t random_of(std::uint64_t id) {
  std::uint64_t x = (id + 1) * 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// Integers only, so that every machine agrees: level l is reached where the number is below 2^64 / m^l.
unsigned level_of(std::uint64_t id, std::uint32_t m) {
  const std::uint64_t random = random_of(id);
  unsigned level = 0;
  for (std::uint64_t limit = UINT64_MAX / m; random < limit && level < kMaxLevel; limit /= m) ++level;
  return level;
}

}  // namespace

LevelAssignment assign_levels(std::uint64_t size, std::uint32_t m) {
  LevelAssignment out;
  std::vector<std::uint8_t> level(size);
  for (std::uint64_t id = 0; id < size; ++id) {
    level[id] = static_cast<std::uint8_t>(level_of(id, m));
    if (level[id] == 0) continue;
    out.nodes.push_back(static_cast<Id>(id));
    if (level[id] > out.sizes.size()) out.sizes.resize(level[id]);
    for (unsigned l = 0; l < level[id]; ++l) ++out.sizes[l];
  }
  std::stable_sort(out.nodes.begin(), out.nodes.end(), [&](Id a, Id b) { return level[a] > level[b]; });
  return out;
}

UpperLayers::UpperLayers(const Section& nodes, const Section& edges, std::span<const std::uint64_t> sizes,
                         std::uint32_t m, std::uint64_t base_size)
    : nodes_section_(nodes), base_size_(base_size) {
  std::uint64_t rows = 0;
  for (std::size_t l = 0; l < sizes.size(); ++l) {
    if (sizes[l] == 0 || sizes[l] > (l == 0 ? base_size : sizes[l - 1]) || l > kMaxLevel)
      throw nodes.damaged(0, "level " + std::to_string(l + 1) + " has " + std::to_string(sizes[l]) +
                                 " nodes, expected at least 1 and no more than the level below");
    rows += sizes[l];
  }
  nodes_ = nodes.as<Id>(sizes.empty() ? 0 : sizes.front());
  const std::size_t width = id_bytes(edges, rows * m, nodes_.size());
  std::uint64_t offset = 0;
  for (const std::uint64_t size : sizes) {
    levels_.emplace_back(edges, offset, width, size, m);
    offset += size * m * width;
  }
}

void UpperLayers::verify(const Reading& reading) const {
  std::vector<bool> seen(base_size_);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    reading(std::as_bytes(nodes_.subspan(i, 1)));
    const Id node = read_once(nodes_[i]);
    if (node >= base_size_ || seen[node])
      throw nodes_section_.damaged(
          i * sizeof(Id), "node " + std::to_string(node) + ", expected a new id below " + std::to_string(base_size_));
    seen[node] = true;
  }
  for (const RowAdjacency& level : levels_) level.verify(reading);
}

}  // namespace cassata
