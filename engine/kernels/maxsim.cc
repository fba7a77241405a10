#include "engine/kernels/maxsim.h"

// Sums are arrays of vectors, which the sizeless types of SVE do not allow: machines with SVE use NEON. Sanitizer
// builds disable more targets.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/maxsim.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "engine/kernels/float16-inl.h"
#include "engine/kernels/prefetch.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::maxsim::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kernels::HWY_NAMESPACE;
namespace {

using Full = hn::CappedTag<float, 16>;
using FullVector = hn::Vec<Full>;
constexpr std::size_t kLanes = hn::MaxLanes(Full());
/// True if the target has 32 registers: they hold the sums of all rows of a tile with two registers of vectors. 16
/// registers hold those of a third of the rows.
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;

/// How `count` vectors are interleaved over registers, one vector per lane. Whole registers are stored coordinate by
/// coordinate, in pairs of registers, then the odd one. If the remaining vectors fill at most half a register, they are
/// stored twice: with two consecutive coordinates of each vector in one register, and with one coordinate in half a
/// register.
struct Spread {
  std::size_t whole;  // registers
  bool half;          // there is a half register after them

  explicit Spread(std::size_t count) : whole(count / kLanes), half(false) {
    const std::size_t rest = count % kLanes;
    if (rest > kLanes / 2)
      ++whole;
    else
      half = rest != 0;
  }
  std::size_t lanes() const { return whole * kLanes + (half ? kLanes / 2 : 0); }
};

constexpr std::size_t pairs(std::size_t dim) { return (dim + 1) / 2; }

std::size_t lanes_of(std::size_t count) { return Spread(count).lanes(); }

/// to[j * lanes + i] = coordinate j of vector i, or 0 beyond the last vector.
void interleave(const float* vectors, std::size_t count, std::size_t dim, std::size_t lanes, float* to) {
  for (std::size_t i = 0; i < lanes; ++i)
    for (std::size_t j = 0; j < dim; ++j) to[j * lanes + i] = i < count ? vectors[i * dim + j] : 0.0F;
}

void lay_out(const float* vectors, std::size_t count, std::size_t dim, float* to) {
  const Spread spread(count);
  std::size_t done = 0;
  for (std::size_t registers = spread.whole; registers != 0;) {
    const std::size_t some = std::min<std::size_t>(registers, 2), lanes = some * kLanes;
    interleave(vectors + done * dim, std::min(count - done, lanes), dim, lanes, to);
    registers -= some;
    done += lanes;
    to += lanes * dim;
  }
  if (!spread.half) return;
  for (std::size_t i = 0; i < kLanes / 2; ++i)
    for (std::size_t j = 0; j < 2 * pairs(dim); ++j)
      to[j / 2 * kLanes + 2 * i + j % 2] = done + i < count && j < dim ? vectors[(done + i) * dim + j] : 0.0F;
  interleave(vectors + done * dim, count - done, dim, kLanes / 2, to + pairs(dim) * kLanes);
}

/// Row numbers for fold expressions: GCC keeps in memory what a lambda in a loop captures by reference.
template <std::size_t... row>
using Rows = std::index_sequence<row...>;
template <std::size_t kRows>
using FirstRows = std::make_index_sequence<kRows>;

/// One float in all lanes, or two floats in alternating lanes.
template <std::size_t kCoordinates, class D>
HWY_INLINE hn::Vec<D> broadcast(D d, const float* from) {
  if constexpr (kCoordinates == 1) {
    return hn::Set(d, *from);
  } else {
    std::uint64_t both;
    std::memcpy(&both, from, sizeof both);
    return hn::BitCast(d, hn::Set(hn::Repartition<std::uint64_t, D>(), both));
  }
}

/// Strides in floats between rows and between coordinates, in a tile and in a codebook.
struct InTile {
  static constexpr std::size_t kRow = kStretch, kCoordinate = 1;
};
struct InCodebook {
  static constexpr std::size_t kRow = 1, kCoordinate = kCentroids;
};

/// Adds the products of one coordinate of a row, or of two, with one or two registers of vectors.
template <std::size_t kRegisters, std::size_t kCoordinates, class D, class V>
HWY_INLINE void add_product(D d, const float* from, V factor0, V factor1, V& sum0, V& sum1) {
  const V value = broadcast<kCoordinates>(d, from);
  sum0 = hn::MulAdd(value, factor0, sum0);
  if constexpr (kRegisters == 2) sum1 = hn::MulAdd(value, factor1, sum1);
}

/// Adds the products of rows with one or two registers of vectors over `n` coordinates. The sums are two arrays because
/// GCC would keep one array of twice the length in memory.
template <class Place, std::size_t kRegisters, std::size_t kCoordinates, class D, class V, std::size_t kRows,
          std::size_t... row>
HWY_INLINE void add_products(D d, const float* rows, const float* vectors, std::size_t n, V (&sums0)[kRows],
                             V (&sums1)[kRows], Rows<row...>) {
  constexpr std::size_t lanes = hn::MaxLanes(d);
  for (std::size_t j = 0; j < n;
       j += kCoordinates, vectors += kRegisters * lanes, rows += kCoordinates * Place::kCoordinate) {
    const V factor0 = hn::Load(d, vectors), factor1 = hn::Load(d, vectors + (kRegisters - 1) * lanes);
    (add_product<kRegisters, kCoordinates>(d, rows + row * Place::kRow, factor0, factor1, sums0[row], sums1[row]), ...);
  }
}

template <class D, class V, std::size_t kRows, std::size_t... row>
HWY_INLINE void clear(D d, V (&sums)[kRows], Rows<row...>) {
  ((sums[row] = hn::Zero(d)), ...);
}

#if HWY_TARGET != HWY_SCALAR
/// Adds the sums over even and odd coordinates of each vector, which are in neighbouring lanes.
template <class D>
HWY_INLINE hn::Vec<hn::Half<D>> sum_of_pairs(D d, hn::Vec<D> sums) {
  return hn::LowerHalf(hn::Half<D>(), hn::Add(hn::ConcatEven(d, sums, sums), hn::ConcatOdd(d, sums, sums)));
}
template <class V, class H, std::size_t kRows, std::size_t... row>
HWY_INLINE void sum_pairs(const V (&sums)[kRows], H (&halves)[kRows], Rows<row...>) {
  ((halves[row] = sum_of_pairs(Full(), sums[row])), ...);
}
#endif

/// Calls `take` with the dot products of kRows rows of the tile, from row `first` on, with one or two registers of
/// vectors.
template <std::size_t kRows, std::size_t kRegisters, std::size_t kCoordinates, class Take>
HWY_INLINE void multiply_rows(const float* tile, std::size_t first, std::size_t dim, const float* vectors,
                              std::size_t lane, Take& take) {
  static_assert(kRegisters == 1 || kRegisters == 2);
  FullVector sums0[kRows], sums1[kRows];
  clear(Full(), sums0, FirstRows<kRows>());
  clear(Full(), sums1, FirstRows<kRows>());
  tile += first * kStretch;
  for (std::size_t begin = 0; begin < dim; begin += kStretch, tile += kTileRows * kStretch) {
    const std::size_t n = std::min(kStretch, dim - begin);
    add_products<InTile, kRegisters, kCoordinates>(Full(), tile, vectors, n, sums0, sums1, FirstRows<kRows>());
    vectors += (n + kCoordinates - 1) / kCoordinates * kRegisters * kLanes;
  }
#if HWY_TARGET != HWY_SCALAR  // which has no half registers
  if constexpr (kCoordinates == 2) {
    const hn::Half<Full> d;
    hn::Vec<decltype(d)> halves[kRows];
    sum_pairs(sums0, halves, FirstRows<kRows>());
    return take(d, lane, first, halves, FirstRows<kRows>());
  }
#endif
  take(Full(), lane, first, sums0, FirstRows<kRows>());
  if constexpr (kRegisters == 2) take(Full(), lane + kLanes, first, sums1, FirstRows<kRows>());
}

/// Calls `take` with the dot products of the first `rows` rows of the tile, and of up to 3 rows after them.
template <std::size_t kRegisters, std::size_t kCoordinates, class Take>
HWY_INLINE void multiply_tile(const float* tile, std::size_t rows, std::size_t dim, const float* vectors,
                              std::size_t lane, Take& take) {
  if constexpr (kManyRegisters || kRegisters == 1) {
    if (rows > 8) return multiply_rows<12, kRegisters, kCoordinates>(tile, 0, dim, vectors, lane, take);
    if (rows > 4) return multiply_rows<8, kRegisters, kCoordinates>(tile, 0, dim, vectors, lane, take);
    multiply_rows<4, kRegisters, kCoordinates>(tile, 0, dim, vectors, lane, take);
  } else {
    for (std::size_t first = 0; first < rows; first += 4)
      multiply_rows<4, kRegisters, kCoordinates>(tile, first, dim, vectors, lane, take);
  }
}

/// Calls `take` with the dot products of the first `rows` rows of the tile with all packed vectors. Rows after them, up
/// to a multiple of 4, must be copies of the last one.
template <class Take>
HWY_INLINE void multiply(const Packed& packed, std::size_t rows, Take& take) {
  const Spread spread(packed.count);
  const float* vectors = packed.values;
  const std::size_t dim = packed.dim;
  std::size_t r = 0;
  for (; r + 2 <= spread.whole; r += 2, vectors += 2 * kLanes * dim)
    multiply_tile<2, 1>(packed.tile, rows, dim, vectors, r * kLanes, take);
  for (; r < spread.whole; ++r, vectors += kLanes * dim)
    multiply_tile<1, 1>(packed.tile, rows, dim, vectors, r * kLanes, take);
  if constexpr (kLanes > 1) {
    if (spread.half) multiply_tile<1, 2>(packed.tile, rows, dim, vectors, r * kLanes, take);
  }
}

/// Copies a row into the tile as f32, and a zero after an odd number of coordinates.
template <class Element>
HWY_INLINE void fill_row(const Element* row, std::size_t dim, float* tile) {
  const Full d;
  for (std::size_t begin = 0; begin < dim; begin += kStretch, tile += kTileRows * kStretch) {
    const std::size_t n = std::min(kStretch, dim - begin);
    std::size_t j = 0;
    for (; j + kLanes <= n; j += kLanes) hn::Store(load_f32(d, row + begin + j), d, tile + j);
    if (n % 2 != 0) tile[n] = 0;
#if HWY_MEM_OPS_MIGHT_FAULT
    const hn::CappedTag<float, 1> single;
    for (; j < n; ++j) hn::Store(load_f32(single, row + begin + j), single, tile + j);
#else
    if (j < n) hn::Store(load_first_f32(d, row + begin + j, n - j), d, tile + j);
#endif
  }
}

/// Multiplies rows 0 to n - 1 tile by tile: fill(i, to) copies row i into the tile. take.begin is the number of the
/// tile's first row, take.end is n.
template <class Fill, class Take>
HWY_INLINE void multiply_all(const Packed& packed, std::size_t n, Fill fill, Take& take) {
  for (std::size_t first = 0; first < n; first += kTileRows) {
    const std::size_t rows = std::min(kTileRows, n - first), filled = (rows + 3) / 4 * 4;
    for (std::size_t i = 0; i < filled; ++i) fill(first + std::min(i, rows - 1), packed.tile + i * kStretch);
    take.begin = first;
    take.end = n;
    multiply(packed, rows, take);
  }
}

/// Keeps the largest dot product of each vector.
struct Largest {
  float* largest;
  std::size_t begin = 0, end = 0;

  template <class D, class V, std::size_t kRows, std::size_t... row>
  HWY_INLINE void operator()(D d, std::size_t lane, std::size_t, const V (&products)[kRows], Rows<row...>) const {
    auto most = hn::Load(d, largest + lane);
    ((most = hn::Max(most, products[row])), ...);
    hn::Store(most, d, largest + lane);
  }
};

void forget(const Packed& packed) {
  const Full d;
  for (std::size_t i = 0; i < packed.count; i += kLanes)
    hn::Store(hn::Set(d, -std::numeric_limits<float>::infinity()), d, packed.largest + i);
}

/// The sum of the largest dot products; lanes beyond the last vector are excluded.
float sum(const Packed& packed) {
  const Full d;
  auto all = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kLanes <= packed.count; i += kLanes) all = hn::Add(all, hn::Load(d, packed.largest + i));
  if (i < packed.count)
    all = hn::Add(all, hn::IfThenElseZero(hn::FirstN(d, packed.count - i), hn::Load(d, packed.largest + i)));
  return hn::GetLane(hn::SumOfLanes(d, all));
}

/// Prefetch distance in bytes for consecutive rows: the hardware prefetcher stops at the end of each page.
constexpr std::size_t kBytesWithin = 4096;

template <class Element>
void raise_by(const Packed& packed, const void* rows, std::size_t n) {
  Largest take{packed.largest};
  const auto* first = static_cast<const Element*>(rows);
  const std::size_t row_bytes = packed.dim * sizeof(Element), ahead = 1 + kBytesWithin / row_bytes;
  const auto fill = [&](std::size_t i, float* tile) HWY_ATTR {
    if (i + ahead < n) prefetch(first + (i + ahead) * packed.dim, row_bytes);
    fill_row(first + i * packed.dim, packed.dim, tile);
  };
  multiply_all(packed, n, fill, take);
}

/// Prefetch distance in rows for rows given by id.
constexpr std::size_t kRowsAhead = 2 * kTileRows;

/// Stores every dot product.
struct Every {
  float* out;
  std::size_t lanes;
  std::size_t begin = 0, end = 0;

  template <class D, class V, std::size_t kRows, std::size_t... row>
  HWY_INLINE void operator()(D d, std::size_t lane, std::size_t first, const V (&products)[kRows], Rows<row...>) const {
    (keep(d, lane, begin + first + row, products[row]), ...);
  }
  template <class D, class V>
  HWY_INLINE void keep(D d, std::size_t lane, std::size_t i, V product) const {
    if (i < end) hn::StoreU(product, d, out + i * lanes + lane);
  }
};

void products(const Packed& vectors, const float* rows, const std::uint32_t* ids, std::size_t n, float* out) {
  Every take{out, vectors.lanes};
  const auto row = [&](std::size_t i) HWY_ATTR { return rows + std::size_t{ids[i]} * vectors.dim; };
  const auto fill = [&](std::size_t i, float* tile) HWY_ATTR {
    if (i + kRowsAhead < n) prefetch(row(i + kRowsAhead), vectors.dim * sizeof(float));
    fill_row(row(i), vectors.dim, tile);
  };
  for (std::size_t i = 0; i < std::min(n, kRowsAhead); ++i) prefetch(row(i), vectors.dim * sizeof(float));
  multiply_all(vectors, n, fill, take);
}

/// Keeps the row with the largest dot product minus bias.
struct Nearest {
  float* largest;
  std::uint32_t* which;
  const float* bias;
  std::size_t begin = 0, end = 0;

  template <class D, class V, std::size_t kRows, std::size_t... row>
  HWY_INLINE void operator()(D d, std::size_t lane, std::size_t first, const V (&products)[kRows], Rows<row...>) const {
    const hn::RebindToUnsigned<D> du;
    auto most = hn::Load(d, largest + lane);
    auto best = hn::LoadU(du, which + lane);
    (raise(d, std::min(begin + first + row, end - 1), products[row], most, best), ...);
    hn::Store(most, d, largest + lane);
    hn::StoreU(best, du, which + lane);
  }
  template <class D, class V, class U>
  HWY_INLINE void raise(D d, std::size_t i, V product, V& most, U& best) const {
    const hn::RebindToUnsigned<D> du;
    const auto value = hn::Sub(product, hn::Set(d, bias[i]));
    const auto larger = hn::Gt(value, most);
    most = hn::IfThenElse(larger, value, most);
    best = hn::IfThenElse(hn::RebindMask(du, larger), hn::Set(du, static_cast<std::uint32_t>(i)), best);
  }
};

void nearest(const Packed& vectors, const float* rows, const float* bias, std::size_t count, std::uint32_t* which) {
  forget(vectors);
  Nearest take{vectors.largest, which, bias};
  multiply_all(
      vectors, count, [&](std::size_t i, float* tile) HWY_ATTR { fill_row(rows + i * vectors.dim, vectors.dim, tile); },
      take);
}

/// Fills the tables for one or two registers of vectors, from lane `lane` on.
template <std::size_t kRegisters, class D>
HWY_INLINE void tables_of(D d, const float* vectors, const float* codebooks, std::size_t subspaces, std::size_t width,
                          std::size_t lane, std::size_t lanes, float* tables) {
  constexpr std::size_t kRows = 8;
  using V = hn::Vec<D>;
  for (std::size_t s = 0; s < subspaces;
       ++s, codebooks += width * kCentroids, vectors += width * kRegisters * hn::MaxLanes(d)) {
    for (std::size_t c = 0; c < kCentroids; c += kRows) {
      V sums0[kRows], sums1[kRows];
      clear(d, sums0, FirstRows<kRows>());
      clear(d, sums1, FirstRows<kRows>());
      add_products<InCodebook, kRegisters, 1>(d, codebooks + c, vectors, width, sums0, sums1, FirstRows<kRows>());
      Every every{tables + (s * kCentroids + c) * lanes, lanes, 0, kRows};
      every(d, lane, 0, sums0, FirstRows<kRows>());
      if constexpr (kRegisters == 2) every(d, lane + hn::MaxLanes(d), 0, sums1, FirstRows<kRows>());
    }
  }
}

void tables(const Packed& query, const float* codebooks, std::size_t subspaces, std::size_t width, float* out) {
  const Spread spread(query.count);
  const float* vectors = query.values;
  std::size_t r = 0;
  for (; r + 2 <= spread.whole; r += 2, vectors += 2 * kLanes * query.dim)
    tables_of<2>(Full(), vectors, codebooks, subspaces, width, r * kLanes, query.lanes, out);
  for (; r < spread.whole; ++r, vectors += kLanes * query.dim)
    tables_of<1>(Full(), vectors, codebooks, subspaces, width, r * kLanes, query.lanes, out);
#if HWY_TARGET != HWY_SCALAR
  if (spread.half)
    tables_of<1>(hn::Half<Full>(), vectors + pairs(query.dim) * kLanes, codebooks, subspaces, width, r * kLanes,
                 query.lanes, out);
#endif
}

template <std::size_t kRegisters, bool kNorms, class D>
HWY_INLINE void look_up(D d, const CodedTokens& t, std::size_t lane, std::size_t lanes, float* largest) {
  constexpr std::size_t kSecond = (kRegisters - 1) * hn::MaxLanes(d);
  auto largest0 = hn::LoadU(d, largest + lane), largest1 = hn::LoadU(d, largest + lane + kSecond);
  for (std::size_t i = 0; i < t.count; ++i) {
    const float* at = t.products + std::size_t{t.places[i]} * lanes + lane;
    const std::uint8_t* codes = t.codes + i * t.subspaces;
    const auto product0 = hn::LoadU(d, at), product1 = hn::LoadU(d, at + kSecond);
    auto sum0 = kNorms ? hn::Zero(d) : product0, sum1 = kNorms ? hn::Zero(d) : product1;
    const float* table = t.tables + lane;
    for (std::size_t s = 0; s < t.subspaces; ++s, table += kCentroids * lanes) {
      sum0 = hn::Add(sum0, hn::LoadU(d, table + codes[s] * lanes));
      if constexpr (kRegisters == 2) sum1 = hn::Add(sum1, hn::LoadU(d, table + codes[s] * lanes + kSecond));
    }
    if constexpr (kNorms) {
      const auto norm = hn::Set(d, t.norms[i]);
      sum0 = hn::MulAdd(sum0, norm, product0);
      if constexpr (kRegisters == 2) sum1 = hn::MulAdd(sum1, norm, product1);
    }
    largest0 = hn::Max(largest0, sum0);
    if constexpr (kRegisters == 2) largest1 = hn::Max(largest1, sum1);
  }
  hn::StoreU(largest0, d, largest + lane);
  if constexpr (kRegisters == 2) hn::StoreU(largest1, d, largest + lane + kSecond);
}

template <bool kNorms>
void look_up_all(const Packed& query, const CodedTokens& tokens) {
  const Spread spread(query.count);
  std::size_t r = 0;
  for (; r + 2 <= spread.whole; r += 2) look_up<2, kNorms>(Full(), tokens, r * kLanes, query.lanes, query.largest);
  for (; r < spread.whole; ++r) look_up<1, kNorms>(Full(), tokens, r * kLanes, query.lanes, query.largest);
#if HWY_TARGET != HWY_SCALAR
  if (spread.half) look_up<1, kNorms>(hn::Half<Full>(), tokens, r * kLanes, query.lanes, query.largest);
#endif
}

void raise_by_tables(const Packed& query, const CodedTokens& tokens) {
  tokens.norms == nullptr ? look_up_all<false>(query, tokens) : look_up_all<true>(query, tokens);
}

Kernels pick() { return {forget, raise_by<hwy::float16_t>, raise_by<float>, raise_by_tables, sum, products, tables}; }

}  // namespace
}  // namespace cassata::kernels::maxsim::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::maxsim {

HWY_EXPORT(lanes_of);
HWY_EXPORT(lay_out);
HWY_EXPORT(pick);
HWY_EXPORT(nearest);

void PackedVectors::pack(const float* vectors, std::size_t count, std::size_t dim) {
  constexpr std::size_t kMostLanes = 16;
  const std::size_t lanes = HWY_DYNAMIC_DISPATCH(lanes_of)(count);
  values_.reserve((lanes + kMostLanes / 2) * (dim + 1));
  tile_.reserve((dim + kStretch - 1) / kStretch * kStretch * kTileRows);
  largest_.reserve(lanes + kMostLanes);
  parts_ = {.count = count,
            .dim = dim,
            .lanes = lanes,
            .values = values_.data(),
            .tile = tile_.data(),
            .largest = largest_.data()};
  HWY_DYNAMIC_DISPATCH(lay_out)(vectors, count, dim, parts_.values);
}

Kernels dispatch() { return HWY_DYNAMIC_DISPATCH(pick)(); }

void nearest_rows(const float* vectors, std::size_t n, std::size_t dim, const float* rows, const float* bias,
                  std::size_t count, float* best, std::uint32_t* which) {
  constexpr std::size_t kPackedFloats = std::size_t{1}
                                        << 16;  // a batch of packed vectors stays in the second cache level
  const std::size_t batch = std::max<std::size_t>(kPackedFloats / (dim + 1) / 32 * 32, 32);
  PackedVectors packed;
  std::vector<std::uint32_t> rows_of;
  for (std::size_t first = 0; first < n; first += batch) {
    const std::size_t some = std::min(batch, n - first);
    packed.pack(vectors + first * dim, some, dim);
    rows_of.assign(packed.parts().lanes, 0);
    HWY_DYNAMIC_DISPATCH(nearest)(packed.parts(), rows, bias, count, rows_of.data());
    std::copy_n(packed.parts().largest, some, best + first);
    std::copy_n(rows_of.data(), some, which + first);
  }
}

}  // namespace cassata::kernels::maxsim
#endif
