#include "engine/search/posting_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace cassata {
namespace {

constexpr std::uint16_t kMostUnits = 65535;
/// By how much a stored value may be over the value that its list was made from, as a share and, below the normal
/// numbers of f16, at all.
constexpr double kRounding = 0x1p-11, kSmallRounding = 0x1p-25;
/// Share by which a score may be over the sum of its products, a product: rounded when it is multiplied and when it is
/// added.
constexpr double kProductRounding = 0x1p-22;
/// Scores that f32 rounds by a share of theirs, sums of products that may be much smaller too.
constexpr double kLeastScore = 1e-30, kMostScore = std::numeric_limits<float>::max();

/// The k-th largest of the values or up to 63 less; 0 if there are fewer. By counting: without branches to be foretold.
std::uint16_t kth_largest(std::span<const std::uint16_t> values, std::size_t k) {
  if (values.size() < k || k == 0) return 0;
  std::array<std::uint32_t, 1024> counts = {};
  for (const std::uint16_t value : values) ++counts[value / 64];
  std::size_t bin = counts.size() - 1;
  for (; counts[bin] < k; --bin) k -= counts[bin];
  return static_cast<std::uint16_t>(bin * 64);
}

std::uint16_t to_units(double units) {
  return units >= kMostUnits ? kMostUnits : units > 1 ? static_cast<std::uint16_t>(units) : 1;
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
  if (!take_terms(query, params.exact ? 0 : params.query_cut)) return false;
  scored_.reset(lists_.rows());
  sum_short_lists();
  bound_blocks();
  params.exact ? find_exact(params.k, scorer) : find_best(params, scorer);
  const bool certain =
      !params.exact || ((found_.size() == params.k || !opposed_) && (found_.empty() || found_.back().distance < 0));
  if (params.exact && certain && found_.size() < params.k) fill_with_zeros(params.k);
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
    return a.most != b.most ? a.most > b.most : a.list.component < b.list.component;
  };
  if (cut != 0 && terms_.size() > cut) {
    std::nth_element(terms_.begin(), terms_.begin() + static_cast<std::ptrdiff_t>(cut), terms_.end(), more);
    terms_.resize(cut);
  }
  double total = 0;
  for (const Term& term : terms_) total += term.most;
  // The largest code, 255, makes 255/256 of its weight: no weight need be cut, whatever share of the total its term
  // has.
  const double room = kMostUnits - static_cast<double>(std::min<std::size_t>(terms_.size(), kMostUnits / 2));
  scale_ = terms_.empty() ? 1 : room * 255 / 256 / total;
  // 256 or more, so that any code is at least one unit: a sum of 0 says that nothing was added.
  for (Term& term : terms_)
    term.weight = static_cast<std::uint16_t>(std::clamp(std::ceil(term.most / 255 * scale_ * 256), 256.0, 65535.0));
  return std::isfinite(scale_) && scale_ > 0;
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
  }
  kernels_.block_maxima(sums_.data(), std::span(blocks_).first(count), block_maxima_.data());
  for (std::size_t i = 0; i < count; ++i)
    bounds_[blocks_[i]] = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(bounds_[blocks_[i]] + std::uint32_t{block_maxima_[i]}, kMostUnits));
}

void PostingSearch::visit(std::uint16_t least, std::uint16_t most) {
  if (least > most) return;
  const std::size_t count = kernels_.within(bounds_.data(), bounds_.size(), least, most, blocks_.data());
  const std::span<const std::uint32_t> chosen = std::span(blocks_).first(count);
  for (const Term& term : terms_)
    if (term.list.flags & ListEntry::kHasBlockMaxima)
      kernels_.add_chosen(lists_.table(term.list), chosen, term.weight, sums_.data());
  for (const std::uint32_t block : chosen) touched_[block] = 1;
  visited_.insert(visited_.end(), chosen.begin(), chosen.end());
}

std::uint16_t PostingSearch::visit_best(std::size_t k) {
  const std::uint16_t least = std::max<std::uint16_t>(kth_largest(bounds_, std::max<std::size_t>(k, 10)), 1);
  visit(least, kMostUnits);
  return least;
}

std::uint16_t PostingSearch::kth_block_maximum(std::size_t k) {
  kernels_.block_maxima(sums_.data(), visited_, block_maxima_.data());
  return std::max<std::uint16_t>(kth_largest(std::span(block_maxima_).first(visited_.size()), k), 1);
}

/// The least that a row's sum can be whose score is as much.
std::uint16_t PostingSearch::least_sum(double score) const {
  if (!(score >= kLeastScore && score <= kMostScore)) return 1;
  return to_units((score - small_rounding_) * (1 - rounding_) * scale_ - static_cast<double>(terms_.size()) - 1);
}

void PostingSearch::find_exact(std::size_t k, Scorer& scorer) {
  const std::uint16_t first = visit_best(k);
  const std::size_t early = visited_.size();
  const std::uint16_t kth = kth_block_maximum(k);
  score_rows(0, early, kth, kMostUnits, lists_.rows(), scorer);
  keep_best(k);
  std::uint16_t least = 1;
  if (found_.size() == k) least = least_sum(-static_cast<double>(found_.back().distance));
  visit(least, static_cast<std::uint16_t>(first - 1));
  score_rows(0, early, least, static_cast<std::uint16_t>(kth - 1), lists_.rows(), scorer);
  score_rows(early, visited_.size(), least, kMostUnits, lists_.rows(), scorer);
  keep_best(k);
}

void PostingSearch::find_best(const PostingParams& params, Scorer& scorer) {
  const std::uint16_t first = visit_best(params.k);
  visit(to_units(static_cast<double>(params.heap_factor) * kth_block_maximum(params.k)),
        static_cast<std::uint16_t>(first - 1));
  score_rows(0, visited_.size(), kth_block_maximum(params.candidates), kMostUnits, params.candidates, scorer);
  keep_best(params.k);
  if (neighbors_.degree != 0) score_neighbors(params.k, scorer);
  if (found_.size() < params.k) score_others(params.k, scorer);
}

void PostingSearch::score_rows(std::size_t first, std::size_t last, std::uint16_t least, std::uint16_t most,
                               std::size_t limit, Scorer& scorer) {
  if (least > most) return;
  const std::span<const std::uint32_t> chosen = std::span(visited_).subspan(first, last - first);
  if (rows_.size() < chosen.size() * kernels::posting_blocks::kBlockRows)
    rows_.resize(chosen.size() * kernels::posting_blocks::kBlockRows);
  std::size_t count = kernels_.rows_within(sums_.data(), chosen, least, most, rows_.data());
  if (count > limit) {
    block_maxima_.resize(std::max(block_maxima_.size(), count));
    for (std::size_t i = 0; i < count; ++i) block_maxima_[i] = sums_[rows_[i]];
    const std::uint16_t kth = kth_largest(std::span(block_maxima_).first(count), limit);
    count = static_cast<std::size_t>(std::remove_if(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(count),
                                                    [&](Id row) { return sums_[row] < kth; }) -
                                     rows_.begin());
  }
  score_new(std::span(rows_).first(count), scorer);
}

void PostingSearch::score_new(std::span<const Id> rows, Scorer& scorer) {
  const std::span<const Id> fresh = scored_.filter_unvisited(rows);
  distances_.resize(std::max(distances_.size(), fresh.size()));
  scorer.score(fresh, distances_.data());
  for (std::size_t i = 0; i < fresh.size(); ++i)
    found_.push_back(
        {distances_[i] == distances_[i] ? distances_[i] : std::numeric_limits<float>::infinity(), fresh[i]});
}

void PostingSearch::score_neighbors(std::size_t k, Scorer& scorer) {
  rows_.clear();
  for (const Candidate& c : found_) {
    const auto near = neighbors_.rows.subspan(c.id * neighbors_.degree, neighbors_.degree);
    rows_.insert(rows_.end(), near.begin(), near.end());
  }
  score_new(rows_, scorer);
  keep_best(k);
}

/// What shares nothing with the query's lists comes after what does: any rows will do. Of the first k, those are new
/// that were not found.
void PostingSearch::score_others(std::size_t k, Scorer& scorer) {
  rows_.resize(std::max(rows_.size(), std::min(k, lists_.rows())));
  const std::span<Id> first = std::span(rows_).first(std::min(k, lists_.rows()));
  std::iota(first.begin(), first.end(), Id{0});
  score_new(first, scorer);
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

/// Rows that nothing was added to score 0.
void PostingSearch::fill_with_zeros(std::size_t k) {
  rows_.clear();
  for (Id row = 0; row < lists_.rows(); ++row)
    if (sums_[row] == 0) rows_.push_back(row);
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
