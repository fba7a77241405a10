#include "engine/kernels/column_scan.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/column_scan.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "engine/kernels/mask-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::column_scan::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

constexpr std::size_t kBits = 64;

template <class D>
HWY_INLINE hn::Mask<D> in(hn::Vec<D> value, hn::Vec<D> low, hn::Vec<D> high) {
  if constexpr (hwy::IsFloat<hn::TFromD<D>>())
    return hn::And(hn::Ge(value, low), hn::Le(value, high));  // false for a NaN
  else
    return hn::Not(hn::Or(hn::Lt(value, low), hn::Gt(value, high)));
}

/// The bits of 64 values.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE std::uint64_t word_of(D d, const T* values, hn::Vec<D> low, hn::Vec<D> high) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < kBits; i += hn::Lanes(d)) {
    const auto value = hn::LoadU(d, values + i);
    word |= kernels::HWY_NAMESPACE::mask_bits(d, in<D>(value, low, high)) << i;
  }
  return word;
}

template <class T>
void between(const T* values, std::size_t n, T low, T high, std::uint64_t* words) {
  const hn::CappedTag<T, kBits> d;
  const auto lows = hn::Set(d, low), highs = hn::Set(d, high);
  std::size_t i = 0;
  for (; i + kBits <= n; i += kBits) *words++ = word_of(d, values + i, lows, highs);
  if (i == n) return;
  std::uint64_t word = 0;
  for (std::size_t bit = 0; i < n; ++i, ++bit) word |= std::uint64_t{low <= values[i] && values[i] <= high} << bit;
  *words = word;
}

Kernels pick() {
  return {between<std::int64_t>, between<double>, between<std::uint8_t>, between<std::uint16_t>,
          between<std::uint32_t>};
}

}  // namespace
}  // namespace cassata::kernels::column_scan::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::column_scan {

HWY_EXPORT(pick);

Kernels dispatch() { return HWY_DYNAMIC_DISPATCH(pick)(); }

}  // namespace cassata::kernels::column_scan
#endif
