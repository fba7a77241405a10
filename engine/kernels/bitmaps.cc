#include "engine/kernels/bitmaps.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/bitmaps.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <bit>

#include "engine/kernels/mask-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::bitmaps::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

std::size_t count(const std::uint64_t* words, std::size_t n) {
  const hn::ScalableTag<std::uint64_t> d;
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) sums = hn::Add(sums, hn::PopulationCount(hn::LoadU(d, words + i)));
  auto sum = static_cast<std::size_t>(hn::GetLane(hn::SumOfLanes(d, sums)));
  for (; i < n; ++i) sum += static_cast<std::size_t>(std::popcount(words[i]));
  return sum;
}

/// The bits of `n` ids, at most 64.
std::uint64_t select(const std::uint64_t* words, std::uint64_t size, const Id* ids, std::size_t n) {
  std::uint64_t out = 0;
  std::size_t i = 0;
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const hn::ScalableTag<Id> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto last = hn::Set(d, static_cast<Id>(size - 1)), one = hn::Set(d, 1), in_word = hn::Set(d, 31);
  const auto* const halves = reinterpret_cast<const std::uint32_t*>(words);  // x86 has the low half first
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto id = hn::LoadU(d, ids + i), known = hn::Min(id, last);
    const auto word = hn::GatherIndex(d, halves, hn::BitCast(di, hn::ShiftRight<5>(known)));
    const auto bit = hn::And(hn::Shr(word, hn::And(known, in_word)), one);
    out |= kernels::HWY_NAMESPACE::mask_bits(d, hn::And(hn::Eq(bit, one), hn::Eq(id, known))) << i;
  }
#endif
  for (; i < n; ++i)
    if (ids[i] < size) out |= ((words[ids[i] / 64] >> (ids[i] % 64)) & 1) << i;
  return out;
}

void select_all(const std::uint64_t* words, std::uint64_t size, std::span<const Id> ids, std::uint64_t* out) {
  for (std::size_t first = 0; first < ids.size(); first += 64)
    out[first / 64] =
        size == 0 ? 0 : select(words, size, ids.data() + first, std::min<std::size_t>(64, ids.size() - first));
}

}  // namespace
}  // namespace cassata::kernels::bitmaps::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::bitmaps {

HWY_EXPORT(count);
HWY_EXPORT(select_all);

std::size_t count(std::span<const std::uint64_t> words) {
  return HWY_DYNAMIC_DISPATCH(count)(words.data(), words.size());
}

void select(std::span<const std::uint64_t> words, std::uint64_t size, std::span<const Id> ids,
            std::span<std::uint64_t> out) {
  HWY_DYNAMIC_DISPATCH(select_all)(words.data(), size, ids, out.data());
}

}  // namespace cassata::kernels::bitmaps
#endif
