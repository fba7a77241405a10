#include "engine/index/self_check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/sampling.h"
#include "engine/index/searcher.h"

namespace cassata {
namespace {

constexpr std::uint64_t kMostSampled = 512;           // of a sample
constexpr std::size_t kMostSampledValues = 1U << 21;  // of dense rows
constexpr std::size_t kSelfQueries = 16;              // of each kind

std::uint64_t sample_size(const VectorStream& vectors) {
  const std::uint64_t most = vectors.vector_kind() == VectorKind::dense
                                 ? std::clamp<std::uint64_t>(kMostSampledValues / vectors.dim(), 4, kMostSampled)
                                 : kMostSampled;
  return std::min(most, vectors.size());
}

/// Calls visit(component, value of a, value of b) for every component that either has.
template <class Visit>
void merge(VectorView a, VectorView b, Visit visit) {
  if (a.components.empty() && b.components.empty()) {
    for (std::size_t i = 0; i < std::min(a.values.size(), b.values.size()); ++i)
      visit(static_cast<std::uint32_t>(i), a.values[i], b.values[i]);
    return;
  }
  for (std::size_t i = 0, j = 0; i < a.values.size() || j < b.values.size();) {
    const std::uint32_t next = std::min(i < a.values.size() ? a.components[i] : UINT32_MAX,
                                        j < b.values.size() ? b.components[j] : UINT32_MAX);
    const bool in_a = i < a.values.size() && a.components[i] == next,
               in_b = j < b.values.size() && b.components[j] == next;
    visit(next, in_a ? a.values[i] : 0.0F, in_b ? b.values[j] : 0.0F);
    i += in_a;
    j += in_b;
  }
}

double squared_distance(VectorView a, VectorView b) {
  double sum = 0;
  merge(a, b, [&](std::uint32_t, float x, float y) { sum += (double{x} - double{y}) * (double{x} - double{y}); });
  return sum;
}

/// Appends the point halfway between row `number` of the sample and the closest other one, if there is another.
void append_fresh(const Batch& sample, std::size_t number, Rows& out) {
  const VectorView row = sample.row(number);
  std::optional<std::size_t> closest;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < sample.rows; ++i) {
    const double distance = squared_distance(row, sample.row(i));
    if (distance == 0 || distance >= least) continue;
    closest = i;
    least = distance;
  }
  if (!closest) return;
  std::vector<float> values;
  std::vector<std::uint32_t> components;
  merge(row, sample.row(*closest), [&](std::uint32_t component, float a, float b) {
    values.push_back(0.5F * a + 0.5F * b);
    components.push_back(component);
  });
  const std::uint64_t offsets[] = {0, values.size()};
  if (sample.sparse())
    out.append(
        {.data = values.data(), .rows = 1, .dim = sample.dim, .components = components.data(), .offsets = offsets});
  else
    out.append({.data = values.data(), .rows = 1, .dim = sample.dim});
}

double recall_by_score(std::span<const std::vector<Candidate>> found, std::span<const std::vector<Candidate>> exact) {
  std::size_t right = 0, wanted = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    if (exact[i].empty()) continue;
    const float worst = exact[i].back().distance;
    right += static_cast<std::size_t>(
        std::ranges::count_if(found[i], [&](const Candidate& c) { return c.distance <= worst; }));
    wanted += exact[i].size();
  }
  return wanted == 0 ? 1 : static_cast<double>(right) / static_cast<double>(wanted);
}

}  // namespace

SampledStream::SampledStream(VectorStream& inner)
    : VectorStream(inner.name(), inner.vector_kind(), inner.size(), inner.dim(), inner.is_file()),
      inner_(inner),
      sample_(inner.vector_kind(), inner.dim()),
      wanted_(sample_size(inner)) {}

Batch SampledStream::next_batch() {
  const Batch batch = inner_.next_batch();
  for (std::size_t i = 0; i < batch.rows; ++i, ++seen_)
    if (sample_.size() < wanted_ && seen_ == sampled(sample_.size(), wanted_, size())) sample_.append(batch.part(i, 1));
  return batch;
}

SelfCheck self_check(const Searcher& searcher, const Manifest& manifest, const Rows& sample, unsigned num_threads) {
  const Batch rows = sample.batch();
  const std::size_t count = std::min(kSelfQueries, rows.rows);
  SearchParams params{.num_threads = num_threads};
  if (manifest.ef_search != 0) params.ef_search = manifest.ef_search;
  params.k = std::min<std::uint64_t>(params.k, manifest.size);
  SelfCheck check{.k = static_cast<std::uint32_t>(params.k), .ef_search = static_cast<std::uint32_t>(params.ef_search)};
  const auto recall_of = [&](const Batch& queries) {
    std::vector<std::vector<Candidate>> found(queries.rows), exact(queries.rows);
    searcher.search(queries, params, found);
    searcher.search_exact(queries, params, kAnyDistance, exact);
    return recall_by_score(found, exact);
  };
  Rows own(manifest.schema.vector_kind, rows.dim), fresh(manifest.schema.vector_kind, rows.dim);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = i * rows.rows / count;
    own.append(rows.part(number, 1));
    append_fresh(rows, number, fresh);
  }
  check.rows = static_cast<std::uint32_t>(own.size());
  check.fresh = static_cast<std::uint32_t>(fresh.size());
  check.recall_rows = recall_of(own.batch());
  check.recall_fresh = fresh.size() == 0 ? 1 : recall_of(fresh.batch());
  return check;
}

}  // namespace cassata
