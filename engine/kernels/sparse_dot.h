// Distances between a query, scattered into a table of all components, and sparse rows; dispatched at run time.
//
// The distance is -dot for the dot product. For Euclidean it is the squared L2 distance minus the query's squared norm,
// which the caller adds. The parts of a row may have any alignment; no read goes past a part.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cassata/types.h"

namespace cassata::kernels::sparse {

/// table[c] is the query's value at component c < limit; table[limit] is 0, and components above `limit` are treated as
/// `limit`. For 16-bit components the table has 65,536 places and `limit` is ignored.
struct SparseQuery {
  const float* table;
  std::uint32_t limit;
  /// For `few`: filter_words words W; bit c % 32 of word c / 32 % W is 1 for every component c of the query.
  const std::uint32_t* filter;
};

/// Encodings of values. Fixed-point values are integers times the absolute value of the row's scale; the integers are
/// signed if the scale is negative.
enum class SparseValues : std::uint8_t { f32, f16, fixed8, fixed16 };

struct SparseRow {
  const void* components;
  const void* values;
  std::size_t count;
  float scale;  ///< step of fixed-point values
};

/// A row whose components are stored as top bytes, in unary, and lower bytes (engine/codec/sparse_packed.h). Values are
/// fixed8.
struct PackedRow {
  const std::uint8_t* tops;  ///< bits, lowest first: 1 for each entry, 0 each time the top byte increases by one
  std::size_t tops_bytes;
  const std::uint8_t* low;  ///< the lowest bytes of all entries, then the second lowest of all, and so on
  const std::uint8_t* values;
  std::size_t count;
  float scale;
};

/// Two functions for the distance. They sum in different orders, so a query must use only one of them.
template <class Row>
struct Kernels {
  float (*all)(const SparseQuery& query, const Row& row);
  /// Looks up only the entries that pass the query's filter, which is faster if few do. Null on targets where it is
  /// not.
  float (*few)(const SparseQuery& query, const Row& row);
  std::size_t filter_words;  ///< W, a power of two up to kMaxFilterWords
  /// `few` for `n` rows, with the same results. Null where calling `few` for each row is as fast.
  void (*few_each)(const SparseQuery& query, const Row* rows, std::size_t n, float* out) = nullptr;
};

inline constexpr std::size_t kMaxFilterWords = 64;

/// The kernels for rows with components of `component_bytes` bytes, 2 or 4.
Kernels<SparseRow> dispatch(Metric metric, std::size_t component_bytes, SparseValues values);
/// The dot-product kernels for packed rows with `low_bytes` lower bytes a component, 1 to 3.
Kernels<PackedRow> dispatch_packed(std::size_t low_bytes);

}  // namespace cassata::kernels::sparse
