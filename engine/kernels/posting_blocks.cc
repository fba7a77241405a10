#include "engine/kernels/posting_blocks.h"

// Also compiles for AVX-512 with VBMI2 (expands bytes by a mask), a target off by default.
#define HWY_WANT_AVX3_DL
// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/posting_blocks.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/kernels/mask-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::posting_blocks::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

template <class Number>
HWY_INLINE Number number_at(const std::byte* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

/// floor(code * weight / 256) for codes in the low bytes of the lanes.
template <class V>
HWY_INLINE V weighted(V codes, V weight) {
  return hn::MulHigh(hn::ShiftLeft<8>(codes), weight);
}

#if HWY_TARGET == HWY_AVX3_DL

/// One instruction moves every code to the lane of its row.
HWY_INLINE void add_run(std::uint32_t mask, const std::byte* codes, std::uint16_t weight, std::uint16_t* sums) {
  const hn::FixedTag<std::uint16_t, kBlockRows> d;
  const __m256i placed = _mm256_maskz_expand_epi8(mask, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
  const auto wide = hn::PromoteTo(d, hn::Vec<hn::FixedTag<std::uint8_t, kBlockRows>>{placed});
  hn::StoreU(hn::SaturatedAdd(hn::LoadU(d, sums), weighted(wide, hn::Set(d, weight))), d, sums);
}

#elif HWY_TARGET == HWY_SCALAR

HWY_INLINE void add_run(std::uint32_t mask, const std::byte* codes, std::uint16_t weight, std::uint16_t* sums) {
  for (; mask != 0; mask &= mask - 1) {
    std::uint16_t& sum = sums[std::countr_zero(mask)];
    const std::uint32_t more = sum + (static_cast<std::uint32_t>(*codes++) * weight >> 8);
    sum = static_cast<std::uint16_t>(more < 65535 ? more : 65535);
  }
}

#else

/// For each mask of 8 rows, the index of each row's code; 128 for a row without one.
struct Places {
  alignas(8) std::uint8_t of[256][8];
  constexpr Places() : of() {
    for (int mask = 0; mask < 256; ++mask)
      for (int row = 0, next = 0; row < 8; ++row)
        of[mask][row] = static_cast<std::uint8_t>(mask >> row & 1 ? next++ : 128);
  }
};
constexpr Places kPlaces;

HWY_INLINE void add_run(std::uint32_t mask, const std::byte* codes, std::uint16_t weight, std::uint16_t* sums) {
  const hn::FixedTag<std::uint8_t, 8> d8;
  const hn::FixedTag<std::uint16_t, 8> d;
  for (; mask != 0; mask >>= 8, sums += 8) {
    const std::uint32_t eight = mask & 255;
    const auto packed = hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(codes));
    const auto placed = hn::TableLookupBytesOr0(packed, hn::Load(d8, kPlaces.of[eight]));
    hn::StoreU(hn::SaturatedAdd(hn::LoadU(d, sums), weighted(hn::PromoteTo(d, placed), hn::Set(d, weight))), d, sums);
    codes += std::popcount(eight);
  }
}

#endif

void add_runs(const std::byte* begin, const std::byte* end, std::size_t blocks, std::uint16_t weight,
              std::uint16_t* sums, std::uint8_t* touched) {
  constexpr std::size_t kHead = 2 * sizeof(std::uint32_t);
  while (static_cast<std::size_t>(end - begin) >= kHead) {
    const auto block = number_at<std::uint32_t>(begin), mask = number_at<std::uint32_t>(begin + sizeof block);
    if (block >= blocks) return;
    add_run(mask, begin + kHead, weight, sums + block * kBlockRows);
    touched[block] = 1;
    const std::size_t bytes = kHead + static_cast<std::size_t>(std::popcount(mask));
    if (static_cast<std::size_t>(end - begin) < bytes) return;
    begin += bytes;
  }
}

void add_chosen(const RunTable& runs, std::span<const std::uint32_t> chosen, std::uint16_t weight,
                std::uint16_t* sums) {
  constexpr std::size_t kBatch = 256, kAhead = 12;  // blocks; prefetch distance in runs
  if (runs.bytes < sizeof(std::uint32_t)) return;
  const std::uint64_t last = runs.bytes - sizeof(std::uint32_t);
  std::uint32_t blocks[kBatch];
  const std::byte* places[kBatch];
  for (; !chosen.empty(); chosen = chosen.subspan(std::min(kBatch, chosen.size()))) {
    std::size_t count = 0;  // first finds all runs without a branch: whether a block has one is unpredictable
    for (const std::uint32_t block : chosen.first(std::min(kBatch, chosen.size()))) {
      const std::uint64_t at = runs.bases[block / 64] + runs.offsets[block];
      blocks[count] = block;
      places[count] = runs.records + std::min(at, last);  // a damaged table may hold any offset
      count += static_cast<std::size_t>(runs.offsets[block] != RunTable::kNoRun) & static_cast<std::size_t>(at <= last);
    }
    for (std::size_t i = 0; i < std::min(kAhead, count); ++i) __builtin_prefetch(places[i]);
    for (std::size_t i = 0; i < count; ++i) {
      if (i + kAhead < count) __builtin_prefetch(places[i + kAhead]);
      add_run(number_at<std::uint32_t>(places[i]), places[i] + sizeof(std::uint32_t), weight,
              sums + blocks[i] * kBlockRows);
    }
  }
}

void add_maxima(const std::uint8_t* maxima, std::size_t count, std::uint16_t weight, std::uint16_t* bounds) {
  const hn::ScalableTag<std::uint16_t> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const auto w = hn::Set(d, weight);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d))
    hn::StoreU(hn::SaturatedAdd(hn::LoadU(d, bounds + i), weighted(hn::PromoteTo(d, hn::LoadU(d8, maxima + i)), w)), d,
               bounds + i);
}

HWY_INLINE std::uint16_t block_maximum(const std::uint16_t* sums) {
#if HWY_TARGET == HWY_SCALAR
  return *std::max_element(sums, sums + kBlockRows);
#else
  const hn::FixedTag<std::uint16_t, 8> d;
  const auto largest = hn::Max(hn::Max(hn::LoadU(d, sums), hn::LoadU(d, sums + 8)),
                               hn::Max(hn::LoadU(d, sums + 16), hn::LoadU(d, sums + 24)));
  return hn::GetLane(hn::MaxOfLanes(d, largest));
#endif
}

void block_maxima(const std::uint16_t* sums, std::span<const std::uint32_t> chosen, std::uint16_t* out) {
  for (std::size_t i = 0; i < chosen.size(); ++i) out[i] = block_maximum(sums + std::size_t{chosen[i]} * kBlockRows);
}

HWY_INLINE std::size_t append_within(const std::uint16_t* values, std::size_t count, std::uint16_t min,
                                     std::uint16_t max, std::uint32_t first, std::uint32_t* out) {
  const hn::ScalableTag<std::uint16_t> d;
  const auto low = hn::Set(d, min), high = hn::Set(d, max);
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, values + i);
    const auto clamped = hn::Min(hn::Max(v, low), high);  // there is no >= for unsigned lanes
    for (std::uint64_t bits = kernels::HWY_NAMESPACE::mask_bits(d, hn::Eq(v, clamped)); bits != 0; bits &= bits - 1)
      out[found++] = first + static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(std::countr_zero(bits));
  }
  return found;
}

std::size_t within(const std::uint16_t* values, std::size_t count, std::uint16_t min, std::uint16_t max,
                   std::uint32_t* out) {
  return append_within(values, count, min, max, 0, out);
}

std::size_t rows_within(const std::uint16_t* sums, std::span<const std::uint32_t> chosen, std::uint16_t min,
                        std::uint16_t max, std::uint32_t* out) {
  std::size_t found = 0;
  for (const std::uint32_t block : chosen) {
    const std::uint32_t row = block * static_cast<std::uint32_t>(kBlockRows);
    found += append_within(sums + row, kBlockRows, min, max, row, out + found);
  }
  return found;
}

const Kernels* pick_postings() {
  static constexpr Kernels kKernels = {add_runs, add_chosen, add_maxima, block_maxima, within, rows_within};
  return &kKernels;
}

}  // namespace
}  // namespace cassata::kernels::posting_blocks::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::posting_blocks {

HWY_EXPORT(pick_postings);

const Kernels& dispatch() { return *HWY_DYNAMIC_DISPATCH(pick_postings)(); }

}  // namespace cassata::kernels::posting_blocks
#endif
