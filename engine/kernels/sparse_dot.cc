#include "engine/kernels/sparse_dot.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/sparse_dot.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>

#include "engine/kernels/metric-inl.h"
#include "engine/kernels/sparse_dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::sparse::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kernels::HWY_NAMESPACE;
namespace {

/// What an entry adds, for the row's value `v` and the query's `t`.
struct SparseDot {
  static constexpr Metric kMetric = Metric::dot_product;
  template <class V>
  static HWY_INLINE V add(V sum, V v, V t) {
    return hn::MulAdd(v, t, sum);
  }
  static HWY_INLINE float finish(float sum) { return -sum; }
};

struct SparseEuclidean {  // v^2 - 2 v t
  static constexpr Metric kMetric = Metric::euclidean;
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

/// The entries of a row one after another.
template <class M, class Component, class Values>
float all_entries(const SparseQuery& query, const SparseRow& row) {
  const auto* c = static_cast<const Component*>(row.components);
  const Values v(row);
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d), sum1 = sum0;
  std::size_t i = 0;
  for (; i + 2 * lanes <= row.count; i += 2 * lanes) {  // two sums hide the latency of an addition
    sum0 = M::add(sum0, v.load(d, i), hn::GatherIndex(d, query.table, indexes(d, c + i, query.limit)));
    sum1 = M::add(sum1, v.load(d, i + lanes), hn::GatherIndex(d, query.table, indexes(d, c + i + lanes, query.limit)));
  }
  if (i + lanes <= row.count) {
    sum0 = M::add(sum0, v.load(d, i), hn::GatherIndex(d, query.table, indexes(d, c + i, query.limit)));
    i += lanes;
  }
  const hn::CappedTag<float, 1> single;
  auto tail = hn::Zero(single);
  for (; i < row.count; ++i)
    tail = M::add(tail, v.load(single, i), hn::GatherIndex(single, query.table, indexes(single, c + i, query.limit)));
  return M::finish(hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1))) + hn::GetLane(tail));
}

/// Adds the entries of a row from `begin` on, up to kMost of them, that pass the filter.
template <class Values>
HWY_INLINE void choose(const SparseQuery& query, const SparseRow& row, std::size_t begin, Passed& passed) {
  const auto* c = static_cast<const std::uint16_t*>(row.components);
  const Values v(row);
  const hn::ScalableTag<std::uint32_t> du;
  const hn::Rebind<float, decltype(du)> d;
  const hn::Rebind<std::uint16_t, decltype(du)> dh;
  const hn::CappedTag<float, 1> single;
  const std::size_t lanes = hn::Lanes(du), end = std::min(row.count, begin + Passed::kMost);
  const auto filter = hn::LoadU(du, query.filter);
  std::size_t i = begin;
  for (; i + lanes <= end; i += lanes)
    add_passing(du, filter, hn::PromoteTo(du, load_unaligned(dh, c + i)), v.bits(d, i), passed);
  for (; i < end; ++i) {
    std::uint16_t component;
    std::memcpy(&component, c + i, sizeof component);
    passed.add(component, hn::GetLane(v.bits(single, i)));
  }
}

/// The dot product by the entries that pass the filter. `passed` has those among the row's first kMost.
template <class Values>
HWY_INLINE float few_of(const SparseQuery& query, const SparseRow& row, Passed& passed) {
  const Values v(row);
  const hn::ScalableTag<float> d;
  auto sum = drain(d, query.table, v, passed, hn::Zero(d));
  for (std::size_t begin = Passed::kMost; begin < row.count; begin += Passed::kMost) {
    choose<Values>(query, row, begin, passed);
    sum = drain(d, query.table, v, passed, sum);
  }
  return -hn::GetLane(hn::SumOfLanes(d, sum));
}

template <class Values>
float few_entries(const SparseQuery& query, const SparseRow& row) {
  Passed passed;
  choose<Values>(query, row, 0, passed);
  return few_of<Values>(query, row, passed);
}

/// Chooses entries of a row while those of the row before are looked up: what has just been stored piece by piece
/// cannot be loaded at once.
template <class Values>
void few_entries_each(const SparseQuery& query, const SparseRow* rows, std::size_t n, float* out) {
  Passed passed[2];
  if (n != 0) choose<Values>(query, rows[0], 0, passed[0]);
  for (std::size_t i = 0; i < n; ++i) {
    if (i + 1 < n) choose<Values>(query, rows[i + 1], 0, passed[(i + 1) % 2]);
    out[i] = few_of<Values>(query, rows[i], passed[i % 2]);
  }
}

template <class M, class Values>
Kernels<SparseRow> of_components(std::size_t bytes, bool filters) {
  if (bytes == 4) return {all_entries<M, std::uint32_t, Values>, nullptr, 0};
  if constexpr (kFilters && std::is_same_v<M, SparseDot>)
    if (filters)
      return {all_entries<M, std::uint16_t, Values>, few_entries<Values>, hn::Lanes(hn::ScalableTag<float>()),
              few_entries_each<Values>};
  return {all_entries<M, std::uint16_t, Values>, nullptr, 0};
}

template <class M>
Kernels<SparseRow> of_values(std::size_t component_bytes, SparseValues values) {
  switch (values) {
    case SparseValues::f16: return of_components<M, FloatValues<hwy::float16_t>>(component_bytes, true);
    case SparseValues::fixed8: return of_components<M, FixedValues<std::uint8_t>>(component_bytes, true);
    case SparseValues::fixed16: return of_components<M, FixedValues<std::uint16_t>>(component_bytes, true);
    case SparseValues::f32: break;
  }
  return of_components<M, FloatValues<float>>(component_bytes, false);
}

Kernels<SparseRow> pick_sparse(Metric metric, std::size_t component_bytes, SparseValues values) {
  return with_metric<SparseDot, SparseEuclidean>(metric,
                                                 [&]<class M>(M) { return of_values<M>(component_bytes, values); });
}

}  // namespace
}  // namespace cassata::kernels::sparse::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::sparse {

HWY_EXPORT(pick_sparse);

Kernels<SparseRow> dispatch(Metric metric, std::size_t component_bytes, SparseValues values) {
  return HWY_DYNAMIC_DISPATCH(pick_sparse)(metric, component_bytes, values);
}

}  // namespace cassata::kernels::sparse
#endif
