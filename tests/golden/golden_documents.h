// The documents of golden files that have some.
#pragma once

#include <array>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>

namespace cassata::test {

/// The document of a row: words of several alphabets, up to some thousand bytes; every tenth is empty.
inline std::string golden_document(std::size_t row) {
  constexpr std::array<std::string_view, 12> kWords = {"a",      "stored", "document", "of", "the", "row",
                                                       "número", "строка", "文書",     "🎲",  "\n",  "\t"};
  std::mt19937 random(static_cast<unsigned>(row));
  std::string document = "row " + std::to_string(row) + ": ";
  for (std::size_t words = random() % 600; words > 0; --words) {
    document += kWords[random() % kWords.size()];
    document += random() % 8 == 0 ? std::to_string(random() % 1000) + " " : " ";
  }
  return row % 10 == 3 ? "" : document;
}

}  // namespace cassata::test
