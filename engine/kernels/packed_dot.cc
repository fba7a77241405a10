#include "engine/kernels/sparse_dot.h"

// Also for the machines whose AVX-512 moves bytes together by a mask (VBMI2): Highway leaves them out unless asked.
#define HWY_WANT_AVX3_DL
// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/packed_dot.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>

#include "engine/kernels/sparse_dot-inl.h"

#ifndef CASSATA_KERNELS_PLACES_OF_ONES
#define CASSATA_KERNELS_PLACES_OF_ONES
namespace cassata::kernels::sparse {

/// The places of the ones in each byte, lowest first, each in a byte of its own.
struct PlacesOfOnes {
  std::uint64_t of[256] = {};

  constexpr PlacesOfOnes() {
    for (unsigned byte = 0; byte < 256; ++byte)
      for (unsigned bit = 0, at = 0; bit < 8; ++bit)
        if (byte >> bit & 1) of[byte] |= std::uint64_t{bit} << (8 * at++);
  }
};
inline constexpr PlacesOfOnes kPlacesOfOnes;

}  // namespace cassata::kernels::sparse
#endif

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::sparse::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kernels::HWY_NAMESPACE;
namespace {

/// 0, 1, 2 and so on, as many as a vector may have. Highway puts such a vector together lane by lane.
alignas(64) constexpr std::uint8_t kCounting[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                  16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                                  32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                                  48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

#if HWY_TARGET == HWY_AVX3_DL
/// Bytes of bits that are read at a time.
constexpr std::size_t kStep = 8;

/// Those from byte `at` on; where the row's bits end before, zeros. Copying as many as there are would be a call.
HWY_INLINE std::uint64_t bits_at(const PackedRow& row, std::size_t at) {
  const std::size_t rest = row.tops_bytes - at;
  std::uint64_t bits = 0;
  if (rest >= kStep) {
    std::memcpy(&bits, row.tops + at, kStep);
  } else if (row.tops_bytes >= kStep) {
    std::memcpy(&bits, row.tops + row.tops_bytes - kStep, kStep);
    bits >>= 8 * (kStep - rest);
  } else {
    for (std::size_t i = 0; i < rest; ++i) bits |= std::uint64_t{row.tops[at + i]} << (8 * i);
  }
  return bits;
}

/// Stores the places of the ones among `bits`, of which the first stands at place `first`, a byte for each.
HWY_INLINE void store_places(std::uint64_t bits, std::size_t first, std::uint8_t* to) {
  const hn::ScalableTag<std::uint8_t> d;
  const auto places = hn::Add(hn::Load(d, kCounting), hn::Set(d, static_cast<std::uint8_t>(first)));
  hn::StoreU(hn::Vec512<std::uint8_t>{_mm512_maskz_compress_epi8(bits, places.raw)}, d, to);
}
#else
constexpr std::size_t kStep = 1;

HWY_INLINE std::uint64_t bits_at(const PackedRow& row, std::size_t at) { return row.tops[at]; }

HWY_INLINE void store_places(std::uint64_t bits, std::size_t first, std::uint8_t* to) {
  const std::uint64_t places = kPlacesOfOnes.of[bits] + (first & 0xFF) * 0x0101010101010101;
  std::memcpy(to, &places, sizeof places);
}
#endif

/// The bytes of up to kMost entries of a row at a time: for entry i of them, `bytes[i]` - i is the top byte of its
/// component. All is modulo 256, and so is the place of a bit among the row's: entries are taken 256 at a time.
struct Tops {
  static constexpr std::size_t kMost = Passed::kMost, kSlack = 8 * kStep;
  std::uint8_t bytes[kMost + kSlack];
  std::size_t count = 0;  // of `bytes`
  std::size_t read = 0;   // bytes of the row's bits

  /// Gets the first ready.
  HWY_INLINE void start(const PackedRow& row) {
    count = read = 0;
    next(row, std::min(row.count, kMost));
  }
  /// Gets the next `wanted` ready. Where a damaged row has too few ones, the last are zeros.
  HWY_INLINE void next(const PackedRow& row, std::size_t wanted) {
    std::size_t at = 0;
    if (count > kMost) {  // ones that were read with those before
      std::memcpy(bytes, bytes + kMost, kSlack);
      at = count - kMost;
    }
    for (; at < wanted && read < row.tops_bytes; read += kStep) {
      const std::uint64_t bits = bits_at(row, read);
      store_places(bits, 8 * read, bytes + at);
      at += hwy::PopCount(bits);
    }
    for (; at < wanted; ++at) bytes[at] = 0;
    count = at;
  }
};

template <std::size_t kLow, class D>
HWY_INLINE auto components(D du, const PackedRow& row, const Tops& tops, std::size_t begin, std::size_t i) {
  const hn::Rebind<std::uint8_t, D> db;
  const auto number = hn::Add(load_unaligned(db, kCounting), hn::Set(db, static_cast<std::uint8_t>(i)));
  const auto top = hn::Sub(load_unaligned(db, tops.bytes + i), number);
  auto component = hn::PromoteTo(du, top);
  for (std::size_t plane = kLow; plane-- > 0;)
    component = hn::Or(hn::ShiftLeft<8>(component),
                       hn::PromoteTo(du, load_unaligned(db, row.low + plane * row.count + begin + i)));
  return component;
}

/// As a table's index.
template <std::size_t kLow, class D>
HWY_INLINE auto index(D, const SparseQuery& query, const PackedRow& row, const Tops& tops, std::size_t begin,
                      std::size_t i) {
  const hn::RebindToUnsigned<D> du;
  const auto component = components<kLow>(du, row, tops, begin, i);
  return hn::BitCast(hn::RebindToSigned<D>(), kLow == 1 ? component : hn::Min(component, hn::Set(du, query.limit)));
}

template <std::size_t kLow>
float all_packed(const SparseQuery& query, const PackedRow& row) {
  const FixedValues<std::uint8_t> v(row);
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const std::size_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  auto tail = hn::Zero(single);
  Tops tops;
  for (std::size_t begin = 0; begin < row.count; begin += Tops::kMost) {
    const std::size_t n = std::min(row.count - begin, Tops::kMost);
    tops.next(row, n);
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes)
      sum = hn::MulAdd(v.load(d, begin + i),
                       hn::GatherIndex(d, query.table, index<kLow>(d, query, row, tops, begin, i)), sum);
    for (; i < n; ++i)
      tail = hn::MulAdd(v.load(single, begin + i),
                        hn::GatherIndex(single, query.table, index<kLow>(single, query, row, tops, begin, i)), tail);
  }
  return -(hn::GetLane(hn::SumOfLanes(d, sum)) + hn::GetLane(tail));
}

/// Adds the entries of a row from `begin` on, whose top bytes are ready, that pass the filter.
HWY_INLINE void choose(const SparseQuery& query, const PackedRow& row, const Tops& tops, std::size_t begin,
                       Passed& passed) {
  const FixedValues<std::uint8_t> v(row);
  const hn::ScalableTag<std::uint32_t> du;
  const hn::Rebind<float, decltype(du)> d;
  const std::size_t lanes = hn::Lanes(du), n = std::min(row.count - begin, Tops::kMost);
  const auto filter = hn::LoadU(du, query.filter);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    add_passing(du, filter, components<1>(du, row, tops, begin, i), v.bits(d, begin + i), passed);
  for (; i < n; ++i)
    passed.add(static_cast<std::uint32_t>(static_cast<std::uint8_t>(tops.bytes[i] - i) << 8 | row.low[begin + i]),
               row.values[begin + i]);
}

/// The dot product by the entries that pass the filter. `passed` has those among the row's first kMost, whose top bytes
/// `tops` has.
HWY_INLINE float few_of(const SparseQuery& query, const PackedRow& row, Tops& tops, Passed& passed) {
  const FixedValues<std::uint8_t> v(row);
  const hn::ScalableTag<float> d;
  auto sum = drain(d, query.table, v, passed, hn::Zero(d));
  for (std::size_t begin = Tops::kMost; begin < row.count; begin += Tops::kMost) {
    tops.next(row, std::min(row.count - begin, Tops::kMost));
    choose(query, row, tops, begin, passed);
    sum = drain(d, query.table, v, passed, sum);
  }
  return -hn::GetLane(hn::SumOfLanes(d, sum));
}

float few_packed(const SparseQuery& query, const PackedRow& row) {
  Tops tops;
  Passed passed;
  tops.start(row);
  choose(query, row, tops, 0, passed);
  return few_of(query, row, tops, passed);
}

/// Makes a row's top bytes ready two rows ahead, and chooses entries one row ahead: what has just been stored piece by
/// piece cannot be loaded at once.
void few_packed_each(const SparseQuery& query, const PackedRow* rows, std::size_t n, float* out) {
  Tops tops[3];
  Passed passed[2];
  for (std::size_t i = 0; i < n + 2; ++i) {
    if (i < n) tops[i % 3].start(rows[i]);
    if (i >= 1 && i - 1 < n) choose(query, rows[i - 1], tops[(i - 1) % 3], 0, passed[(i - 1) % 2]);
    if (i >= 2) out[i - 2] = few_of(query, rows[i - 2], tops[(i - 2) % 3], passed[(i - 2) % 2]);
  }
}

Kernels<PackedRow> pick_packed(std::size_t low_bytes) {
  if (low_bytes == 3) return {all_packed<3>, nullptr, 0};
  if (low_bytes == 2) return {all_packed<2>, nullptr, 0};
  if constexpr (kFilters) return {all_packed<1>, few_packed, hn::Lanes(hn::ScalableTag<float>()), few_packed_each};
  return {all_packed<1>, nullptr, 0};
}

}  // namespace
}  // namespace cassata::kernels::sparse::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::sparse {

HWY_EXPORT(pick_packed);

Kernels<PackedRow> dispatch_packed(std::size_t low_bytes) { return HWY_DYNAMIC_DISPATCH(pick_packed)(low_bytes); }

}  // namespace cassata::kernels::sparse
#endif
