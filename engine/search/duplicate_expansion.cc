#include "engine/search/duplicate_expansion.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cassata {

std::size_t Expansion::within_reach(std::span<const Candidate> found, std::size_t k, const VectorView& query) const {
  if (!near_ || k == 0 || found.size() <= k) return std::min(k, found.size());
  double limit = found[k - 1].distance;
  if (!largest_first(metric_)) {
    limit = distance_at(metric_, length_of(metric_, std::max(limit, 0.0)) + double{radius_});
  } else {
    double squares = 0;
    for (const float value : query.values) squares += double{value} * double{value};
    limit += std::sqrt(squares) * double{radius_};
  }
  const auto end = std::ranges::find_if(found.subspan(k), [&](const Candidate& c) { return !(c.distance <= limit); });
  return k + static_cast<std::size_t>(end - found.subspan(k).begin());
}

void Expansion::add(Adds what, std::vector<Candidate>& found, std::size_t limit, Scorer& scorer,
                    const RowFilter* filter) const {
  if (duplicates_.empty()) return;
  constexpr std::size_t kBlock = 64;
  const bool are_ids = what == Adds::all_ids || what == Adds::copied_ids;
  const bool adds_copies = what != Adds::near_rows, adds_near = near_ && what != Adds::copied_ids;
  std::array<Id, kBlock> rows;
  std::array<float, kBlock> distances;
  const auto put = [&](float distance, Id row) {
    found.push_back({distance == distance ? distance : std::numeric_limits<float>::infinity(),
                     are_ids ? permutation_.id(row) : row});
  };
  const auto passes = [&](const RowFilter& by, Id id) { return are_ids ? by.passes(id) : by.rows().test(id); };
  const std::size_t count = found.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Candidate representative = found[i];
    if (representative.id >= size_) {  // a damaged file may hold any number, here and below
      if (filter != nullptr) found[i].id = kNoId;
      continue;
    }
    const std::span<const Id> group = duplicates_.of(are_ids ? representative.id : permutation_.id(representative.id));
    std::size_t waiting = 0, copies = 0;  // exact duplicates that pass
    const auto score = [&] {
      const std::span<const Id> block(rows.data(), waiting);
      scorer.fetch(block);
      scorer.prefetch(block);
      scorer.score(block, distances.data());
      for (std::size_t j = 0; j < waiting; ++j) put(distances[j], rows[j]);
      waiting = 0;
    };
    for (const Id& number : group) {
      const Id stored = read_once(number), row = Duplicates::row(stored);
      if (row >= size_ || (filter != nullptr && !filter->rows().test(row))) continue;
      if (Duplicates::is_copy(stored)) {
        // In the order of ids: further ones cannot be among the `limit` best.
        if (copies++ < limit && adds_copies) put(representative.distance, row);
        if (!adds_near && copies == limit) break;
        continue;
      }
      if (!adds_near) break;
      rows[waiting++] = row;
      if (waiting == kBlock) score();
    }
    if (waiting != 0) score();
    // After near duplicates, exact ones are still to come.
    if (filter != nullptr && !passes(*filter, representative.id) && (adds_copies || copies == 0)) found[i].id = kNoId;
  }
  if (filter != nullptr) {
    std::erase_if(found, [](const Candidate& c) { return c.id == kNoId; });
  } else if (found.size() == count && count <= limit) {
    return;
  }
  const std::size_t kept = std::min(limit, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end());
  found.resize(kept);
}

}  // namespace cassata
