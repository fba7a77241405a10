// Distances between a query and rows of 1 to 8 bits a dimension, dispatched at run time to the widest instruction set
// of the machine.
//
// A row encodes the vector  bias + scale x codes. Its bytes:
//
//   f32 scale, bias, rest     `rest` is the part of the distance that does not depend on the query
//   parts of the codes        each holds dim values of 8, 4, 2 or 1 bits, the first value in the lowest bits of a byte,
//                             padded with zeros to a multiple of 16 bytes
//
// The widths of the parts add up to the bits of a code; the first part has the highest bits. Codes of 3 bits, for
// example, are a part of 2 bits and a part of 1 bit. The query is rounded to signed 8-bit integers times a scale.
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

/// The layout of rows of `dim` codes of `bits` bits, and of the queries that are compared with them.
struct QuantizedLayout {
  struct Part {
    unsigned width;     ///< bits of a value: 8, 4, 2 or 1
    unsigned shift;     ///< position of the value's lowest bit in the code
    std::size_t bytes;  ///< length in a row, a multiple of 16
    std::size_t row;    ///< offset in a row, in bytes
    std::size_t query;  ///< offset in a query, in integers: 8 / width runs of `bytes` integers; run r multiplies values
                        ///< r, r + 8 / width, ...
  };

  /// `bits` is 1 to 8.
  QuantizedLayout(std::size_t dim, unsigned bits);

  std::size_t dim;
  unsigned bits;
  std::array<Part, 3> parts = {};
  std::size_t count = 0;  ///< number of parts
  std::size_t row_bytes = 0;
  std::size_t query_values = 0;  ///< integers of a query, and padding that a vector load may touch
};

/// A query rounded to  scale x values. The distance to a row is
///   base + rest_factor x the row's rest - factor x dot(query, row).
struct QuantizedQuery {
  std::vector<std::int8_t> values;  ///< QuantizedLayout::query_values integers
  float scale = 0;
  float sum = 0;  ///< scale x the sum of all values
  float base = 0;
  float rest_factor = 1, factor = 1;
};

/// Rounds the layout.dim finite values of `query`. Leaves base, rest_factor and factor as they are.
void quantize(const float* query, const QuantizedLayout& layout, QuantizedQuery& out);

/// Rounds the vector that a row encodes, straight from its codes. Only for layouts of 8 or 4 bits whose codes use the
/// whole range. Leaves base, rest_factor and factor as they are; returns the row's `rest`.
float quantize_row(const void* row, const QuantizedLayout& layout, QuantizedQuery& out);

/// out[i] = distance to row ids[i] of `rows`, i < n. Prefetches each row ahead of its use, except the first ones, which
/// the caller prefetches (prefetch_rows()). No read goes past the last row.
void gather(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, const Id* ids, std::size_t n,
            float* out);
/// out[i] = distance to row first + i of `rows`, i < n.
void range(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, std::size_t first,
           std::size_t n, float* out);

}  // namespace cassata::kernels::quantized
