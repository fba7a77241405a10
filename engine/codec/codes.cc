#include "engine/codec/codes.h"

#include <cassert>

#include "engine/codec/packed_rows.h"

namespace cassata {

void Encoder::train(const DenseRows&, unsigned, const Progress&) { assert(false && "this encoder has no model"); }

std::unique_ptr<Codes> Encoder::open(const RowSections& sections, std::uint64_t size) const {
  return std::make_unique<PackedRows>(codec(sections), sections.rows, size);
}

}  // namespace cassata
