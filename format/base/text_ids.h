// Ids that are texts as numbers, for functions that take numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cassata {

/// Texts as numbers from 0, in an order of the texts.
class TextIds {
 public:
  /// Borrows the texts, of which some may be equal.
  template <class Before = std::less<>>
  explicit TextIds(std::vector<std::string_view> texts, Before before = {}) : texts_(std::move(texts)) {
    std::ranges::sort(texts_, before);
    texts_.erase(std::unique(texts_.begin(), texts_.end()), texts_.end());
    for (const std::string_view text : texts_) numbers_.try_emplace(text, static_cast<std::int64_t>(numbers_.size()));
  }
  /// `text` is one of the texts.
  std::int64_t number(std::string_view text) const { return numbers_.at(text); }
  std::string_view text(std::int64_t number) const { return texts_[static_cast<std::size_t>(number)]; }

 private:
  std::vector<std::string_view> texts_;
  std::unordered_map<std::string_view, std::int64_t> numbers_;
};

}  // namespace cassata
