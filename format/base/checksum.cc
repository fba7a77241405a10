#include "cassata/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cassata {

struct Xxh3::State {
  XXH3_state_t xxh;
};

std::uint64_t xxh3(std::span<const std::byte> bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

Xxh3::Xxh3() : state_(std::make_unique<State>()) { reset(); }
Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;
void Xxh3::reset() noexcept { XXH3_64bits_reset(&state_->xxh); }
void Xxh3::update(std::span<const std::byte> bytes) noexcept {
  XXH3_64bits_update(&state_->xxh, bytes.data(), bytes.size());
}
std::uint64_t Xxh3::digest() const noexcept { return XXH3_64bits_digest(&state_->xxh); }

}  // namespace cassata
