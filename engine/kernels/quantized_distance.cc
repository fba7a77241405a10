#include "engine/kernels/quantized_distance.h"

// Also for the machines that multiply and add bytes in one instruction (VNNI): Highway leaves them out unless asked.
#define HWY_WANT_AVX3_DL
// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/quantized_distance.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/kernels/gather-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::quantized::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kernels::HWY_NAMESPACE;
namespace {

#if HWY_TARGET == HWY_SCALAR
/// The sum over a part of code times query.
template <unsigned kWidth>
std::int32_t product(const std::uint8_t* codes, const std::int8_t* query, std::size_t bytes) {
  constexpr unsigned kMask = (1U << kWidth) - 1;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    for (unsigned run = 0; run < 8 / kWidth; ++run)
      sum += static_cast<std::int32_t>(codes[i] >> run * kWidth & kMask) * query[run * bytes + i];
  return sum;
}
#else
/// A running sum of products of codes and query is two vectors of 32-bit numbers, `even` and `odd`: not in a struct,
/// which holds no vectors of SVE.
template <class D>
using SumOf = hn::Vec<hn::Repartition<std::int32_t, D>>;

template <class D>
HWY_INLINE std::int32_t total(D, SumOf<D> even, SumOf<D> odd) {
  const hn::Repartition<std::int32_t, D> d;
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

/// Adds codes x query, number by number, in any order. Codes are unsigned; which of the sums takes them is up to `run`.
#if HWY_TARGET == HWY_AVX3_DL
/// In assembler: Highway 1.0 asks the processor for this instruction (AVX-512 VNNI), but not the compiler.
template <class D, class V, class W>
HWY_INLINE void add_products(D, V codes, W query, std::size_t run, SumOf<D>& even, SumOf<D>& odd) {
  auto& sum = run % 2 == 0 ? even : odd;
  asm("vpdpbusd %[query], %[codes], %[sum]" : [sum] "+v"(sum.raw) : [codes] "v"(codes.raw), [query] "v"(query.raw));
}
#else
template <class D, class V, class W>
HWY_INLINE void add_products(D d, V codes, W query, std::size_t, SumOf<D>& even, SumOf<D>& odd) {
  const hn::Repartition<std::int16_t, D> d16;
  const hn::Half<D> half;
  const hn::Half<hn::RebindToSigned<D>> signed_half;
  const hn::Repartition<std::int32_t, D> d32;
  even = hn::ReorderWidenMulAccumulate(d32, hn::PromoteTo(d16, hn::LowerHalf(half, codes)),
                                       hn::PromoteTo(d16, hn::LowerHalf(signed_half, query)), even, odd);
  even = hn::ReorderWidenMulAccumulate(d32, hn::PromoteTo(d16, hn::UpperHalf(half, codes)),
                                       hn::PromoteTo(d16, hn::UpperHalf(signed_half, query)), even, odd);
  (void)d;
}
#endif

/// Adds the codes of `kWidth` bits in `bytes`, which are those of place `at` in the part, times their query.
template <unsigned kWidth, std::size_t... kRun, class D, class V>
HWY_INLINE void add_runs(std::index_sequence<kRun...>, D d, V bytes, const std::int8_t* query, std::size_t part_bytes,
                         std::size_t at, SumOf<D>& even, SumOf<D>& odd) {
  const hn::Repartition<std::uint16_t, D> d16;
  const hn::RebindToSigned<D> di;
  const auto mask = hn::Set(d, static_cast<std::uint8_t>((1U << kWidth) - 1));
  const auto codes = [&](auto shift) HWY_ATTR {
    return kWidth == 8 ? bytes : hn::And(hn::BitCast(d, hn::ShiftRight<shift()>(hn::BitCast(d16, bytes))), mask);
  };
  (add_products(d, codes(std::integral_constant<int, kWidth * kRun>()), hn::LoadU(di, query + kRun * part_bytes),
                kWidth == 8 ? at / hn::Lanes(d) : kRun, even, odd),
   ...);
}

/// The sum over a part of code times query.
template <unsigned kWidth>
HWY_INLINE std::int32_t product(const std::uint8_t* codes, const std::int8_t* query, std::size_t bytes) {
  constexpr std::make_index_sequence<8 / kWidth> kRuns;
  hn::ScalableTag<std::uint8_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto even = hn::Zero(hn::Repartition<std::int32_t, decltype(d)>()), odd = even;
  std::size_t i = 0;
  for (; i + lanes <= bytes; i += lanes)
    add_runs<kWidth>(kRuns, d, hn::LoadU(d, codes + i), query + i, bytes, i, even, odd);
#if HWY_TARGET <= HWY_AVX3
  if (i < bytes)
    add_runs<kWidth>(kRuns, d, hn::MaskedLoad(hn::FirstN(d, bytes - i), d, codes + i), query + i, bytes, i, even, odd);
  return total(d, even, odd);
#else
  hn::CappedTag<std::uint8_t, 16> small;
  auto small_even = hn::Zero(hn::Repartition<std::int32_t, decltype(small)>()), small_odd = small_even;
  for (; i < bytes; i += hn::Lanes(small))
    add_runs<kWidth>(kRuns, small, hn::LoadU(small, codes + i), query + i, bytes, i, small_even, small_odd);
  return total(d, even, odd) + total(small, small_even, small_odd);
#endif
}

#endif  // HWY_SCALAR

HWY_INLINE std::int32_t product(const QuantizedLayout::Part& part, const std::uint8_t* row, const std::int8_t* query) {
  switch (part.width) {
    case 8: return product<8>(row + part.row, query + part.query, part.bytes);
    case 4: return product<4>(row + part.row, query + part.query, part.bytes);
    case 2: return product<2>(row + part.row, query + part.query, part.bytes);
    default: return product<1>(row + part.row, query + part.query, part.bytes);
  }
}

/// What turns a product into a distance: copied, since results that are written might be these numbers for all that a
/// compiler knows.
struct Finish {
  float base, rest_factor, sum, scale;

  explicit Finish(const QuantizedQuery& query)
      : base(query.base),
        rest_factor(query.rest_factor),
        sum(query.factor * query.sum),
        scale(query.factor * query.scale) {}
  HWY_INLINE float operator()(const void* row, std::int32_t product) const {
    QuantizedHead head;
    std::memcpy(&head, row, sizeof head);
    return base + rest_factor * head.rest - (head.bias * sum + head.scale * scale * static_cast<float>(product));
  }
};

/// Calls `use` with what computes the distance to a row.
template <class Use>
HWY_INLINE void with_distance(const QuantizedQuery& query, const QuantizedLayout& layout, Use use) {
  const Finish finish(query);
  const auto one_part = [&]<unsigned kWidth>(std::integral_constant<unsigned, kWidth>) HWY_ATTR {
    const std::size_t bytes = layout.parts[0].bytes;
    const std::int8_t* const values = query.values.data();
    use([finish, bytes, values](const void* row) HWY_ATTR {
      return finish(row, product<kWidth>(static_cast<const std::uint8_t*>(row) + sizeof(QuantizedHead), values, bytes));
    });
  };
  if (layout.bits == 8) return one_part(std::integral_constant<unsigned, 8>());
  if (layout.bits == 4) return one_part(std::integral_constant<unsigned, 4>());
  if (layout.bits == 2) return one_part(std::integral_constant<unsigned, 2>());
  if (layout.bits == 1) return one_part(std::integral_constant<unsigned, 1>());
  use([&](const void* row) HWY_ATTR {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < layout.count; ++i)
      sum += product(layout.parts[i], static_cast<const std::uint8_t*>(row), query.values.data())
             << layout.parts[i].shift;
    return finish(row, sum);
  });
}

void gather(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, const Id* ids, std::size_t n,
            float* out) {
  with_distance(query, layout,
                [&](auto distance) HWY_ATTR { gather_rows(rows, layout.row_bytes, ids, n, out, distance); });
}

void range(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, std::size_t first,
           std::size_t n, float* out) {
  const char* const row = static_cast<const char*>(rows) + first * layout.row_bytes;
  with_distance(query, layout, [&](auto distance) HWY_ATTR {
    for (std::size_t i = 0; i < n; ++i) out[i] = distance(row + i * layout.row_bytes);
  });
}

/// The numbers of a query for each part of a code: run after run.
void spread(const std::int8_t* numbers, const QuantizedLayout& layout, std::int8_t* out) {
  for (std::size_t p = 0; p < layout.count; ++p) {
    const QuantizedLayout::Part& part = layout.parts[p];
    const std::size_t runs = 8 / part.width;
    for (std::size_t run = 0; run < runs; ++run) {
      std::int8_t* const to = out + part.query + run * part.bytes;
      for (std::size_t i = 0, from = run; from < layout.dim; ++i, from += runs) to[i] = numbers[from];
    }
  }
}

constexpr float kLargestNumber = 127;

/// A number even where the query or row, of a damaged file, has none.
HWY_INLINE float bounded_number(float value) { return std::min(kLargestNumber, std::max(-kLargestNumber, value)); }

/// In several parts: a compiler does not split the search for a largest float.
float largest_magnitude(const float* values, std::size_t n) {
  constexpr std::size_t kLanes = 16;
  float largest[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::size_t j = 0; j < kLanes; ++j) largest[j] = std::max(largest[j], std::abs(values[i + j]));
  for (; i < n; ++i) largest[0] = std::max(largest[0], std::abs(values[i]));
  return *std::max_element(largest, largest + kLanes);
}

void to_whole_numbers(const float* query, const QuantizedLayout& layout, QuantizedQuery& out) {
  const float largest = largest_magnitude(query, layout.dim);
  out.scale = largest / kLargestNumber;
  out.values.assign(layout.query_values, 0);
  std::int32_t sum = 0;
  std::vector<std::int8_t> numbers(layout.dim);
  for (std::size_t i = 0; i < layout.dim; ++i) {
    const float exact =
        largest > 0 ? query[i] / largest * kLargestNumber : 0;  // a factor would be infinite where all are tiny
    const float bounded = bounded_number(exact);
    const auto number = static_cast<std::int32_t>(bounded + (bounded < 0 ? -0.5F : 0.5F));
    numbers[i] = static_cast<std::int8_t>(number);
    sum += number;
  }
  out.sum = out.scale * static_cast<float>(sum);
  spread(numbers.data(), layout, out.values.data());
}

/// Numbers  low + step x code  for the codes of `kWidth` bits in `bytes`, run after run; returns their sum. Left to the
/// compiler to vectorize.
template <unsigned kWidth>
std::int32_t to_numbers(const std::uint8_t* codes, std::size_t bytes, float low, float step, std::int8_t* out) {
  constexpr unsigned kMask = (1U << kWidth) - 1;
  std::int32_t sum = 0;
  for (unsigned run = 0; run < 8 / kWidth; ++run)
    for (std::size_t i = 0; i < bytes; ++i) {
      const auto number =
          static_cast<std::int32_t>(low + step * static_cast<float>(codes[i] >> run * kWidth & kMask) + 128.5F) - 128;
      out[run * bytes + i] = static_cast<std::int8_t>(number);
      sum += number;
    }
  return sum;
}

float row_to_numbers(const void* row, const QuantizedLayout& layout, QuantizedQuery& out) {
  QuantizedHead head;
  std::memcpy(&head, row, sizeof head);
  const QuantizedLayout::Part& part = layout.parts[0];
  const auto* const codes = static_cast<const std::uint8_t*>(row) + part.row;
  const auto last = static_cast<float>((1U << layout.bits) - 1);
  const float largest = std::max(std::abs(head.bias), std::abs(head.bias + head.scale * last));
  const float low = largest > 0 ? bounded_number(head.bias / largest * kLargestNumber) : 0;
  const float step =
      largest > 0 ? (bounded_number((head.bias + head.scale * last) / largest * kLargestNumber) - low) / last : 0;
  out.scale = largest / kLargestNumber;
  out.values.resize(layout.query_values);
  std::int32_t sum = layout.bits == 8 ? to_numbers<8>(codes, part.bytes, low, step, out.values.data())
                                      : to_numbers<4>(codes, part.bytes, low, step, out.values.data());
  const std::size_t padding = part.bytes * (8 / part.width) - layout.dim;  // codes that are 0
  sum -= static_cast<std::int32_t>(padding) * (static_cast<std::int32_t>(low + 128.5F) - 128);
  out.sum = out.scale * static_cast<float>(sum);
  return head.rest;
}

}  // namespace
}  // namespace cassata::kernels::quantized::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::quantized {

HWY_EXPORT(gather);
HWY_EXPORT(range);
HWY_EXPORT(to_whole_numbers);
HWY_EXPORT(row_to_numbers);

QuantizedLayout::QuantizedLayout(std::size_t dimensions, unsigned code_bits) : dim(dimensions), bits(code_bits) {
  constexpr std::size_t kAlign = 16;
  row_bytes = sizeof(QuantizedHead);
  unsigned left = bits;
  for (const unsigned width : {8U, 4U, 2U, 1U}) {
    if ((left & width) == 0) continue;
    left -= width;
    const std::size_t bytes = ((dim * width + 7) / 8 + kAlign - 1) / kAlign * kAlign;
    parts[count++] = {.width = width, .shift = left, .bytes = bytes, .row = row_bytes, .query = query_values};
    row_bytes += bytes;
    query_values += 8 / width * bytes;
  }
  query_values += 64;
}

void quantize(const float* query, const QuantizedLayout& layout, QuantizedQuery& out) {
  HWY_DYNAMIC_DISPATCH(to_whole_numbers)(query, layout, out);
}
float quantize_row(const void* row, const QuantizedLayout& layout, QuantizedQuery& out) {
  return HWY_DYNAMIC_DISPATCH(row_to_numbers)(row, layout, out);
}
void gather(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, const Id* ids, std::size_t n,
            float* out) {
  HWY_DYNAMIC_DISPATCH(gather)(query, layout, rows, ids, n, out);
}
void range(const QuantizedQuery& query, const QuantizedLayout& layout, const void* rows, std::size_t first,
           std::size_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(range)(query, layout, rows, first, n, out);
}

}  // namespace cassata::kernels::quantized
#endif
