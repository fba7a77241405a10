#include "engine/kernels/sparse.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/sparse.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <cstring>

#include "engine/kernels/half-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// What an entry adds, for the row's value `v` and the query's `t`.
struct SparseDot {
  template <class V>
  static HWY_INLINE V add(V sum, V v, V t) {
    return hn::MulAdd(v, t, sum);
  }
  static HWY_INLINE float finish(float sum) { return -sum; }
};

struct SparseEuclidean {  // v^2 - 2 v t
  template <class V>
  static HWY_INLINE V add(V sum, V v, V t) {
    return hn::MulAdd(v, hn::Sub(v, hn::Add(t, t)), sum);
  }
  static HWY_INLINE float finish(float sum) { return sum; }
};

/// Components as indexes into the table.
template <class D>
HWY_INLINE auto indexes(D, const std::uint16_t* components, std::uint32_t) {
  return hn::PromoteTo(hn::RebindToSigned<D>(), load_unaligned(hn::Rebind<std::uint16_t, D>(), components));
}
template <class D>
HWY_INLINE auto indexes(D, const std::uint32_t* components, std::uint32_t limit) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(hn::RebindToSigned<D>(), hn::Min(load_unaligned(du, components), hn::Set(du, limit)));
}

template <class M, class Component, class Value>
float row(const float* table, std::uint32_t limit, const void* components, const void* values, std::size_t count) {
  const auto* c = static_cast<const Component*>(components);
  const auto* v = static_cast<const Value*>(values);
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d), sum1 = sum0;
  std::size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {  // two sums hide the latency of an addition
    sum0 = M::add(sum0, load_f32(d, v + i), hn::GatherIndex(d, table, indexes(d, c + i, limit)));
    sum1 = M::add(sum1, load_f32(d, v + i + lanes), hn::GatherIndex(d, table, indexes(d, c + i + lanes, limit)));
  }
  if (i + lanes <= count) {
    sum0 = M::add(sum0, load_f32(d, v + i), hn::GatherIndex(d, table, indexes(d, c + i, limit)));
    i += lanes;
  }
  const hn::CappedTag<float, 1> single;
  auto tail = hn::Zero(single);
  for (; i < count; ++i) tail = M::add(tail, load_f32(single, v + i), hn::GatherIndex(single, table, indexes(single, c + i, limit)));
  return M::finish(hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1))) + hn::GetLane(tail));
}

template <class M, class Component>
SparseKernel of_values(ElementType type) {
  return type == ElementType::f16 ? row<M, Component, hwy::float16_t> : row<M, Component, float>;
}

template <class M>
SparseKernel of_components(std::size_t bytes, ElementType type) {
  return bytes == 2 ? of_values<M, std::uint16_t>(type) : of_values<M, std::uint32_t>(type);
}

SparseKernel pick_sparse(Metric metric, std::size_t component_bytes, ElementType type) {
  switch (metric) {
    case Metric::dot_product: return of_components<SparseDot>(component_bytes, type);
    case Metric::euclidean: break;
  }
  return of_components<SparseEuclidean>(component_bytes, type);
}

}  // namespace cassata::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels {

HWY_EXPORT(pick_sparse);

SparseKernel sparse_kernel(Metric metric, std::size_t component_bytes, ElementType value_type) {
  return HWY_DYNAMIC_DISPATCH(pick_sparse)(metric, component_bytes, value_type);
}

}  // namespace cassata::kernels
#endif
