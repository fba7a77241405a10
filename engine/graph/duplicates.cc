#include "engine/graph/duplicates.h"

#include <string>
#include <tuple>

namespace cassata {

Duplicates::Duplicates(const Section& section, std::uint64_t count) : section_(section) {
  const auto all = section.as<Id>(2 * count);
  representatives_ = all.first(count);
  rows_ = all.subspan(count);
}

/// By halves, without branches: where it comes to is a coin toss.
std::span<const Id> Duplicates::of(Id representative) const noexcept {
  const Id* at = representatives_.data();
  for (std::size_t left = representatives_.size(); left > 1;) {
    const std::size_t half = left / 2;
    at += at[half - 1] < representative ? half : 0;
    left -= half;
  }
  const auto begin = static_cast<std::size_t>(at - representatives_.data());
  std::size_t end = begin;
  while (end < rows_.size() && representatives_[end] == representative) ++end;
  return rows_.subspan(begin, end - begin);
}

void Duplicates::verify(const Permutation& permutation, std::size_t size, const Reading& reading) const {
  reading(section_.bytes);
  const std::string below = " below " + std::to_string(size);
  std::vector<bool> is_duplicate(empty() ? 0 : size);  // by id
  std::tuple<Id, bool, Id> last = {};
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Id representative = read_once(representatives_[i]), stored = read_once(rows_[i]);
    if (representative >= size || representative < std::get<0>(last))
      throw section_.damaged(i * sizeof(Id), "representative " + std::to_string(representative) + ", expected ids that do not fall," + below);
    const Id id = row(stored) < size ? permutation.id(row(stored)) : kNoId;
    const std::tuple here(representative, !is_copy(stored), id);
    const bool fits = id < size && !is_duplicate[id] && (i == 0 || here > last) && (!is_copy(stored) || id > representative);
    if (!fits)
      throw section_.damaged((rows_.size() + i) * sizeof(Id), "row " + std::to_string(row(stored)) + ", expected rows" + below +
                                                                  ", each once, of each representative the copies first, by ascending ids");
    is_duplicate[id] = true;
    last = here;
  }
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
