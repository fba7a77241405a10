// Distances between a query that lies scattered in a table and sparse rows, dispatched at run time.
//
// Dot product gives -dot; euclidean the squared L2 distance less the query's squared norm, which the caller adds. A
// row's parts are of any alignment; a read never goes past one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cassata/types.h"

namespace cassata::kernels::sparse {

/// `table[c]` is the query's value at component c, for c < limit, and table[limit] is 0: components from there on count
/// as absent. For components of 16 bits the table has 65,536 places and `limit` is not looked at.
struct SparseQuery {
  const float* table;
  std::uint32_t limit;
  /// For `few`: a set of W words. Bit c % 32 of word c / 32 % W is 1 for every component c of the query.
  const std::uint32_t* filter;
};

/// How values are stored. Fixed-point ones are whole numbers times the size of the row's scale; where that is negative,
/// the numbers are in two's complement, else they have no sign.
enum class SparseValues : std::uint8_t { f32, f16, fixed8, fixed16 };

struct SparseRow {
  const void* components;
  const void* values;
  std::size_t count;
  float scale;  ///< of fixed-point values
};

/// A row whose components have their top bytes apart (engine/codec/sparse_packed.h); values are fixed8.
struct PackedRow {
  const std::uint8_t*
      tops;  ///< bits, lowest first: a 1 for each entry, a 0 for each time that the top byte rises by one
  std::size_t tops_bytes;
  const std::uint8_t* low;  ///< the bytes below the top one, lowest first, each kind of all entries together
  const std::uint8_t* values;
  std::size_t count;
  float scale;
};

/// Two ways to the distance; for one query take one of them. They sum in different orders.
template <class Row>
struct Kernels {
  float (*all)(const SparseQuery& query, const Row& row);
  /// Looks up only those entries that pass the query's filter: faster, if they are few. Null where it is not.
  float (*few)(const SparseQuery& query, const Row& row);
  std::size_t filter_words;  ///< W, a power of two up to kMaxFilterWords
  /// As `few`, for `n` rows, with the same sums; null where one call a row is as good.
  void (*few_each)(const SparseQuery& query, const Row* rows, std::size_t n, float* out) = nullptr;
};

inline constexpr std::size_t kMaxFilterWords = 64;

/// `component_bytes` is 2 or 4.
Kernels<SparseRow> dispatch(Metric metric, std::size_t component_bytes, SparseValues values);
/// Dot product; `low_bytes` is 1 to 3.
Kernels<PackedRow> dispatch_packed(std::size_t low_bytes);

}  // namespace cassata::kernels::sparse
