// Documents held in memory, as a stream.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cassata/documents.h"
#include "tests/support/random.h"

namespace cassata::test {

class MemoryDocuments final : public DocumentStream {
 public:
  explicit MemoryDocuments(std::vector<std::string> documents, bool text = true)
      : DocumentStream("documents.txt", text), documents_(std::move(documents)) {}
  std::optional<std::string_view> next() override {
    if (next_ == documents_.size()) return std::nullopt;
    return documents_[next_++];
  }

 private:
  std::vector<std::string> documents_;
  std::size_t next_ = 0;
};

/// Documents of up to `longest` bytes, many of them short, some empty: texts of few words, with characters of up to
/// four bytes, or any bytes.
inline std::vector<std::string> random_documents(Random& random, std::size_t count, std::size_t longest,
                                                 bool text = true) {
  static constexpr std::string_view kWords[] = {"vector ", "search ", "of ", "é", "字", "🎲 ", "\n", "documents "};
  std::vector<std::string> documents(count);
  for (std::string& document : documents) {
    const std::size_t length = below(random, random() % 4 == 0 ? longest + 1 : longest / 16 + 1);
    while (document.size() < length) {
      const std::string_view word = kWords[random() % std::size(kWords)];
      if (!text)
        document += static_cast<char>(random());
      else if (document.size() + word.size() <= length)
        document += word;
      else
        document += '.';
    }
  }
  return documents;
}

}  // namespace cassata::test
