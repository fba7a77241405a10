#include "engine/kernels/table_lookup.h"

// Compiles this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/table_lookup.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <limits>

#include "engine/kernels/gather-inl.h"
#include "engine/kernels/metric-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cassata::kernels::table_lookup::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace kernels::HWY_NAMESPACE;
namespace {

template <class M>
void fill(const float* query, std::size_t dims, const float* codebook, float* table) {
  const hn::CappedTag<float, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t c = 0; c < kCentroids; c += 4 * lanes) {
    auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (std::size_t j = 0; j < dims; ++j) {
      const float* at = codebook + j * kCentroids + c;
      const auto value = hn::Set(d, M::finish(query[j]));  // its sign makes a dot product a distance
      sum0 = M::add(sum0, value, hn::LoadU(d, at));
      sum1 = M::add(sum1, value, hn::LoadU(d, at + lanes));
      sum2 = M::add(sum2, value, hn::LoadU(d, at + 2 * lanes));
      sum3 = M::add(sum3, value, hn::LoadU(d, at + 3 * lanes));
    }
    hn::StoreU(sum0, d, table + c);
    hn::StoreU(sum1, d, table + c + lanes);
    hn::StoreU(sum2, d, table + c + 2 * lanes);
    hn::StoreU(sum3, d, table + c + 3 * lanes);
  }
}

/// The only place that sums entries. Loads one by one: gathers are no faster (docs/performance.md).
HWY_INLINE float sum_of(const float* table, const std::uint8_t* row, std::size_t subspaces) {
  float sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  std::size_t i = 0;
  for (; i + 4 <= subspaces; i += 4, table += 4 * kCentroids) {
    sum0 += table[row[i]];
    sum1 += table[kCentroids + row[i + 1]];
    sum2 += table[2 * kCentroids + row[i + 2]];
    sum3 += table[3 * kCentroids + row[i + 3]];
  }
  for (; i < subspaces; ++i, table += kCentroids) sum0 += table[row[i]];
  return (sum0 + sum1) + (sum2 + sum3);
}

void gather(const float* tables, std::size_t subspaces, const std::uint8_t* rows, const Id* ids, std::size_t n,
            float* out) {
  gather_rows(rows, subspaces, ids, n, out,
              [=](const char* row) { return sum_of(tables, reinterpret_cast<const std::uint8_t*>(row), subspaces); });
}

void range(const float* tables, std::size_t subspaces, const std::uint8_t* rows, std::size_t first, std::size_t n,
           float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = sum_of(tables, rows + (first + i) * subspaces, subspaces);
}

/// Vectors of `kParts` registers at a time: as many as hide the latency of a sum.
template <std::size_t kParts, class D>
HWY_INLINE void nearest_of(D d, const float* vectors, std::size_t stride, std::size_t dims, const float* codebook,
                           std::uint8_t* codes) {
  const hn::RebindToUnsigned<D> du;
  const std::size_t lanes = hn::Lanes(d);
  static_assert(kParts == 1 || kParts == 4);
  constexpr std::size_t kSecond =
      kParts == 4 ? 1 : 0;  // with one part, the other three repeat it and the compiler drops them
  const auto far = hn::Set(d, std::numeric_limits<float>::infinity());
  auto best0 = far, best1 = far, best2 = far, best3 = far;
  auto code0 = hn::Zero(du), code1 = code0, code2 = code0, code3 = code0;
  for (std::size_t c = 0; c < kCentroids; ++c) {
    auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (std::size_t j = 0; j < dims; ++j) {
      const float* at = vectors + j * stride;
      const auto value = hn::Set(d, codebook[j * kCentroids + c]);
      sum0 = Euclidean::add(sum0, hn::LoadU(d, at), value);
      sum1 = Euclidean::add(sum1, hn::LoadU(d, at + kSecond * lanes), value);
      sum2 = Euclidean::add(sum2, hn::LoadU(d, at + 2 * kSecond * lanes), value);
      sum3 = Euclidean::add(sum3, hn::LoadU(d, at + 3 * kSecond * lanes), value);
    }
    const auto code = hn::Set(du, static_cast<std::uint32_t>(c));
    const auto take = [&](auto sum, auto& best, auto& kept) {
      const auto closer = hn::Lt(sum, best);
      best = hn::IfThenElse(closer, sum, best);
      kept = hn::IfThenElse(hn::RebindMask(du, closer), code, kept);
    };
    take(sum0, best0, code0);
    if (kParts == 1) continue;
    take(sum1, best1, code1);
    take(sum2, best2, code2);
    take(sum3, best3, code3);
  }
  const auto store = [&](auto kept, std::size_t part) {
    std::uint32_t wide[hn::MaxLanes(du)];
    hn::StoreU(kept, du, wide);
    for (std::size_t i = 0; i < lanes; ++i) codes[part * lanes + i] = static_cast<std::uint8_t>(wide[i]);
  };
  store(code0, 0);
  if (kParts == 1) return;
  store(code1, 1);
  store(code2, 2);
  store(code3, 3);
}

void nearest(const float* vectors, std::size_t stride, std::size_t n, std::size_t dims, const float* codebook,
             std::uint8_t* codes) {
  const hn::CappedTag<float, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) nearest_of<4>(d, vectors + i, stride, dims, codebook, codes + i);
  for (; i + lanes <= n; i += lanes) nearest_of<1>(d, vectors + i, stride, dims, codebook, codes + i);
  for (; i < n; ++i) nearest_of<1>(hn::CappedTag<float, 1>(), vectors + i, stride, dims, codebook, codes + i);
}

Kernels pick(Metric metric) {
  return with_metric<DotProduct, Euclidean>(metric, []<class M>(M) { return Kernels{fill<M>, gather, range}; });
}

}  // namespace
}  // namespace cassata::kernels::table_lookup::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cassata::kernels::table_lookup {

HWY_EXPORT(pick);
HWY_EXPORT(nearest);

Kernels dispatch(Metric metric) { return HWY_DYNAMIC_DISPATCH(pick)(metric); }

void nearest_centroids(const float* vectors, std::size_t stride, std::size_t n, std::size_t dims, const float* codebook,
                       std::uint8_t* codes) {
  HWY_DYNAMIC_DISPATCH(nearest)(vectors, stride, n, dims, codebook, codes);
}

}  // namespace cassata::kernels::table_lookup
#endif
