#include "engine/codes/codes.h"

#include <cassert>

namespace cassata {

void Codes::decode(Id, float*) const { assert(false && "only dense codes are decoded"); }

void Encoder::train(const Codes&, unsigned, const Progress&) { assert(false && "this encoder learns nothing"); }

}  // namespace cassata
