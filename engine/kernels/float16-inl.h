// Loads of f32 and f16 elements as f32 vectors, and stores as f16.
// Compiled once per instruction set: include after highway.h, never from a header.

#if defined(CASSATA_KERNELS_HALF_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CASSATA_KERNELS_HALF_INL_H
#undef CASSATA_KERNELS_HALF_INL_H
#else
#define CASSATA_KERNELS_HALF_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

// Highway 1.0.3 emulates f16 where the machine lacks it, but truncates and wraps too large values instead of rounding,
// so the emulation here is our own.
#undef CASSATA_NATIVE_F16
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) || HWY_ARCH_ARM_A64
#define CASSATA_NATIVE_F16 1
#else
#define CASSATA_NATIVE_F16 0
#endif

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::HWY_NAMESPACE {

/// f16 bits, one to a lane, to f32. A multiplication by 2^112 moves the exponent and makes subnormals normal;
/// infinities and NaNs then need their full exponent.
template <class D, class V>
HWY_INLINE auto widen_bits(D d, V bits) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToUnsigned<D> du;
  const auto magnitude = hn::ShiftLeft<13>(hn::And(bits, hn::Set(du, 0x7FFF)));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(du, 0x8000)));
  const auto scaled = hn::BitCast(du, hn::Mul(hn::BitCast(d, magnitude), hn::BitCast(d, hn::Set(du, 0x77800000))));
  const auto is_finite = hn::Lt(magnitude, hn::Set(du, 0x0F800000));
  const auto exponent = hn::IfThenZeroElse(is_finite, hn::Set(du, 0x7F800000));
  return hn::BitCast(d, hn::Or(hn::Or(scaled, exponent), sign));
}

/// f32 to f16 bits, one to a lane, rounded to nearest even.
template <class D, class V>
HWY_INLINE auto narrow_bits(D d, V value) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, value);
  const auto magnitude = hn::And(bits, hn::Set(du, 0x7FFFFFFF));
  // Adding half of the last place kept (less one for an even mantissa) carries into the exponent, up to infinity, as
  // rounding should.
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 1));
  const auto normal = hn::ShiftRight<13>(hn::Add(hn::Add(magnitude, hn::Set(du, 0xC8000FFF)), odd));
  // Adding 0.5 leaves an f16 subnormal, rounded by the machine, in the lowest bits.
  const auto half = hn::Set(du, 0x3F000000);
  const auto subnormal = hn::Sub(hn::BitCast(du, hn::Add(hn::BitCast(d, magnitude), hn::BitCast(d, half))), half);
  const auto payload = hn::Or(hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 0x3FF)), hn::Set(du, 0x200));
  const auto is_nan = hn::Gt(magnitude, hn::Set(du, 0x7F800000));
  const auto special = hn::Or(hn::Set(du, 0x7C00), hn::IfThenElseZero(is_nan, payload));
  const auto finite = hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 0x38800000)), subnormal, normal);
  const auto result = hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 0x47800000)), finite, special);
  return hn::Or(result, hn::ShiftRight<16>(hn::Xor(bits, magnitude)));
}

/// Lanes(d) elements of `D`, of any alignment. Highway's own load of a single element expects it aligned.
template <class D, class T = hwy::HWY_NAMESPACE::TFromD<D>>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_unaligned(D d, const T* from) {
  namespace hn = hwy::HWY_NAMESPACE;
  if constexpr (hn::MaxLanes(D()) == 1) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return hn::Set(d, value);
  } else {
    return hn::LoadU(d, from);
  }
}

/// Lanes(d) elements from `from`, of any alignment.
template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_f32(D d, const float* from) {
  return load_unaligned(d, from);
}

template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_f32(D d, const hwy::float16_t* from) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint16_t, D> dh;
  const auto bits = load_unaligned(dh, static_cast<const std::uint16_t*>(static_cast<const void*>(from)));
#if CASSATA_NATIVE_F16
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), bits));
#else
  return widen_bits(d, hn::PromoteTo(hn::RebindToUnsigned<D>(), bits));
#endif
}

/// Lanes(d) values to `to` as f16.
template <class D, class V>
HWY_INLINE void store_f16([[maybe_unused]] D d, V value, std::uint16_t* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint16_t, D> dh;
#if CASSATA_NATIVE_F16
  const hn::Rebind<hwy::float16_t, D> df16;
  hn::StoreU(hn::BitCast(dh, hn::DemoteTo(df16, value)), dh, to);
#else
  const hn::RebindToSigned<D> di;
  hn::StoreU(hn::DemoteTo(dh, hn::BitCast(di, narrow_bits(d, value))), dh, to);
#endif
}

#if !HWY_MEM_OPS_MIGHT_FAULT
/// The first n < Lanes(d) elements, then zeros; reads nothing past them.
template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_first_f32(D d, const float* from, std::size_t n) {
  return hwy::HWY_NAMESPACE::MaskedLoad(hwy::HWY_NAMESPACE::FirstN(d, n), d, from);
}

template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_first_f32(D d, const hwy::float16_t* from, std::size_t n) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint16_t, D> dh;
  const auto bits =
      hn::MaskedLoad(hn::FirstN(dh, n), dh, static_cast<const std::uint16_t*>(static_cast<const void*>(from)));
#if CASSATA_NATIVE_F16
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), bits));
#else
  return widen_bits(d, hn::PromoteTo(hn::RebindToUnsigned<D>(), bits));
#endif
}
#endif

}  // namespace cassata::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
