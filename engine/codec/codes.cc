#include "engine/codec/codes.h"

#include <cassert>

namespace cassata {

void Scorer::score_at(const std::byte*, std::span<const Id>, float*) noexcept {
  assert(false && "rows of these codes lie in their section alone");
}

void Codes::verify_row(const Section&, std::uint64_t, std::uint64_t) const {
  assert(false && "rows of these codes lie in their section alone");
}

void Codes::decode(Id, float*) const { assert(false && "only dense codes are decoded"); }

void Encoder::train(const Codes&, unsigned, const Progress&) { assert(false && "this encoder learns nothing"); }

}  // namespace cassata
