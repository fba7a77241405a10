#include "engine/graph/duplicates.h"

#include <algorithm>
#include <string>

namespace cassata {

RowGroups::RowGroups(const Section& section) : section_(section) {
  const std::uint64_t rows = section.bytes.size() / (2 * sizeof(Id));
  const auto all = section.as<Id>(2 * rows);
  representatives_ = all.first(rows);
  rows_ = all.subspan(rows);
}

std::span<const Id> RowGroups::of(Id representative) const noexcept {
  const auto group = std::ranges::equal_range(representatives_, representative);
  return rows_.subspan(static_cast<std::size_t>(group.begin() - representatives_.begin()), group.size());
}

void RowGroups::verify(const Permutation& permutation, std::vector<bool>& is_duplicate, const Reading& reading) const {
  reading(section_.bytes);
  const std::string below = " below " + std::to_string(is_duplicate.size());
  Id last = 0, last_id = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Id representative = read_once(representatives_[i]), row = read_once(rows_[i]);
    if (representative >= is_duplicate.size() || representative < last)
      throw section_.damaged(i * sizeof(Id), "representative " + std::to_string(representative) + ", expected ids that do not fall," + below);
    const Id id = row < is_duplicate.size() ? permutation.id(row) : kNoId;
    if (id >= is_duplicate.size() || is_duplicate[id] || (i != 0 && representative == last && id <= last_id))
      throw section_.damaged((rows_.size() + i) * sizeof(Id),
                             "row " + std::to_string(row) + ", expected rows" + below + ", each once, those of a representative by ascending ids");
    is_duplicate[id] = true;
    last = representative;
    last_id = id;
  }
}

void RowGroups::verify_representatives(const std::vector<bool>& is_duplicate) const {
  for (std::size_t i = 0; i < representatives_.size(); ++i)
    if (const Id id = read_once(representatives_[i]); id >= is_duplicate.size() || is_duplicate[id])
      throw section_.damaged(i * sizeof(Id), "representative " + std::to_string(id) + ", which is a duplicate itself");
}

void Duplicates::verify(const Permutation& permutation, std::size_t size, const Reading& reading) const {
  std::vector<bool> is_duplicate(rows() == 0 ? 0 : size);
  copies.verify(permutation, is_duplicate, reading);
  near.verify(permutation, is_duplicate, reading);
  copies.verify_representatives(is_duplicate);
  near.verify_representatives(is_duplicate);
}

std::vector<std::byte> grouped(std::span<const std::pair<Id, Id>> rows) {
  std::vector<std::byte> bytes;
  for (const auto& [representative, row] : rows) append_bytes(representative, bytes);
  for (const auto& [representative, row] : rows) append_bytes(row, bytes);
  return bytes;
}

}  // namespace cassata
