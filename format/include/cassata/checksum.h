// xxh3-64 (https://github.com/Cyan4973/xxHash), the only checksum of the file format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace cassata {

/// xxh3-64 of `bytes`, seed 0.
std::uint64_t xxh3(std::span<const std::byte> bytes) noexcept;

/// The same, over bytes that arrive piece by piece.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;
  void update(std::span<const std::byte> bytes) noexcept;
  std::uint64_t digest() const noexcept;
  void reset() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cassata
