#include "engine/graph/duplicates.h"

#include <algorithm>
#include <string>

namespace cassata {

RowGroups::RowGroups(const Section& section) : section_(section) {
  const std::uint64_t numbers = section.bytes.size() / sizeof(Id);
  const auto all = section.as<Id>(numbers);
  const std::uint64_t groups = all.empty() ? 0 : all.front();
  if (all.empty() || groups > (numbers - 1) / 2)
    throw section.damaged(0, std::to_string(groups) + " groups in " + std::to_string(section.bytes.size()) + " bytes, expected fewer");
  representatives_ = all.subspan(1, groups);
  ends_ = all.subspan(1 + groups, groups);
  rows_ = all.subspan(1 + 2 * groups);
}

std::span<const Id> RowGroups::of(Id representative) const noexcept {
  const auto found = std::ranges::lower_bound(representatives_, representative);
  if (found == representatives_.end() || *found != representative) return {};
  const auto group = static_cast<std::size_t>(found - representatives_.begin());
  const std::size_t end = std::min<std::size_t>(ends_[group], rows_.size());
  const std::size_t begin = group == 0 ? 0 : std::min<std::size_t>(ends_[group - 1], end);
  return rows_.subspan(begin, end - begin);
}

void RowGroups::verify(const Permutation& permutation, std::vector<bool>& is_duplicate) const {
  const auto place = [&](const Id& number) { return static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(&number) - section_.bytes.data()); };
  std::size_t begin = 0;
  for (std::size_t group = 0; group < representatives_.size(); ++group) {
    const Id &id = representatives_[group], &end = ends_[group];
    if (id >= is_duplicate.size() || (group != 0 && id <= representatives_[group - 1]))
      throw section_.damaged(place(id), "representative " + std::to_string(id) + ", expected ascending ids below " + std::to_string(is_duplicate.size()));
    if (end <= begin || end > rows_.size())
      throw section_.damaged(place(end), "a group that ends at " + std::to_string(end) + ", expected " + std::to_string(begin + 1) + " to " +
                                             std::to_string(rows_.size()));
    for (std::size_t i = begin; i < end; ++i) {
      const Id& row = rows_[i];
      const bool fits = row < is_duplicate.size() && !is_duplicate[row];
      if (!fits || (i != begin && permutation.id(row) <= permutation.id(rows_[i - 1])))
        throw section_.damaged(place(row), "row " + std::to_string(row) + ", expected rows below " + std::to_string(is_duplicate.size()) +
                                               ", each once, by ascending ids");
      is_duplicate[row] = true;
    }
    begin = end;
  }
  if (begin != rows_.size()) throw section_.damaged(place(rows_[begin]), "a row after the last group");
}

void Duplicates::verify(const Permutation& permutation, std::size_t size) const {
  if (rows() == 0) return;
  std::vector<bool> is_duplicate(size);
  copies.verify(permutation, is_duplicate);
  near.verify(permutation, is_duplicate);
  for (std::size_t row = 0; row < size; ++row) {
    const Id id = permutation.id(static_cast<Id>(row));
    if (is_duplicate[row] && (!copies.of(id).empty() || !near.of(id).empty()))
      throw Error(Errc::corrupt, "id " + std::to_string(id) + " is a duplicate and the representative of others");
  }
}

std::vector<std::byte> grouped(std::span<const std::pair<Id, Id>> rows) {
  std::vector<Id> representatives, ends, numbers;
  for (const auto& [representative, row] : rows) {
    if (representatives.empty() || representatives.back() != representative) {
      representatives.push_back(representative);
      ends.push_back(0);
    }
    numbers.push_back(row);
    ends.back() = static_cast<Id>(numbers.size());
  }
  std::vector<std::byte> bytes;
  append_bytes(static_cast<Id>(representatives.size()), bytes);
  for (const std::vector<Id>* part : {&representatives, &ends, &numbers}) {
    const auto more = std::as_bytes(std::span(*part));
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  return bytes;
}

}  // namespace cassata
