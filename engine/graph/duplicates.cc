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

void RowGroups::verify(const Permutation& permutation, std::vector<bool>& is_duplicate) const {
  const std::string below = " below " + std::to_string(is_duplicate.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Id representative = representatives_[i], row = rows_[i];
    const bool goes_on = i != 0 && representative == representatives_[i - 1];
    if (representative >= is_duplicate.size() || (i != 0 && representative < representatives_[i - 1]))
      throw section_.damaged(i * sizeof(Id), "representative " + std::to_string(representative) + ", expected ids that do not fall," + below);
    if (row >= is_duplicate.size() || is_duplicate[row] || (goes_on && permutation.id(row) <= permutation.id(rows_[i - 1])))
      throw section_.damaged((rows_.size() + i) * sizeof(Id),
                             "row " + std::to_string(row) + ", expected rows" + below + ", each once, those of a representative by ascending ids");
    is_duplicate[row] = true;
  }
}

void RowGroups::verify_representatives(const Permutation& permutation, const std::vector<bool>& is_duplicate) const {
  std::vector<bool> is_duplicate_id(is_duplicate.size());
  for (std::size_t row = 0; row < is_duplicate.size(); ++row)
    if (is_duplicate[row]) is_duplicate_id[permutation.id(static_cast<Id>(row))] = true;
  for (std::size_t i = 0; i < representatives_.size(); ++i)
    if (is_duplicate_id[representatives_[i]])
      throw section_.damaged(i * sizeof(Id), "representative " + std::to_string(representatives_[i]) + ", which is a duplicate itself");
}

void Duplicates::verify(const Permutation& permutation, std::size_t size) const {
  if (rows() == 0) return;
  std::vector<bool> is_duplicate(size);
  copies.verify(permutation, is_duplicate);
  near.verify(permutation, is_duplicate);
  copies.verify_representatives(permutation, is_duplicate);
  near.verify_representatives(permutation, is_duplicate);
}

std::vector<std::byte> grouped(std::span<const std::pair<Id, Id>> rows) {
  std::vector<std::byte> bytes;
  for (const auto& [representative, row] : rows) append_bytes(representative, bytes);
  for (const auto& [representative, row] : rows) append_bytes(row, bytes);
  return bytes;
}

}  // namespace cassata
