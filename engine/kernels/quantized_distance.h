// Distances between a query and rows of a few bits a dimension, dispatched at run time to the widest instruction set of
// the machine.
//
// A row stands for the vector  bias + scale x codes  and says what its distance is besides the product with the query:
//
//   f32 scale, bias, rest
//   for each part of the bits, the highest first: dim codes of 8, 4, 2 or 1 bits, the first in the lowest bits of a
//   byte, padded with zeros to a multiple of 16 bytes
//
// so that codes of 3 bits, for example, are a part of 2 bits and one of 1. The query is rounded to whole numbers of 8
// bits with a scale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cassata/types.h"

namespace cassata::kernels::quantized {

struct QuantizedHead {
  float scale, bias, rest;
};

/// Where what is in a row, and in a query that is compared with it.
struct QuantizedLayout {
  struct Part {
    unsigned width;     ///< bits of a code in this part: 8, 4, 2 or 1
    unsigned shift;     ///< of the part's bits in the code
    std::size_t bytes;  ///< of the part in a row, a multiple of 16
    std::size_t row;    ///< place of its first byte in a row
    std::size_t query;  ///< place of its first number in a query: 8 / width runs of `bytes` numbers, run r for the
                        ///< codes r, r + 8 / width, ...
  };

  QuantizedLayout(std::size_t dim, unsigned bits);

  std::size_t dim;
  unsigned bits;
  std::array<Part, 3> parts = {};
  std::size_t count = 0;  ///< of parts
  std::size_t row_bytes = 0;
  std::size_t query_values = 0;  ///< numbers of a query, and some more that a load may touch
};

/// A query that was rounded to  scale x values.
struct QuantizedQuery {
  std::vector<std::int8_t> values;  ///< QuantizedLayout::query_values
  float scale = 0;
  float sum = 0;   ///< of all values, times scale
  float base = 0;  ///< distance = base + rest_factor x rest of the row - factor x product
  float rest_factor = 1, factor = 1;
};

/// Rounds `query` of layout.dim finite values; leaves base and the factors.
void quantize(const float* query, const QuantizedLayout& layout, QuantizedQuery& out);

/// The same of the values  bias + scale x codes  of a row, without the numbers between. Of layouts of one part, of 8 or
/// 4 bits, whose codes reach from the first to the last. Returns the row's `rest`.
float quantize_row(const void* row, const QuantizedLayout& layout, QuantizedQuery& out);

/// out[i] = distance to row ids[i] of `rows`, i < n. Fetches ahead of itself but for the first rows (prefetch.h). A
/// read never goes past the last row.
void gather(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, const Id* ids, std::size_t n,
            float* out);
/// out[i] = distance to row `first + i`, i < n: a scan.
void range(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, std::size_t first,
           std::size_t n, float* out);

}  // namespace cassata::kernels::quantized
