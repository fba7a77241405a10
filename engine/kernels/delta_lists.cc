#include "engine/kernels/delta_lists.h"

// Also compiles for AVX-512 with VBMI (permutes bytes and bits of a vector), a target off by default.
#define HWY_WANT_AVX3_DL
// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/delta_lists.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "engine/kernels/mask-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::delta_lists::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

HWY_INLINE std::uint64_t word_at(const std::byte* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

/// For each byte of a record, the index of its length; 99, more than any count, for the bytes before the lengths.
alignas(64) constexpr std::int8_t kLengthNumbers[kRecordBytes] = {
    99, 99, 99, 99, 99, 99, 99, 99, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
    14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
    36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55};

/// Decodes one delta after another: for any widths, and for targets with short vectors.
std::size_t decode_each(const DeltaCode& code, const std::byte* list, std::size_t bytes, Id self, std::size_t max_count,
                        Id* out) {
  std::size_t left = 8 * bytes, back = left;  // bits not yet used; the bit at which the numbers at the back begin
  std::size_t place = max_count, i = 0;
  std::uint32_t sum = 0;
  for (; i < max_count && left >= kClassBits; ++i) {
    const std::size_t front = kClassBits * i;
    const auto c = static_cast<std::uint32_t>(word_at(list + front / 8) >> (front % 8)) & kSelfClass;
    if (code.widths[c] + kClassBits > left || (c == kSelfClass && place < i)) break;
    left -= kClassBits + code.widths[c];
    back -= code.widths[c];
    const std::uint32_t delta =
        code.bases[c] + (static_cast<std::uint32_t>(word_at(list + back / 8) >> (back % 8)) & code.masks[c]);
    if (c == kSelfClass) place = i;
    out[i] = place <= i ? sum + delta : sum;
    sum += delta;
  }
  // So far each is relative to the first one; `self` itself is known. A damaged list may lack it: then any ids do.
  const Id offset = self - (place < i ? out[place] : 0);
  for (std::size_t j = 0; j < i; ++j) out[j] += offset;
  if (place < i) out[place] = kNoId;
  return i;
}

#if HWY_MAX_BYTES >= 32 && !HWY_HAVE_SCALABLE
#undef CASSATA_DELTA_VECTORS
#define CASSATA_DELTA_VECTORS 1

/// kLanes deltas are decoded at a time. Their numbers must fit into one window of 64 bytes, and each one into the 32
/// bits that begin at the byte in which it begins.
using D = hn::CappedTag<std::uint32_t, 16>;
using V = hn::Vec<D>;
constexpr D d;
constexpr std::size_t kLanes = hn::MaxLanes(d), kMaxLaneWidth = 25, kWindowBits = 8 * kGuardBytes;
static_assert(kLanes > kClasses);  // a vector holds a table by class

alignas(64) constexpr std::uint32_t kCounting[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

HWY_INLINE V set(std::size_t number) { return hn::Set(d, static_cast<std::uint32_t>(number)); }
HWY_INLINE V counting() { return hn::Load(d, kCounting); }
HWY_INLINE V look_up(V table, V lanes) { return hn::TableLookupLanes(table, hn::IndicesFromVec(d, lanes)); }
HWY_INLINE V last_of(V v) { return look_up(v, set(kLanes - 1)); }

template <class M>
HWY_INLINE std::uint32_t bits_of(M mask) {
  return static_cast<std::uint32_t>(kernels::HWY_NAMESPACE::mask_bits(d, mask));
}
HWY_INLINE V masked(std::uint32_t bits, V v) {
  const std::uint64_t long_enough = bits;
  return hn::IfThenElseZero(hn::LoadMaskBits(d, reinterpret_cast<const std::uint8_t*>(&long_enough)), v);
}

/// Prefix sums of the lanes, each lane included: within blocks of four, then over the blocks before.
HWY_INLINE V sums(V v) {
  const auto in_two = hn::Add(v, hn::ShiftLeftLanes<1>(d, v));
  const auto in_block = hn::Add(in_two, hn::ShiftLeftLanes<2>(d, in_two));
  const auto last = hn::Or(counting(), set(3));
  V sum = in_block;
  for (std::size_t lanes = 4; lanes < kLanes; lanes += 4)
    sum = hn::Add(sum, hn::IfThenZeroElse(hn::FirstN(d, lanes), look_up(in_block, hn::Sub(last, set(lanes)))));
  return sum;
}

#if HWY_TARGET == HWY_AVX3_DL

/// kLanes classes, from the first bit of byte `from` on.
HWY_INLINE V classes(const std::byte* from) {
  const auto starts = hn::Mul(counting(), set(kClassBits));
  return hn::And(V{_mm512_multishift_epi64_epi8(starts.raw, _mm512_set1_epi64(static_cast<long long>(word_at(from))))},
                 set(kSelfClass));
}

/// At least 25 bits of the window from bit starts[i] on, in each lane i.
HWY_INLINE V bits_from(const std::byte* window, V starts) {
  const V bytes{
      _mm512_shuffle_epi8(hn::ShiftRight<3>(starts).raw, _mm512_set4_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0))};
  const V words{_mm512_permutexvar_epi8(hn::Add(bytes, set(0x03020100)).raw, _mm512_loadu_si512(window))};
  return hn::Shr(words, hn::And(starts, set(7)));
}

#else

HWY_INLINE V bits_from(const std::byte* window, V starts) {
  const auto* words = static_cast<const std::uint32_t*>(static_cast<const void*>(window));
  const auto bytes = hn::BitCast(hn::RebindToSigned<D>(), hn::ShiftRight<3>(starts));
  return hn::Shr(hn::GatherOffset(d, words, bytes), hn::And(starts, set(7)));
}

HWY_INLINE V classes(const std::byte* from) {
  return hn::And(bits_from(from, hn::Mul(counting(), set(kClassBits))), set(kSelfClass));
}

#endif

/// The deltas from number `first` on, one per lane.
struct Lanes {
  V classes, used;  // used[i]: bits of the numbers of lanes 0 to i

  Lanes() = default;
  HWY_INLINE Lanes(const DeltaCode& code, const std::byte* list, std::size_t first)
      : classes(HWY_NAMESPACE::classes(list + kClassBits * first / 8)),
        used(sums(look_up(hn::LoadU(d, code.widths), classes))) {}

  /// A bit for each lane whose class and number lie within a list of `bits` bits.
  HWY_INLINE std::uint32_t fits(std::size_t bits, std::size_t first) const {
    const hn::RebindToSigned<D> di;
    const auto taken = hn::Add(used, hn::Mul(hn::Add(counting(), set(first + 1)), set(kClassBits)));
    return bits_of(hn::RebindMask(d, hn::Not(hn::Lt(hn::BitCast(di, set(bits)), hn::BitCast(di, taken)))));
  }
  HWY_INLINE std::uint32_t marks() const { return bits_of(hn::Eq(classes, set(kSelfClass))); }
  /// The deltas, whose numbers end before bit `end` of the window.
  HWY_INLINE V deltas(const DeltaCode& code, const std::byte* window, std::size_t end) const {
    const auto bits = hn::And(bits_from(window, hn::Sub(set(end), used)), look_up(hn::LoadU(d, code.masks), classes));
    return hn::Add(look_up(hn::LoadU(d, code.bases), classes), bits);
  }
};

/// Masks with one bit per lane: the lane of `self`, if any; the lanes before it, or all if there is none; and the lanes
/// within the list, which ends before a second kSelfClass.
struct Extent {
  std::uint32_t self, before, within;

  HWY_INLINE Extent(std::uint32_t marks, std::uint32_t fits) {
    marks &= fits;
    const std::uint32_t more = marks & (marks - 1);
    self = marks & -marks;
    before = self - 1;
    within = fits & ((more & -more) - 1);
  }
};

std::size_t decode_long(const DeltaCode& code, const std::byte* list, std::size_t bytes, Id self, std::size_t max_count,
                        Id* out) {
  std::size_t place = max_count, count = 0, back = 8 * bytes;  // back: the bit before which the next numbers end
  V sum = hn::Zero(d);
  for (std::size_t first = 0; first < max_count; first += kLanes) {
    Lanes lanes(code, list, first);
    const auto deltas = lanes.deltas(code, list + (back + 7) / 8 - kGuardBytes, kWindowBits - (-back & 7));
    lanes.used = hn::Add(lanes.used, set(8 * bytes - back));
    const std::uint32_t known = place < max_count;  // 1 if `self` came before: as if it were in a lane before the first
    const Extent extent(lanes.marks() << known | known, lanes.fits(8 * bytes, first) << known | known);
    const std::uint32_t before = known ? 0 : extent.before;
    if (!known && extent.self != 0) place = first + static_cast<std::size_t>(std::countr_zero(extent.self));
    const auto up_to = hn::Add(sums(deltas), sum);
    hn::StoreU(hn::Sub(up_to, masked(before, deltas)), d, out + first);
    const auto within = static_cast<std::size_t>(std::popcount(extent.within)) - known;
    count = first + within;
    if (within < kLanes) break;
    sum = last_of(up_to);
    back = 8 * bytes - hn::GetLane(last_of(lanes.used));
  }
  count = std::min(count, max_count);
  const auto offset = set(self - (place < count ? out[place] : 0));
  for (std::size_t i = 0; i < count; i += kLanes) hn::StoreU(hn::Add(hn::LoadU(d, out + i), offset), d, out + i);
  if (place < count) out[place] = kNoId;
  return count;
}

#if HWY_TARGET == HWY_AVX3_DL

/// A vector constant: element i is number_of(i).
template <class Number, std::size_t n>
struct Pattern {
  alignas(64) Number of[n];
  template <class Of>
  explicit constexpr Pattern(Of number_of) : of() {
    for (std::size_t i = 0; i < n; ++i) of[i] = static_cast<Number>(number_of(i));
  }
  HWY_INLINE __m256i half() const { return _mm256_load_si256(reinterpret_cast<const __m256i*>(of)); }
  HWY_INLINE __m512i whole(std::size_t first = 0) const { return _mm512_load_si512(of + first); }
};

// With lanes of a byte: the classes of eight lanes are 3 bytes.
constexpr Pattern<std::uint8_t, 32> kBytesOfEight([](std::size_t i) { return i % 8 < 3 ? i / 8 * 3 + i % 8 : 128; });
constexpr Pattern<std::uint8_t, 32> kStartsInEight([](std::size_t i) { return i % 8 * kClassBits; });
// The sum over eight lanes is in the last of their bytes. After prefix sums over u16, element i has the sum over all
// lanes before the i-th eight.
constexpr Pattern<std::uint8_t, 32> kSumOfEight([](std::size_t i) { return i % 8 / 2 * 8 - 1; });
constexpr std::uint32_t kHasEightBefore = 0x54545454;
constexpr Pattern<std::uint8_t, 128> kEightsOfLane([](std::size_t i) { return i / 32 * 2 + i % 2; });
constexpr std::uint64_t kLowHalves = 0x3333333333333333;
constexpr Pattern<std::uint32_t, 32> kClassesUpTo([](std::size_t i) { return (i + 1) * kClassBits; });
constexpr Pattern<std::uint32_t, 16> kLastOfFour([](std::size_t i) { return i % 8 * 4 + 3; });
constexpr Pattern<std::uint32_t, 32> kFourOfLane([](std::size_t i) { return i / 4; });

/// The classes of 32 lanes, one per byte.
HWY_INLINE __m256i byte_classes(const std::byte* list) {
  const __m256i front = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(list)));
  const __m256i bits =
      _mm256_multishift_epi64_epi8(kStartsInEight.half(), _mm256_shuffle_epi8(front, kBytesOfEight.half()));
  return _mm256_and_si256(bits, _mm256_set1_epi8(kSelfClass));
}
HWY_INLINE __m128i short_table(const void* table) { return _mm_load_si128(static_cast<const __m128i*>(table)); }
HWY_INLINE __m256i look_up(const std::uint8_t* table, __m256i classes) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(short_table(table)), classes);
}
/// Prefix sums of the widths within each eight lanes.
HWY_INLINE __m256i sums_in_eight(__m256i widths) {
  return _mm256_mullo_epi64(widths, _mm256_set1_epi64x(0x0101010101010101));
}

/// True if a list has more than its first 32 lanes, whose numbers have `used` bits.
HWY_INLINE bool continues(const DeltaCode& code, const std::byte* list, std::size_t bytes, std::size_t used,
                          bool has_self) {
  const std::uint32_t next = std::to_integer<std::uint32_t>(list[2 * kLanes * kClassBits / 8]) & kSelfClass;
  return (2 * kLanes + 1) * kClassBits + used + code.widths[next] <= 8 * bytes && (next != kSelfClass || !has_self);
}

/// Prefix sums of 32 widths, as two vectors of u32.
HWY_INLINE void sum_widths(__m256i widths, V* low, V* high) {
  const __m256i in_eight = sums_in_eight(widths);
  const __m256i eights = _mm256_maskz_permutexvar_epi8(kHasEightBefore, kSumOfEight.half(), in_eight);
  const __m512i before = _mm512_castsi256_si512(_mm256_mullo_epi64(eights, _mm256_set1_epi64x(0x0001000100010001)));
  *low = V{_mm512_add_epi32(_mm512_cvtepu8_epi32(_mm256_castsi256_si128(in_eight)),
                            _mm512_maskz_permutexvar_epi8(kLowHalves, kEightsOfLane.whole(), before))};
  *high = V{_mm512_add_epi32(_mm512_cvtepu8_epi32(_mm256_extracti128_si256(in_eight, 1)),
                             _mm512_maskz_permutexvar_epi8(kLowHalves, kEightsOfLane.whole(64), before))};
}

/// Prefix sums over the lanes of two vectors.
HWY_INLINE void sum_both(V* low, V* high) {
  const auto in_four = [](__m512i v) {
    v = _mm512_add_epi32(v, _mm512_bslli_epi128(v, 4));
    return _mm512_add_epi32(v, _mm512_bslli_epi128(v, 8));
  };
  const __m512i lows = in_four(low->raw), highs = in_four(high->raw);
  const __m256i fours = _mm512_castsi512_si256(_mm512_permutex2var_epi32(lows, kLastOfFour.whole(), highs));
  __m256i before = _mm256_add_epi32(fours, _mm256_bslli_epi128(fours, 4));
  before = _mm256_add_epi32(before, _mm256_bslli_epi128(before, 8));
  before = _mm256_add_epi32(before, _mm256_maskz_permutexvar_epi32(0xF0, _mm256_set1_epi32(3), before));
  const __m512i wide = _mm512_castsi256_si512(_mm256_sub_epi32(before, fours));
  *low = V{_mm512_add_epi32(lows, _mm512_permutexvar_epi32(kFourOfLane.whole(), wide))};
  *high = V{_mm512_add_epi32(highs, _mm512_permutexvar_epi32(kFourOfLane.whole(kLanes), wide))};
}

/// Decodes lists that fit into one window and two vectors, as most do: no sum waits for another.
std::size_t decode(const DeltaCode& code, const std::byte* list, std::size_t bytes, Id self, std::size_t max_count,
                   Id* out) {
  if (bytes > kGuardBytes) return decode_long(code, list, bytes, self, max_count, out);
  const __m256i classes = byte_classes(list);
  Lanes low, high;
  sum_widths(look_up(code.narrow_widths, classes), &low.used, &high.used);
  const auto fits_of = [&](V used, std::size_t first) {
    return std::uint32_t{
        _mm512_cmple_epi32_mask(_mm512_add_epi32(used.raw, kClassesUpTo.whole(first)), set(8 * bytes).raw)};
  };
  const std::uint32_t fits = fits_of(low.used, 0) | fits_of(high.used, kLanes) << kLanes;
  const std::uint32_t marks = _mm256_cmpeq_epi8_mask(classes, _mm256_set1_epi8(kSelfClass));
  if (fits == ~std::uint32_t{0} && max_count > 2 * kLanes &&
      continues(code, list, bytes, hn::GetLane(last_of(high.used)), marks != 0))
    return decode_long(code, list, bytes, self, max_count, out);
  const Extent extent(marks, max_count < 2 * kLanes ? fits & ((std::uint32_t{1} << max_count) - 1) : fits);
  low.classes = V{_mm512_cvtepu8_epi32(_mm256_castsi256_si128(classes))};
  high.classes = V{_mm512_cvtepu8_epi32(_mm256_extracti128_si256(classes, 1))};
  const V low_deltas = low.deltas(code, list, 8 * bytes), high_deltas = high.deltas(code, list, 8 * bytes);
  V low_sums = low_deltas, high_sums = high_deltas;
  sum_both(&low_sums, &high_sums);
  const V place = set(static_cast<std::size_t>(std::countr_zero(extent.self)));
  const V of_self{
      _mm512_maskz_permutex2var_epi32(extent.self == 0 ? 0 : 0xFFFF, low_sums.raw, place.raw, high_sums.raw)};
  const __m512i offset = hn::Sub(set(self), of_self).raw, none = set(kNoId).raw;
  const auto store = [&](std::size_t first, V sum, V delta) {
    const auto before = static_cast<__mmask16>(extent.before >> first),
               is_self = static_cast<__mmask16>(extent.self >> first);
    const __m512i numbers = _mm512_add_epi32(_mm512_mask_sub_epi32(sum.raw, before, sum.raw, delta.raw), offset);
    _mm512_storeu_si512(out + first, _mm512_mask_mov_epi32(numbers, is_self, none));
  };
  store(0, low_sums, low_deltas);
  store(kLanes, high_sums, high_deltas);
  return static_cast<std::size_t>(std::popcount(extent.within));
}

// With lanes of u16. From the sums within each of the four eights: the last ones of the first and second eight; that of
// the third eight beside the lane's own.
constexpr Pattern<std::uint8_t, 64> kFirstAndSecond([](std::size_t i) { return i % 2 * 8 + 7; });
constexpr Pattern<std::uint8_t, 64> kAddFirstAndSecond([](std::size_t i) { return i / 16 > i % 2; });
constexpr Pattern<std::uint8_t, 64> kThirdAndOwn([](std::size_t i) { return i % 2 ? i / 2 : 23; });
constexpr Pattern<std::uint8_t, 64> kAddThirdAndOwn([](std::size_t i) { return i % 2 || i / 16 > 2; });
constexpr Pattern<std::uint16_t, 32> kNarrowClassesUpTo([](std::size_t i) { return (i + 1) * kClassBits; });
template <std::size_t before>
constexpr Pattern<std::uint16_t, 32> kLastOfEight([](std::size_t i) { return (i / 8 - before) * 8 + 7; });

HWY_INLINE __m512i look_up(const std::uint16_t* table, __m512i classes) {
  return _mm512_permutexvar_epi16(classes, _mm512_broadcast_i32x4(short_table(table)));
}

/// Prefix sums over the lanes, saturated at 0xFFFF.
HWY_INLINE __m512i narrow_sums(__m512i v) {
  v = _mm512_adds_epu16(v, _mm512_bslli_epi128(v, 2));
  v = _mm512_adds_epu16(v, _mm512_bslli_epi128(v, 4));
  v = _mm512_adds_epu16(v, _mm512_bslli_epi128(v, 8));
  const __m512i one = _mm512_maskz_permutexvar_epi16(0xFFFFFF00, kLastOfEight<1>.whole(), v);
  const __m512i two = _mm512_maskz_permutexvar_epi16(0xFFFF0000, kLastOfEight<2>.whole(), v);
  const __m512i three = _mm512_maskz_permutexvar_epi16(0xFF000000, kLastOfEight<3>.whole(), v);
  return _mm512_adds_epu16(_mm512_adds_epu16(v, one), _mm512_adds_epu16(two, three));
}

/// Decodes by a narrow code, in one vector.
std::size_t decode_narrow(const DeltaCode& code, const std::byte* list, std::size_t bytes, Id self,
                          std::size_t max_count, Id* out) {
  if (bytes > kGuardBytes) return decode_long(code, list, bytes, self, max_count, out);
  const __m256i classes = byte_classes(list);
  const __m512i in_eight = _mm512_castsi256_si512(sums_in_eight(look_up(code.narrow_widths, classes)));
  const __m512i first_and_second = _mm512_permutexvar_epi8(kFirstAndSecond.whole(), in_eight);
  const __m512i third_and_own = _mm512_permutexvar_epi8(kThirdAndOwn.whole(), in_eight);
  const __m512i used = _mm512_add_epi16(_mm512_maddubs_epi16(first_and_second, kAddFirstAndSecond.whole()),
                                        _mm512_maddubs_epi16(third_and_own, kAddThirdAndOwn.whole()));
  const __m512i end = _mm512_set1_epi16(static_cast<short>(8 * bytes));
  const std::uint32_t fits = _mm512_cmple_epu16_mask(_mm512_add_epi16(used, kNarrowClassesUpTo.whole()), end);
  const std::uint32_t marks = _mm256_cmpeq_epi8_mask(classes, _mm256_set1_epi8(kSelfClass));
  const auto all_used = [&] {
    return static_cast<std::size_t>(_mm_extract_epi16(_mm512_extracti32x4_epi32(used, 3), 7));
  };
  if (fits == ~std::uint32_t{0} && max_count > 2 * kLanes && continues(code, list, bytes, all_used(), marks != 0))
    return decode_long(code, list, bytes, self, max_count, out);
  const Extent extent(marks, max_count < 2 * kLanes ? fits & ((std::uint32_t{1} << max_count) - 1) : fits);
  const __m512i window = _mm512_loadu_si512(list);
  const auto word_at_bit = [&](__m512i at) { return _mm512_permutexvar_epi16(_mm512_srli_epi16(at, 4), window); };
  const __m512i start = _mm512_sub_epi16(end, used),
                after = _mm512_sub_epi16(_mm512_add_epi16(end, _mm512_set1_epi16(16)), used);
  const __m512i bits = _mm512_shrdv_epi16(word_at_bit(start), word_at_bit(after), start),
                numbers = _mm512_cvtepu8_epi16(classes);
  const __m512i deltas = _mm512_adds_epu16(_mm512_and_si512(bits, look_up(code.narrow_masks, numbers)),
                                           look_up(code.narrow_bases, numbers));
  const __m512i sums = narrow_sums(deltas);
  if (_mm512_cmpeq_epi16_mask(sums, _mm512_set1_epi16(-1)) & extent.within)
    return decode_long(code, list, bytes, self, max_count, out);
  const __m512i place = _mm512_set1_epi16(static_cast<short>(std::countr_zero(extent.self)));
  const __m512i of_self =
      _mm512_maskz_permutexvar_epi16(extent.self == 0 ? 0 : 0x55555555, place, sums);  // a u32 in each two lanes
  const __m512i offset = _mm512_sub_epi32(set(self).raw, of_self), none = set(kNoId).raw;
  const __m512i up_to = _mm512_mask_sub_epi16(sums, extent.before, sums, deltas);
  const auto store = [&](std::size_t first, __m256i half) {
    const __m512i ids = _mm512_add_epi32(_mm512_cvtepu16_epi32(half), offset);
    _mm512_storeu_si512(out + first, _mm512_mask_mov_epi32(ids, static_cast<__mmask16>(extent.self >> first), none));
  };
  store(0, _mm512_castsi512_si256(up_to));
  store(kLanes, _mm512_extracti64x4_epi64(up_to, 1));
  return static_cast<std::size_t>(std::popcount(extent.within));
}

#else

constexpr auto decode = decode_long, decode_narrow = decode_long;

#endif

#else
#undef CASSATA_DELTA_VECTORS
#define CASSATA_DELTA_VECTORS 0
#endif

std::size_t sum(const std::byte* record, std::size_t count) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(record);
#if HWY_TARGET == HWY_SCALAR
  return std::accumulate(bytes + sizeof(std::uint64_t), bytes + sizeof(std::uint64_t) + count, std::size_t{0});
#else
  const hn::CappedTag<std::uint8_t, kRecordBytes> d8;
  const hn::RebindToSigned<decltype(d8)> di;
  const hn::Repartition<std::uint64_t, decltype(d8)> d64;
  auto sums = hn::Zero(d64);
  for (std::size_t i = 0; i < kRecordBytes; i += hn::Lanes(d8)) {
    const auto counts =
        hn::RebindMask(d8, hn::Lt(hn::Load(di, kLengthNumbers + i), hn::Set(di, static_cast<std::int8_t>(count))));
    sums = hn::Add(sums, hn::SumsOf8(hn::IfThenElseZero(counts, hn::LoadU(d8, bytes + i))));
  }
  return hn::GetLane(hn::SumOfLanes(d64, sums));
#endif
}

Kernels pick_delta([[maybe_unused]] std::uint32_t widest, [[maybe_unused]] bool narrow) {
#if CASSATA_DELTA_VECTORS
  if (narrow) return {decode_narrow, sum};
  if (widest <= kMaxLaneWidth) return {decode, sum};
#endif
  return {decode_each, sum};
}

}  // namespace
}  // namespace cassata::kernels::delta_lists::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::delta_lists {

HWY_EXPORT(pick_delta);

DeltaCode::DeltaCode(std::span<const std::uint8_t> w)
    : widths(), bases(), masks(), narrow_widths(), narrow_bases(), narrow_masks() {
  std::uint32_t first = 0;
  for (std::size_t c = 0; c < kClasses; ++c) {
    widths[c] = narrow_widths[c] = c < w.size() ? w[c] : 0;
    bases[c] = 1 + first;
    masks[c] = (std::uint32_t{1} << widths[c]) - 1;
    first += 1 + masks[c];
    narrow_bases[c] = static_cast<std::uint16_t>(bases[c]);
    narrow_masks[c] = static_cast<std::uint16_t>(masks[c]);
  }
}

bool DeltaCode::narrow() const {
  constexpr std::uint32_t max_count = 0xFFFF;
  return std::ranges::all_of(bases, [](std::uint32_t base) { return base <= max_count; }) &&
         std::ranges::all_of(masks, [](std::uint32_t mask) { return mask <= max_count; });
}

Kernels dispatch(const DeltaCode& code) {
  return HWY_DYNAMIC_DISPATCH(pick_delta)(*std::max_element(std::begin(code.widths), std::end(code.widths)),
                                          code.narrow());
}

}  // namespace cassata::kernels::delta_lists
#endif
