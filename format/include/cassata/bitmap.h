// A set of row numbers, one bit each: what a filter lets through.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cassata {

/// A set of the numbers 0 to size - 1. Bit i % 64 of word i / 64 stands for number i; bits from `size` on are 0.
class Bitmap {
 public:
  using Word = std::uint64_t;
  static constexpr std::size_t kBits = 64;
  static constexpr std::size_t words_for(std::size_t size) { return (size + kBits - 1) / kBits; }

  Bitmap() = default;
  /// The empty set, or the set of all numbers.
  explicit Bitmap(std::size_t size, bool all = false) : size_(size), words_(words_for(size), all ? ~Word{0} : 0) {
    clear_tail();
  }

  std::size_t size() const noexcept { return size_; }
  std::span<const Word> words() const noexcept { return words_; }
  /// To write whole words. clear_tail() must follow if bits from size() on may have been set.
  std::span<Word> words() noexcept { return words_; }
  void clear_tail() noexcept {
    if (size_ % kBits != 0) words_.back() &= (Word{1} << (size_ % kBits)) - 1;
  }

  /// `number` is below size().
  bool test(std::size_t number) const noexcept { return (words_[number / kBits] >> (number % kBits)) & 1; }
  void set(std::size_t number) noexcept { words_[number / kBits] |= Word{1} << (number % kBits); }
  void reset(std::size_t number) noexcept { words_[number / kBits] &= ~(Word{1} << (number % kBits)); }

  /// Number of members.
  std::size_t count() const noexcept {
    std::size_t sum = 0;
    for (const Word word : words_) sum += static_cast<std::size_t>(std::popcount(word));
    return sum;
  }

  /// Calls use(number) for each member in ascending order.
  template <class Use>
  void for_each(Use use) const {
    for_each(words_, use);
  }
  /// The same for words of a bitmap; numbers are counted from their first bit.
  template <class Use>
  static void for_each(std::span<const Word> words, Use use) {
    for (std::size_t i = 0; i < words.size(); ++i)
      for (Word word = words[i]; word != 0; word &= word - 1)
        use(i * kBits + static_cast<std::size_t>(std::countr_zero(word)));
  }
  /// The numbers 32 i to 32 i + 31, one bit each; 0 beyond size().
  std::uint32_t half_word(std::size_t i) const noexcept {
    return i / 2 < words_.size() ? static_cast<std::uint32_t>(words_[i / 2] >> (i % 2 * 32)) : 0;
  }

  /// Set operations with a set of the same size.
  Bitmap& operator&=(const Bitmap& other) noexcept {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  Bitmap& operator|=(const Bitmap& other) noexcept {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  /// Replaces the set by its complement.
  void invert() noexcept {
    for (Word& word : words_) word = ~word;
    clear_tail();
  }

  bool operator==(const Bitmap&) const = default;

 private:
  std::size_t size_ = 0;
  std::vector<Word> words_;
};

}  // namespace cassata
