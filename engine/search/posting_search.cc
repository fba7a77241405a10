#include "engine/search/posting_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace cassata {
namespace {

constexpr std::uint16_t kMaxSum = 65535;
/// Bounds on how far a stored value may exceed the value from which its list was made: relative and, below the normal
/// range of f16, absolute.
constexpr double kRounding = 0x1p-11, kSmallRounding = 0x1p-25;
/// Relative rounding error of a score for each of its products: one rounding in the product, one in the sum.
constexpr double kProductRounding = 0x1p-22;
/// Range of scores whose f32 rounding error is relative, also if their products are much smaller.
constexpr double kMinScore = 1e-30, kMaxScore = std::numeric_limits<float>::max();

/// The k-th largest of the values, rounded down to a multiple of 64; 0 if there are fewer than k. By counting, which
/// has no unpredictable branches.
std::uint16_t kth_largest(std::span<const std::uint16_t> values, std::size_t k) {
  if (values.size() < k || k == 0) return 0;
  std::array<std::uint32_t, 1024> counts = {};
  for (const std::uint16_t value : values) ++counts[value / 64];
  std::size_t bin = counts.size() - 1;
  for (; counts[bin] < k; --bin) k -= counts[bin];
  return static_cast<std::uint16_t>(bin * 64);
}

/// Rounds down, and clamps to 1 and kMaxSum.
std::uint16_t to_sum(double value) {
  return value >= kMaxSum ? kMaxSum : value > 1 ? static_cast<std::uint16_t>(value) : 1;
}

}  // namespace

PostingSearch::PostingSearch(const PostingLists& lists, std::span<const Id> ids, RowNeighbors neighbors)
    : lists_(lists),
      ids_(ids),
      neighbors_(neighbors),
      kernels_(kernels::posting_blocks::dispatch()),
      sums_(table_places(lists.blocks()) * kernels::posting_blocks::kBlockRows),
      bounds_(table_places(lists.blocks())),
      block_maxima_(table_places(lists.blocks())),
      touched_(table_places(lists.blocks())),
      blocks_(table_places(lists.blocks())) {}

bool PostingSearch::find(VectorView query, Scorer& scorer, const PostingParams& params, std::vector<Candidate>& best) {
  best.clear();
  found_.clear();
  if (params.k == 0) return true;
  filter_ = params.rows;
  if (!take_terms(query, params.exact ? 0 : params.query_cut)) return false;
  scored_.reset(lists_.rows());
  sum_short_lists();
  bound_blocks();
  params.exact ? find_exact(params.k, params.farthest, scorer) : find_best(params, scorer);
  const bool certain = !params.exact || params.farthest < 0 ||
                       ((found_.size() == params.k || !opposed_) && (found_.empty() || found_.back().distance < 0));
  if (params.exact && certain && params.farthest >= 0 && found_.size() < params.k) fill_with_zeros(params.k);
  clear();
  for (const Candidate& c : found_) best.push_back({c.distance, id(c.id)});
  return certain;
}

bool PostingSearch::take_terms(VectorView query, std::size_t cut) {
  terms_.clear();
  opposed_ = false;
  rounding_ = kRounding + kProductRounding * static_cast<double>(query.values.size());
  small_rounding_ = 0;
  for (std::size_t i = 0; i < query.values.size(); ++i) {
    const double value = query.values[i];
    if (value == 0) continue;
    small_rounding_ += std::abs(value) * kSmallRounding;
    const PostingLists::Found found = lists_.find(query.components[i]);
    opposed_ |= (value > 0 ? found.negative : found.positive).has_value();
    if (const auto& list = value > 0 ? found.positive : found.negative)
      terms_.push_back({*list, std::abs(value) * list->step * 255, 0});
  }
  const auto more = [](const Term& a, const Term& b) {
    return a.max != b.max ? a.max > b.max : a.list.component < b.list.component;
  };
  if (cut != 0 && terms_.size() > cut) {
    std::nth_element(terms_.begin(), terms_.begin() + static_cast<std::ptrdiff_t>(cut), terms_.end(), more);
    terms_.resize(cut);
  }
  double total = 0;
  for (const Term& term : terms_) total += term.max;
  // The largest code, 255, adds 255/256 of the weight. With this factor no weight exceeds u16, whatever the share of
  // its term in the total.
  const double room = kMaxSum - static_cast<double>(std::min<std::size_t>(terms_.size(), kMaxSum / 2));
  scale_ = terms_.empty() ? 1 : room * 255 / 256 / total;
  // At least 256, so that any code adds at least 1: a sum of 0 then means that no list has the row.
  for (Term& term : terms_)
    term.weight = static_cast<std::uint16_t>(std::clamp(std::ceil(term.max / 255 * scale_ * 256), 256.0, 65535.0));
  return std::isfinite(scale_) && scale_ > 0;
}

void PostingSearch::mask(std::uint32_t block) {
  static_assert(kernels::posting_blocks::kBlockRows == 32);
  const std::uint32_t passing = filter_->half_word(block);
  if (passing == ~std::uint32_t{0}) return;
  std::uint16_t* const sums = sums_.data() + std::size_t{block} * kernels::posting_blocks::kBlockRows;
  for (std::uint32_t i = 0; i < kernels::posting_blocks::kBlockRows; ++i)
    sums[i] = static_cast<std::uint16_t>(sums[i] * ((passing >> i) & 1));
}

void PostingSearch::sum_short_lists() {
  for (const Term& term : terms_) {
    if (term.list.flags & ListEntry::kHasBlockMaxima) continue;
    const auto runs = lists_.runs(term.list);
    kernels_.add_runs(runs.data(), runs.data() + runs.size(), lists_.blocks(), term.weight, sums_.data(),
                      touched_.data());
  }
}

void PostingSearch::bound_blocks() {
  std::fill(bounds_.begin(), bounds_.end(), 0);
  for (const Term& term : terms_)
    if (term.list.flags & ListEntry::kHasBlockMaxima)
      kernels_.add_maxima(lists_.table(term.list).maxima, bounds_.size(), term.weight, bounds_.data());
  std::size_t count = 0;
  for (std::uint32_t block = 0; block < lists_.blocks(); ++block) {
    blocks_[count] = block;
    count += touched_[block];
    if (filter_ == nullptr) continue;
    if (touched_[block] != 0) mask(block);
    if (filter_->half_word(block) == 0) bounds_[block] = 0;
  }
  kernels_.block_maxima(sums_.data(), std::span(blocks_).first(count), block_maxima_.data());
  for (std::size_t i = 0; i < count; ++i)
    bounds_[blocks_[i]] = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(bounds_[blocks_[i]] + std::uint32_t{block_maxima_[i]}, kMaxSum));
}

void PostingSearch::visit(std::uint16_t min, std::uint16_t max) {
  if (min > max) return;
  const std::size_t count = kernels_.within(bounds_.data(), bounds_.size(), min, max, blocks_.data());
  const std::span<const std::uint32_t> chosen = std::span(blocks_).first(count);
  for (const Term& term : terms_)
    if (term.list.flags & ListEntry::kHasBlockMaxima)
      kernels_.add_chosen(lists_.table(term.list), chosen, term.weight, sums_.data());
  for (const std::uint32_t block : chosen) {
    touched_[block] = 1;
    if (filter_ != nullptr) mask(block);
  }
  visited_.insert(visited_.end(), chosen.begin(), chosen.end());
}

std::uint16_t PostingSearch::visit_best(std::size_t k, std::uint16_t least) {
  const std::uint16_t min = std::max(kth_largest(bounds_, std::max<std::size_t>(k, 10)), least);
  visit(min, kMaxSum);
  return min;
}

std::uint16_t PostingSearch::kth_block_maximum(std::size_t k) {
  kernels_.block_maxima(sums_.data(), visited_, block_maxima_.data());
  return std::max<std::uint16_t>(kth_largest(std::span(block_maxima_).first(visited_.size()), k), 1);
}

/// A lower bound of the sums of rows whose scores are at least `score`.
std::uint16_t PostingSearch::min_sum(double score) const {
  if (!(score >= kMinScore && score <= kMaxScore)) return 1;
  return to_sum((score - small_rounding_) * (1 - rounding_) * scale_ - static_cast<double>(terms_.size()) - 1);
}

void PostingSearch::find_exact(std::size_t k, float farthest, Scorer& scorer) {
  const std::uint16_t least = farthest < 0 ? min_sum(-static_cast<double>(farthest)) : std::uint16_t{1};
  const std::uint16_t first = visit_best(k, least);
  const std::size_t early = visited_.size();
  const std::uint16_t kth = std::max(kth_block_maximum(k), least);
  score_rows(0, early, kth, kMaxSum, lists_.rows(), scorer);
  keep_best(k);
  std::uint16_t min = least;
  if (found_.size() == k) min = std::max(min, min_sum(-static_cast<double>(found_.back().distance)));
  visit(min, static_cast<std::uint16_t>(first - 1));
  score_rows(0, early, min, static_cast<std::uint16_t>(kth - 1), lists_.rows(), scorer);
  score_rows(early, visited_.size(), min, kMaxSum, lists_.rows(), scorer);
  keep_best(k);
  while (farthest < 0 && !found_.empty() && found_.back().distance > farthest) found_.pop_back();
}

void PostingSearch::find_best(const PostingParams& params, Scorer& scorer) {
  const std::uint16_t first = visit_best(params.k, 1);
  visit(to_sum(static_cast<double>(params.heap_factor) * kth_block_maximum(params.k)),
        static_cast<std::uint16_t>(first - 1));
  score_rows(0, visited_.size(), kth_block_maximum(params.candidates), kMaxSum, params.candidates, scorer);
  keep_best(params.k);
  if (neighbors_.degree != 0) score_neighbors(params.k, scorer);
  if (found_.size() < params.k) score_others(params.k, scorer);
}

void PostingSearch::score_rows(std::size_t first, std::size_t last, std::uint16_t min, std::uint16_t max,
                               std::size_t limit, Scorer& scorer) {
  if (min > max) return;
  const std::span<const std::uint32_t> chosen = std::span(visited_).subspan(first, last - first);
  if (rows_.size() < chosen.size() * kernels::posting_blocks::kBlockRows)
    rows_.resize(chosen.size() * kernels::posting_blocks::kBlockRows);
  std::size_t count = kernels_.rows_within(sums_.data(), chosen, min, max, rows_.data());
  if (count > limit) {
    block_maxima_.resize(std::max(block_maxima_.size(), count));
    for (std::size_t i = 0; i < count; ++i) block_maxima_[i] = sums_[rows_[i]];
    const std::uint16_t kth = kth_largest(std::span(block_maxima_).first(count), limit);
    count = static_cast<std::size_t>(std::remove_if(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(count),
                                                    [&](Id row) { return sums_[row] < kth; }) -
                                     rows_.begin());
  }
  score_unvisited(std::span(rows_).first(count), scorer);
}

void PostingSearch::score_unvisited(std::span<const Id> rows, Scorer& scorer) {
  const std::span<const Id> unvisited = scored_.filter_unvisited(rows);
  distances_.resize(std::max(distances_.size(), unvisited.size()));
  scorer.score(unvisited, distances_.data());
  for (std::size_t i = 0; i < unvisited.size(); ++i)
    found_.push_back(
        {distances_[i] == distances_[i] ? distances_[i] : std::numeric_limits<float>::infinity(), unvisited[i]});
}

void PostingSearch::score_neighbors(std::size_t k, Scorer& scorer) {
  rows_.clear();
  for (const Candidate& c : found_) {
    const auto near = neighbors_.rows.subspan(c.id * neighbors_.degree, neighbors_.degree);
    rows_.insert(rows_.end(), near.begin(), near.end());
  }
  if (filter_ != nullptr) std::erase_if(rows_, [&](Id row) { return row >= filter_->size() || !filter_->test(row); });
  score_unvisited(rows_, scorer);
  keep_best(k);
}

/// Fills up the results with any rows that are not scored yet: those rank below the rows of the query's lists. Among
/// the first k rows of the file that pass, enough are not scored.
void PostingSearch::score_others(std::size_t k, Scorer& scorer) {
  rows_.clear();
  for (Id row = 0; row < lists_.rows() && rows_.size() < k; ++row)
    if (filter_ == nullptr || filter_->test(row)) rows_.push_back(row);
  score_unvisited(rows_, scorer);
  keep_best(k);
}

void PostingSearch::keep_best(std::size_t k) {
  const auto better = [this](const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : id(a.id) < id(b.id);
  };
  const std::size_t count = std::min(k, found_.size());
  std::partial_sort(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(count), found_.end(), better);
  found_.resize(count);
}

/// Fills up the results with rows whose sum is 0, by ascending ids: their score is 0.
void PostingSearch::fill_with_zeros(std::size_t k) {
  rows_.clear();
  for (Id row = 0; row < lists_.rows(); ++row)
    if (sums_[row] == 0 && (filter_ == nullptr || filter_->test(row))) rows_.push_back(row);
  const std::size_t count = std::min(k - found_.size(), rows_.size());
  std::partial_sort(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(count), rows_.end(),
                    [this](Id a, Id b) { return id(a) < id(b); });
  for (std::size_t i = 0; i < count; ++i) found_.push_back({-0.0F, rows_[i]});
}

void PostingSearch::clear() {
  const auto touched = static_cast<std::size_t>(std::count(touched_.begin(), touched_.end(), 1));
  if (touched > touched_.size() / 8) {
    std::fill(sums_.begin(), sums_.end(), 0);
  } else {
    for (std::size_t block = 0; block < touched_.size(); ++block)
      if (touched_[block] != 0)
        std::fill_n(sums_.begin() + static_cast<std::ptrdiff_t>(block * kernels::posting_blocks::kBlockRows),
                    kernels::posting_blocks::kBlockRows, 0);
  }
  std::fill(touched_.begin(), touched_.end(), 0);
  visited_.clear();
}

}  // namespace cassata
