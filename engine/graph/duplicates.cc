#include "engine/graph/duplicates.h"

#include <algorithm>
#include <string>
#include <tuple>

namespace cassata {

Duplicates::Duplicates(const Section& section, std::uint64_t count) : section_(section) {
  const auto all = section.as<Id>(2 * count);
  representatives_ = all.first(count);
  rows_ = all.subspan(count);
}

/// Binary search without branches, since no comparison can be predicted.
std::span<const Id> Duplicates::of(Id representative) const noexcept {
  const Id* at = representatives_.data();
  for (std::size_t left = representatives_.size(); left > 1;) {
    const std::size_t half = left / 2;
    at += at[half - 1] < representative ? half : 0;
    left -= half;
  }
  const auto begin = static_cast<std::size_t>(at - representatives_.data());
  if (begin == rows_.size() || representatives_[begin] != representative) return {};
  const auto end = std::upper_bound(representatives_.begin() + static_cast<std::ptrdiff_t>(begin),
                                    representatives_.end(), representative);
  return rows_.subspan(begin, static_cast<std::size_t>(end - representatives_.begin()) - begin);
}

void Duplicates::verify(const Permutation& permutation, const GraphEntry& entry, std::size_t size,
                        const Reading& reading) const {
  reading(section_.bytes);
  // All but standard graphs have the duplicates behind the nodes.
  const std::size_t first = entry.type == GraphType::standard ? 0 : size - rows_.size();
  const std::string below = " below " + std::to_string(size);
  std::uint64_t near = 0;
  std::vector<bool> is_duplicate(empty() ? 0 : size);  // by id
  std::tuple<Id, bool, Id> last = {};
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Id representative = read_once(representatives_[i]), stored = read_once(rows_[i]);
    if (representative >= size || representative < std::get<0>(last))
      throw section_.damaged(i * sizeof(Id), "representative " + std::to_string(representative) +
                                                 ", expected ids that do not fall," + below);
    const Id id = row(stored) < size ? permutation.id(row(stored)) : kNoId;
    const std::tuple here(representative, !is_copy(stored), id);
    const bool fits = row(stored) >= first && id < size && !is_duplicate[id] && (i == 0 || here > last) &&
                      (!is_copy(stored) || id > representative);
    if (!fits)
      throw section_.damaged((rows_.size() + i) * sizeof(Id),
                             "row " + std::to_string(row(stored)) + ", expected rows from " + std::to_string(first) +
                                 " on and" + below +
                                 ", each once, of each representative the copies first, by ascending ids");
    is_duplicate[id] = true;
    near += !is_copy(stored);
    last = here;
  }
  if (near != entry.near_copies)
    throw section_.damaged(
        0, std::to_string(near) + " near copies, the manifest says " + std::to_string(entry.near_copies));
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (const Id id = read_once(representatives_[i]); id >= size || is_duplicate[id])
      throw section_.damaged(i * sizeof(Id), "representative " + std::to_string(id) + ", which is a duplicate itself");
}

std::vector<std::byte> Duplicates::write(std::span<const Duplicate> duplicates) {
  std::vector<std::byte> bytes;
  for (const Duplicate& one : duplicates) append_bytes(one.representative, bytes);
  for (const Duplicate& one : duplicates) append_bytes(one.copy ? one.row | kCopy : one.row, bytes);
  return bytes;
}

}  // namespace cassata
