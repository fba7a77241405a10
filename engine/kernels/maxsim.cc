#include "engine/kernels/maxsim.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/maxsim.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/kernels/half-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Full = hn::CappedTag<float, 16>;
using FullVector = hn::Vec<Full>;
constexpr std::size_t kLanes = hn::MaxLanes(Full());
/// Registers: the products of a block of rows with two of vectors stay in 32; in 16, of a third of its rows.
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;

/// How `count` vectors are spread over registers, one to a lane: whole registers, coordinate after coordinate, two by two and what is left by
/// itself; and if no more than half a register remains, one whose lanes hold two coordinates of each. That one is there a second time, with
/// one coordinate of each in half a register.
struct Spread {
  std::size_t whole;  // registers
  bool half;

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

void pack(const float* vectors, std::size_t count, std::size_t dim, float* to) {
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

/// Calls use(constant 0), ... use(constant n - 1).
template <std::size_t n, class Use>
HWY_INLINE void times(Use use) {
  [&]<std::size_t... i>(std::index_sequence<i...>) HWY_ATTR { (use(std::integral_constant<std::size_t, i>()), ...); }
  (std::make_index_sequence<n>());
}

/// One number, or two in turns, in all lanes.
template <std::size_t kCoordinates>
HWY_INLINE FullVector broadcast(const float* from) {
  const Full d;
  if constexpr (kCoordinates == 1) {
    return hn::Set(d, *from);
  } else {
    std::uint64_t both;
    std::memcpy(&both, from, sizeof both);
    return hn::BitCast(d, hn::Set(hn::Repartition<std::uint64_t, Full>(), both));
  }
}

/// Adds the products of kRows rows with one or two registers of vectors over `n` coordinates. The sums are two arrays: GCC keeps one as long as
/// both in memory.
template <std::size_t kRows, std::size_t kRegisters, std::size_t kCoordinates>
HWY_INLINE void add_products(const float* block, const float* vectors, std::size_t n, FullVector (&sums0)[kRows], FullVector (&sums1)[kRows]) {
  const Full d;
  for (std::size_t j = 0; j < n; j += kCoordinates, vectors += kRegisters * kLanes) {
    const FullVector factor0 = hn::Load(d, vectors), factor1 = hn::Load(d, vectors + (kRegisters - 1) * kLanes);
    times<kRows>([&](auto row) HWY_ATTR {
      const FullVector value = broadcast<kCoordinates>(block + row * kStretch + j);
      sums0[row] = hn::MulAdd(value, factor0, sums0[row]);
      if constexpr (kRegisters == 2) sums1[row] = hn::MulAdd(value, factor1, sums1[row]);
    });
  }
}

/// The dot products of kRows rows of the block from `first` on with registers of vectors. Take gets them.
template <std::size_t kRows, std::size_t kRegisters, std::size_t kCoordinates, class Take>
HWY_INLINE void multiply_rows(const float* block, std::size_t first, std::size_t dim, const float* vectors, std::size_t lane, Take& take) {
  static_assert(kRegisters == 1 || kRegisters == 2);
  FullVector sums0[kRows], sums1[kRows];
  times<kRows>([&](auto row) HWY_ATTR { sums0[row] = sums1[row] = hn::Zero(Full()); });
  block += first * kStretch;
  for (std::size_t begin = 0; begin < dim; begin += kStretch, block += kBlockRows * kStretch) {
    const std::size_t n = std::min(kStretch, dim - begin);
    add_products<kRows, kRegisters, kCoordinates>(block, vectors, n, sums0, sums1);
    vectors += (n + kCoordinates - 1) / kCoordinates * kRegisters * kLanes;
  }
#if HWY_TARGET != HWY_SCALAR  // which has no halves
  if constexpr (kCoordinates == 2) {
    const hn::Half<Full> d;
    hn::Vec<decltype(d)> halves[kRows];
    times<kRows>([&](auto row) HWY_ATTR {
      halves[row] = hn::LowerHalf(d, hn::Add(hn::ConcatEven(Full(), sums0[row], sums0[row]), hn::ConcatOdd(Full(), sums0[row], sums0[row])));
    });
    return take(d, lane, first, halves);
  }
#endif
  take(Full(), lane, first, sums0);
  if constexpr (kRegisters == 2) take(Full(), lane + kLanes, first, sums1);
}

/// The same of the first `rows` rows of the block; Take gets some of the rows after them, too.
template <std::size_t kRegisters, std::size_t kCoordinates, class Take>
HWY_INLINE void multiply_block(const float* block, std::size_t rows, std::size_t dim, const float* vectors, std::size_t lane, Take& take) {
  if constexpr (kManyRegisters || kRegisters == 1) {
    if (rows > 8) return multiply_rows<12, kRegisters, kCoordinates>(block, 0, dim, vectors, lane, take);
    if (rows > 4) return multiply_rows<8, kRegisters, kCoordinates>(block, 0, dim, vectors, lane, take);
    multiply_rows<4, kRegisters, kCoordinates>(block, 0, dim, vectors, lane, take);
  } else {
    for (std::size_t first = 0; first < rows; first += 4) multiply_rows<4, kRegisters, kCoordinates>(block, first, dim, vectors, lane, take);
  }
}

/// All the packed vectors times the first `rows` rows of the block, the others of which are taken for copies of the last one.
template <class Take>
HWY_INLINE void multiply(const Packed& packed, std::size_t rows, Take& take) {
  const Spread spread(packed.count);
  const float* vectors = packed.values;
  const std::size_t dim = packed.dim;
  std::size_t r = 0;
  for (; r + 2 <= spread.whole; r += 2, vectors += 2 * kLanes * dim) multiply_block<2, 1>(packed.block, rows, dim, vectors, r * kLanes, take);
  for (; r < spread.whole; ++r, vectors += kLanes * dim) multiply_block<1, 1>(packed.block, rows, dim, vectors, r * kLanes, take);
  if constexpr (kLanes > 1) {
    if (spread.half) multiply_block<1, 2>(packed.block, rows, dim, vectors, r * kLanes, take);
  }
}

/// A row's coordinates into the block, as f32; one more that is 0 where they are odd.
template <class Element>
HWY_INLINE void fill_row(const Element* row, std::size_t dim, float* block) {
  const Full d;
  for (std::size_t begin = 0; begin < dim; begin += kStretch, block += kBlockRows * kStretch) {
    const std::size_t n = std::min(kStretch, dim - begin);
    std::size_t j = 0;
    for (; j + kLanes <= n; j += kLanes) hn::Store(load_f32(d, row + begin + j), d, block + j);
    if (n % 2 != 0) block[n] = 0;
#if HWY_MEM_OPS_MIGHT_FAULT
    const hn::CappedTag<float, 1> single;
    for (; j < n; ++j) hn::Store(load_f32(single, row + begin + j), single, block + j);
#else
    if (j < n) hn::Store(load_first_f32(d, row + begin + j, n - j), d, block + j);
#endif
  }
}

/// Multiplies row_at(0), ... row_at(n - 1), block by block; Take is told where in the rows the block lies.
template <class RowAt, class Take>
HWY_INLINE void multiply_all(const Packed& packed, std::size_t n, RowAt row_at, Take& take) {
  for (std::size_t first = 0; first < n; first += kBlockRows) {
    const std::size_t rows = std::min(kBlockRows, n - first), filled = (rows + 3) / 4 * 4;
    for (std::size_t i = 0; i < filled; ++i) fill_row(row_at(first + std::min(i, rows - 1)), packed.dim, packed.block + i * kStretch);
    take.begin = first;
    take.end = n;
    multiply(packed, rows, take);
  }
}

/// Keeps the largest product of each vector.
struct Largest {
  float* largest;
  std::size_t begin = 0, end = 0;

  template <class D, std::size_t kRows, class V>
  HWY_INLINE void operator()(D d, std::size_t lane, std::size_t, const V (&products)[kRows]) const {
    auto most = hn::Load(d, largest + lane);
    times<kRows>([&](auto row) HWY_ATTR { most = hn::Max(most, products[row]); });
    hn::Store(most, d, largest + lane);
  }
};

HWY_INLINE void forget(const Packed& packed) {
  const Full d;
  for (std::size_t i = 0; i < packed.count; i += kLanes) hn::Store(hn::Set(d, -std::numeric_limits<float>::infinity()), d, packed.largest + i);
}

/// The sum over the vectors; lanes without one do not count.
HWY_INLINE float sum_of_largest(const Packed& packed) {
  const Full d;
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kLanes <= packed.count; i += kLanes) sum = hn::Add(sum, hn::Load(d, packed.largest + i));
  if (i < packed.count) sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, packed.count - i), hn::Load(d, packed.largest + i)));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

float max_sim_halves(const Packed& query, const void* rows, std::size_t n) {
  forget(query);
  Largest take{query.largest};
  multiply_all(
      query, n, [&](std::size_t i) { return static_cast<const hwy::float16_t*>(rows) + i * query.dim; }, take);
  return sum_of_largest(query);
}

/// Keeps every product.
struct Every {
  float* out;
  std::size_t lanes;
  std::size_t begin = 0, end = 0;

  template <class D, std::size_t kRows, class V>
  HWY_INLINE void operator()(D d, std::size_t lane, std::size_t first, const V (&products)[kRows]) const {
    times<kRows>([&](auto row) HWY_ATTR {
      const std::size_t i = begin + first + row;
      if (i < end) hn::StoreU(products[row], d, out + i * lanes + lane);
    });
  }
};

void products(const Packed& vectors, const float* rows, const std::uint32_t* ids, std::size_t n, float* out) {
  Every take{out, vectors.lanes};
  multiply_all(
      vectors, n, [&](std::size_t i) { return rows + std::size_t{ids[i]} * vectors.dim; }, take);
}

/// Keeps the row of the largest product less bias.
struct Nearest {
  float* largest;
  std::uint32_t* which;
  const float* bias;
  std::size_t begin = 0, end = 0;

  template <class D, std::size_t kRows, class V>
  HWY_INLINE void operator()(D d, std::size_t lane, std::size_t first, const V (&products)[kRows]) const {
    const hn::RebindToUnsigned<D> du;
    auto most = hn::Load(d, largest + lane);
    auto best = hn::LoadU(du, which + lane);
    times<kRows>([&](auto row) HWY_ATTR {
      const std::size_t i = std::min(begin + first + row, end - 1);
      const auto value = hn::Sub(products[row], hn::Set(d, bias[i]));
      const auto larger = hn::Gt(value, most);
      most = hn::IfThenElse(larger, value, most);
      best = hn::IfThenElse(hn::RebindMask(du, larger), hn::Set(du, static_cast<std::uint32_t>(i)), best);
    });
    hn::Store(most, d, largest + lane);
    hn::StoreU(best, du, which + lane);
  }
};

void nearest(const Packed& vectors, const float* rows, const float* bias, std::size_t count, std::uint32_t* which) {
  forget(vectors);
  Nearest take{vectors.largest, which, bias};
  multiply_all(
      vectors, count, [&](std::size_t i) { return rows + i * vectors.dim; }, take);
}

}  // namespace cassata::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels {

HWY_EXPORT(lanes_of);
HWY_EXPORT(pack);
HWY_EXPORT(max_sim_halves);
HWY_EXPORT(products);
HWY_EXPORT(nearest);

void PackedVectors::pack(const float* vectors, std::size_t count, std::size_t dim) {
  constexpr std::size_t kMostLanes = 16;
  const std::size_t lanes = HWY_DYNAMIC_DISPATCH(lanes_of)(count);
  values_.reserve((lanes + kMostLanes / 2) * (dim + 1));
  block_.reserve((dim + kStretch - 1) / kStretch * kStretch * kBlockRows);
  largest_.reserve(lanes + kMostLanes);
  parts_ = {.count = count, .dim = dim, .lanes = lanes, .values = values_.data(), .block = block_.data(), .largest = largest_.data()};
  HWY_DYNAMIC_DISPATCH(kernels::pack)(vectors, count, dim, parts_.values);
}

float max_sim_f16(const Packed& query, const void* rows, std::size_t n) { return HWY_DYNAMIC_DISPATCH(max_sim_halves)(query, rows, n); }

void row_products(const Packed& vectors, const float* rows, const std::uint32_t* ids, std::size_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(products)(vectors, rows, ids, n, out);
}

void nearest_rows(const float* vectors, std::size_t n, std::size_t dim, const float* rows, const float* bias, std::size_t count, float* best,
                  std::uint32_t* which) {
  constexpr std::size_t kPackedFloats = std::size_t{1} << 16;  // that stay in the second level of the cache
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

}  // namespace cassata::kernels
#endif
