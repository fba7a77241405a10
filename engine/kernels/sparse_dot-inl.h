// What kernels over sparse rows share: values of every kind, and the choice of entries that a query may have.
// Compiled once per instruction set: include after highway.h, never from a header.

#if defined(CASSATA_KERNELS_SPARSE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CASSATA_KERNELS_SPARSE_INL_H
#undef CASSATA_KERNELS_SPARSE_INL_H
#else
#define CASSATA_KERNELS_SPARSE_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "engine/kernels/float16-inl.h"
#include "engine/kernels/sparse_dot.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::sparse::HWY_NAMESPACE {
using namespace kernels::HWY_NAMESPACE;

// Values: load() gives f32; for those of up to 16 bits, bits() gives them as stored, one to a lane, and of_bits() makes
// f32 of these.

template <class Stored>
struct FloatValues {
  const Stored* values;
  explicit FloatValues(const SparseRow& row) : values(static_cast<const Stored*>(row.values)) {}

  template <class D>
  HWY_INLINE auto load(D d, std::size_t i) const {
    return load_f32(d, values + i);
  }
  template <class D>
  HWY_INLINE auto bits(D d, std::size_t i) const {
    const hwy::HWY_NAMESPACE::Rebind<std::uint16_t, D> dh;
    return hwy::HWY_NAMESPACE::PromoteTo(
        hwy::HWY_NAMESPACE::RebindToUnsigned<D>(),
        load_unaligned(dh, static_cast<const std::uint16_t*>(static_cast<const void*>(values + i))));
  }
  template <class D, class V>
  HWY_INLINE auto of_bits(D d, V bits) const {
    return widen_bits(d, bits);
  }
};

template <class Stored>
struct FixedValues {
  static constexpr std::uint32_t kSign = std::uint32_t{1} << (8 * sizeof(Stored) - 1);

  const Stored* values;
  float step;
  std::uint32_t sign;
  template <class Row>
  explicit FixedValues(const Row& row)
      : values(static_cast<const Stored*>(static_cast<const void*>(row.values))),
        step(row.scale < 0 ? -row.scale : row.scale),
        sign(row.scale < 0 ? kSign : 0) {}

  template <class D>
  HWY_INLINE auto load(D d, std::size_t i) const {
    return of_bits(d, bits(d, i));
  }
  template <class D>
  HWY_INLINE auto bits(D, std::size_t i) const {
    return hwy::HWY_NAMESPACE::PromoteTo(hwy::HWY_NAMESPACE::RebindToUnsigned<D>(),
                                         load_unaligned(hwy::HWY_NAMESPACE::Rebind<Stored, D>(), values + i));
  }
  /// Flipping the sign's bit and subtracting it is what extends it.
  template <class D, class V>
  HWY_INLINE auto of_bits(D d, V bits) const {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::RebindToUnsigned<D> du;
    const auto signs = hn::Set(du, sign);
    const auto number = hn::BitCast(hn::RebindToSigned<D>(), hn::Sub(hn::Xor(bits, signs), signs));
    return hn::Mul(hn::ConvertTo(d, number), hn::Set(d, step));
  }
};

/// Entries of a row that passed a query's filter: component and value in 32 bits. Both are of at most 16 bits.
struct Passed {
  static constexpr std::size_t kMost = 256;
  std::size_t count = 0;
  std::uint32_t entries[kMost + HWY_MAX_BYTES / sizeof(std::uint32_t)];  // as much more as one store may reach

  HWY_INLINE void add(std::uint32_t component, std::uint32_t value) { entries[count++] = component << 16 | value; }
};

/// Adds those of a vector of entries whose components are in the set `filter`.
template <class D, class V>
HWY_INLINE void add_passing(D du, V filter, V components, V values, Passed& passed) {
  namespace hn = hwy::HWY_NAMESPACE;
  const auto word = hn::And(hn::ShiftRight<5>(components), hn::Set(du, static_cast<std::uint32_t>(hn::Lanes(du) - 1)));
  const auto bit = hn::Shl(hn::Set(du, 1), hn::And(components, hn::Set(du, 31)));
  const auto passes = hn::TestBit(hn::TableLookupLanes(filter, hn::IndicesFromVec(du, word)), bit);
  hn::StoreU(hn::Compress(hn::Or(hn::ShiftLeft<16>(components), values), passes), du, passed.entries + passed.count);
  passed.count += hn::CountTrue(du, passes);
}

/// Adds the products of what passed with the query to `sum`, and forgets it.
template <class D, class Values, class V>
HWY_INLINE V drain(D d, const float* table, const Values& values, Passed& passed, V sum) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToUnsigned<D> du;
  hn::StoreU(hn::Zero(du), du, passed.entries + passed.count);
  for (std::size_t i = 0; i < passed.count; i += hn::Lanes(d)) {
    const auto entries = hn::LoadU(du, passed.entries + i);
    const auto index = hn::BitCast(hn::RebindToSigned<D>(), hn::ShiftRight<16>(entries));
    sum = hn::MulAdd(values.of_bits(d, hn::And(entries, hn::Set(du, 0xFFFF))), hn::GatherIndex(d, table, index), sum);
  }
  passed.count = 0;
  return sum;
}

/// Whether to choose entries by a filter: it takes vectors of 64 bytes that a mask moves together. By tables, as on
/// AVX2, choosing takes five times as long as looking all of them up.
constexpr bool kFilters = HWY_MAX_BYTES == 64 && !HWY_HAVE_SCALABLE;

}  // namespace cassata::kernels::sparse::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
