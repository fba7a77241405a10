#include "engine/index/range.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

namespace cassata {
namespace {

/// Copies of some queries of a batch, with their filters.
class SomeQueries {
 public:
  SomeQueries(const Batch& all, std::span<const Bitmap* const> filters, std::span<const std::size_t> chosen)
      : batch_(all), filters_(filters) {
    if (chosen.size() == all.rows) return;
    for (const std::size_t i : chosen) {
      const VectorView query = all.row(i);
      values_.insert(values_.end(), query.values.begin(), query.values.end());
      components_.insert(components_.end(), query.components.begin(), query.components.end());
      offsets_.push_back(values_.size());
      tokens_.insert(tokens_.end(), query.tokens.begin(), query.tokens.end());
      token_offsets_.push_back(all.tokens.dim == 0 ? 0 : tokens_.size() / all.tokens.dim);
      if (filters.size() > 1) own_filters_.push_back(filters[i]);
    }
    batch_.rows = chosen.size();
    batch_.data = values_.data();
    if (all.sparse()) batch_.components = components_.data(), batch_.offsets = offsets_.data();
    if (all.tokens.offsets != nullptr)
      batch_.tokens.data = tokens_.data(), batch_.tokens.offsets = token_offsets_.data();
    if (filters.size() > 1) filters_ = own_filters_;
  }
  SomeQueries(const SomeQueries&) = delete;
  SomeQueries& operator=(const SomeQueries&) = delete;

  const Batch& batch() const noexcept { return batch_; }
  std::span<const Bitmap* const> filters() const noexcept { return filters_; }

 private:
  Batch batch_;
  std::span<const Bitmap* const> filters_;
  std::vector<float> values_, tokens_;
  std::vector<std::uint32_t> components_;
  std::vector<std::uint64_t> offsets_ = {0}, token_offsets_ = {0};
  std::vector<const Bitmap*> own_filters_;
};

std::size_t widened(std::size_t width) {
  constexpr std::size_t kFactor = 4, kMost = std::numeric_limits<std::size_t>::max() / kFactor;
  return kFactor * std::clamp<std::size_t>(width, 1, kMost);
}

}  // namespace

void search_range(const Searcher& searcher, const Batch& queries, const SearchParams& params, float farthest,
                  std::span<std::vector<Candidate>> best) {
  std::vector<std::size_t> open(queries.rows), still_open;
  std::iota(open.begin(), open.end(), std::size_t{0});
  SearchParams wide = params;
  std::vector<std::vector<Candidate>> found;
  while (!open.empty()) {
    const std::size_t sure = searcher.sure_results(wide);
    wide.k = sure == 0 ? params.k : std::min(params.k, sure);
    // Where nothing is too far, only a search for all of the results ends.
    if (farthest != kAnyDistance || wide.k == params.k) {
      const SomeQueries asked(queries, params.filters, open);
      wide.filters = asked.filters();
      found.assign(open.size(), {});
      if (sure == 0)
        searcher.search_exact(asked.batch(), wide, farthest, found);
      else
        searcher.search(asked.batch(), wide, found);
      still_open.clear();
      for (std::size_t i = 0; i < open.size(); ++i) {
        std::vector<Candidate>& all = found[i];
        if (wide.k < params.k && all.size() >= wide.k && all.back().distance <= farthest) {
          still_open.push_back(open[i]);
          continue;
        }
        all.erase(std::ranges::find_if(all, [&](const Candidate& c) { return c.distance > farthest; }), all.end());
        best[open[i]] = std::move(all);
      }
      open.swap(still_open);
    }
    wide.ef_search = widened(wide.ef_search);
    wide.k_candidates = widened(wide.k_candidates);
  }
}

}  // namespace cassata
