#include "engine/kernels/unvisited.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/unvisited.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::unvisited::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

/// By vectors on x86 that gathers; what is left over is passed on.
std::size_t filter([[maybe_unused]] const std::uint32_t* words, [[maybe_unused]] Id size, std::span<const Id> ids,
                   Id* out) {
  std::size_t count = 0, i = 0;
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const hn::ScalableTag<Id> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto one = hn::Set(d, 1), in_word = hn::Set(d, 31), none = hn::Set(d, size);
  for (; i + hn::Lanes(d) <= ids.size(); i += hn::Lanes(d)) {
    const auto id = hn::LoadU(d, ids.data() + i), known = hn::Min(id, none);
    const auto word = hn::GatherIndex(d, words, hn::BitCast(di, hn::ShiftRight<5>(known)));
    const auto is_new = hn::Eq(hn::And(hn::Shr(word, hn::And(known, in_word)), one), hn::Zero(d));
    hn::StoreU(hn::Compress(id, is_new), d,
               out + count);  // no further than i + lanes; a store by the mask is slow on Zen 4
    count += hn::CountTrue(d, is_new);
  }
#endif
  std::copy(ids.begin() + static_cast<std::ptrdiff_t>(i), ids.end(), out + count);
  return count + ids.size() - i;
}

}  // namespace
}  // namespace cassata::kernels::unvisited::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::unvisited {

HWY_EXPORT(filter);

std::size_t filter(const std::uint32_t* words, Id size, std::span<const Id> ids, Id* out) {
  return HWY_DYNAMIC_DISPATCH(filter)(words, size, ids, out);
}

}  // namespace cassata::kernels::unvisited
#endif
