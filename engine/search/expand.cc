#include "engine/search/expand.h"

#include <algorithm>
#include <array>
#include <limits>

namespace cassata {
namespace {

void keep_best(std::vector<Candidate>& found, std::size_t count) {
  count = std::min(count, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count), found.end());
  found.resize(count);
}

}  // namespace

void Expansion::add_near(Id representative, bool as_ids, Scorer& scorer, std::vector<Candidate>& found) const {
  constexpr std::size_t kBlock = 64;
  std::array<Id, kBlock> rows;
  std::array<float, kBlock> distances;
  const std::span<const Id> group = duplicates_.near.of(representative);
  for (std::size_t at = 0; at < group.size();) {
    std::size_t count = 0;
    for (; count < kBlock && at < group.size(); ++at)
      if (const Id row = read_once(group[at]); row < size_) rows[count++] = row;  // a damaged file may hold any number
    const std::span<const Id> block(rows.data(), count);
    scorer.fetch(block);
    scorer.prefetch(block);
    scorer.score(block, distances.data());
    for (std::size_t i = 0; i < count; ++i)
      found.push_back(named(distances[i] == distances[i] ? distances[i] : std::numeric_limits<float>::infinity(), rows[i], as_ids));
  }
}

/// At most `most`: those with the lowest ids, which come first.
void Expansion::add_copies(const Candidate& representative, Id id, bool as_ids, std::size_t most, std::vector<Candidate>& found) const {
  const std::span<const Id> group = duplicates_.copies.of(id);
  for (const Id& number : group.first(std::min(most, group.size())))
    if (const Id row = read_once(number); row < size_) found.push_back(named(representative.distance, row, as_ids));
}

void Expansion::add_rows(std::vector<Candidate>& found, std::size_t limit, Scorer& scorer, bool copies) const {
  if (duplicates_.rows() == 0) return;
  const std::size_t count = found.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Candidate representative = found[i];
    if (representative.id >= size_) continue;
    const Id id = permutation_.id(representative.id);
    if (copies) add_copies(representative, id, false, limit, found);
    if (duplicates_.near.rows() != 0) add_near(id, false, scorer, found);
  }
  if (found.size() != count) keep_best(found, limit);
}

void Expansion::add_ids(std::vector<Candidate>& found, std::size_t k, Scorer* scorer) const {
  if (duplicates_.rows() == 0) return;
  const std::size_t count = found.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Candidate representative = found[i];
    add_copies(representative, representative.id, true, k, found);
    if (scorer != nullptr && duplicates_.near.rows() != 0) add_near(representative.id, true, *scorer, found);
  }
  keep_best(found, k);
}

}  // namespace cassata
