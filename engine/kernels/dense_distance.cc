#include "engine/kernels/dense_distance.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/dense_distance.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "engine/kernels/float16-inl.h"
#include "engine/kernels/gather-inl.h"
#include "engine/kernels/metric-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::dense::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kernels::HWY_NAMESPACE;
namespace {

template <class Element>
const Element* row_at(const void* rows, std::size_t index, std::size_t dim) {
  return static_cast<const Element*>(rows) + index * dim;
}

/// The distance: the only place that sums, so that every kernel below gives the same bits. Four sums hide the latency
/// of an addition.
template <class M, class Element>
HWY_INLINE float distance(const float* query, const Element* row, std::size_t dim) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  std::size_t i = 0;
  for (; i + 4 * lanes <= dim; i += 4 * lanes) {
    sum0 = M::add(sum0, hn::LoadU(d, query + i), load_f32(d, row + i));
    sum1 = M::add(sum1, hn::LoadU(d, query + i + lanes), load_f32(d, row + i + lanes));
    sum2 = M::add(sum2, hn::LoadU(d, query + i + 2 * lanes), load_f32(d, row + i + 2 * lanes));
    sum3 = M::add(sum3, hn::LoadU(d, query + i + 3 * lanes), load_f32(d, row + i + 3 * lanes));
  }
  for (; i + lanes <= dim; i += lanes) sum0 = M::add(sum0, hn::LoadU(d, query + i), load_f32(d, row + i));
#if HWY_MEM_OPS_MIGHT_FAULT
  const hn::CappedTag<float, 1> single;
  auto tail = hn::Zero(single);
  for (; i < dim; ++i) tail = M::add(tail, hn::LoadU(single, query + i), load_f32(single, row + i));
  const float rest = hn::GetLane(tail);
#else
  if (i < dim)
    sum1 = M::add(sum1, hn::MaskedLoad(hn::FirstN(d, dim - i), d, query + i), load_first_f32(d, row + i, dim - i));
  const float rest = 0.0F;
#endif
  return M::finish(hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)))) + rest);
}

template <class M, class Element>
float one(const float* query, const void* row, std::size_t dim) {
  return distance<M>(query, static_cast<const Element*>(row), dim);
}

template <class M, class Element>
void gather(const float* query, const void* rows, std::size_t dim, const Id* ids, std::size_t n, float* out) {
  gather_rows(rows, dim * sizeof(Element), ids, n, out,
              [&](const void* row) HWY_ATTR { return distance<M>(query, static_cast<const Element*>(row), dim); });
}

template <class M, class Element>
void range(const float* query, const void* rows, std::size_t dim, std::size_t first, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = distance<M>(query, row_at<Element>(rows, first + i, dim), dim);
}

template <class Element>
Kernels kernels_of(Metric metric) {
  return with_metric<DotProduct, Euclidean, Manhattan>(metric, []<class M>(M) {
    return Kernels{one<M, Element>, gather<M, Element>, range<M, Element>};
  });
}

Kernels pick(Metric metric, ElementType type) {
  return type == ElementType::f16 ? kernels_of<hwy::float16_t>(metric) : kernels_of<float>(metric);
}

void to_f16(const float* from, std::uint16_t* to, std::size_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) store_f16(d, hn::LoadU(d, from + i), to + i);
  for (; i < n; ++i) store_f16(single, hn::LoadU(single, from + i), to + i);
}

void from_f16(const void* from, float* to, std::size_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const std::size_t lanes = hn::Lanes(d);
  const auto* halves = static_cast<const hwy::float16_t*>(from);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(load_f32(d, halves + i), d, to + i);
  for (; i < n; ++i) hn::StoreU(load_f32(single, halves + i), single, to + i);
}

const char* name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace cassata::kernels::dense::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::dense {

HWY_EXPORT(pick);
HWY_EXPORT(to_f16);
HWY_EXPORT(from_f16);
HWY_EXPORT(name);

Kernels dispatch(Metric metric, ElementType type) { return HWY_DYNAMIC_DISPATCH(pick)(metric, type); }
void f32_to_f16(const float* from, std::uint16_t* to, std::size_t n) { HWY_DYNAMIC_DISPATCH(to_f16)(from, to, n); }
void f16_to_f32(const void* from, float* to, std::size_t n) { HWY_DYNAMIC_DISPATCH(from_f16)(from, to, n); }
std::string_view target_name() { return HWY_DYNAMIC_DISPATCH(name)(); }

}  // namespace cassata::kernels::dense
#endif
