#include "engine/search/scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>

namespace cassata {
namespace {

constexpr std::size_t kRows = 256;  // stay in the caches while they are scored for all queries

/// The k smallest of the offered candidates within a distance. Collects up to 2k and then drops the worse half, in
/// linear time in all.
class Smallest {
 public:
  Smallest(std::size_t k, float farthest, std::vector<Candidate>& kept) : k_(k), kept_(kept), bound_(farthest) {
    kept_.clear();
  }

  void offer(float distance, Id id) {
    // A NaN, from infinity minus infinity, would break the order.
    if (distance != distance) distance = std::numeric_limits<float>::infinity();
    if (distance > bound_) return;  // at the bound, a lower id may win
    kept_.push_back({distance, id});
    if (kept_.size() >= 2 * k_) drop();
  }
  void finish() {
    drop();
    std::sort(kept_.begin(), kept_.end());
  }

 private:
  void drop() {
    if (kept_.size() <= k_) return;
    std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1), kept_.end());
    kept_.resize(k_);
    bound_ = kept_.back().distance;
  }

  std::size_t k_;
  std::vector<Candidate>& kept_;
  float bound_;
};

/// A query of a scan, with the rows of its filter that are not scored yet: rows far apart are scored together, so that
/// their memory is fetched ahead.
class FilteredScan {
 public:
  FilteredScan(Scorer& scorer, const Bitmap* filter, std::span<const Id> ids, Smallest& smallest)
      : scorer_(scorer), filter_(filter), ids_(ids), smallest_(smallest) {}

  /// Scores those of the rows `first` to `first + count - 1` that pass. `first` is a multiple of kRows.
  void add(std::size_t first, std::size_t count) {
    if (filter_ == nullptr) {
      scorer_.score_range(static_cast<Id>(first), count, distances_.data());
      for (std::size_t i = 0; i < count; ++i) offer(static_cast<Id>(first + i), distances_[i]);
      return;
    }
    const auto words = filter_->words().subspan(first / Bitmap::kBits, Bitmap::words_for(count));
    std::size_t passing = 0;
    for (const Bitmap::Word word : words) passing += static_cast<std::size_t>(std::popcount(word));
    if (passing == 0) return;
    if (2 * passing > count) {  // reading in order costs less than skipping
      scorer_.score_range(static_cast<Id>(first), count, distances_.data());
      Bitmap::for_each(words, [&](std::size_t i) { offer(static_cast<Id>(first + i), distances_[i]); });
      return;
    }
    if (waiting_ + passing > kRows) finish();
    Bitmap::for_each(words, [&](std::size_t i) { rows_[waiting_++] = static_cast<Id>(first + i); });
  }

  /// Scores the rows that still wait.
  void finish() {
    const std::span<const Id> rows = std::span(rows_).first(waiting_);
    scorer_.fetch(rows);
    scorer_.prefetch(rows);
    scorer_.score(rows, distances_.data());
    for (std::size_t i = 0; i < waiting_; ++i) offer(rows_[i], distances_[i]);
    waiting_ = 0;
  }

 private:
  void offer(Id row, float distance) { smallest_.offer(distance, ids_.empty() ? row : ids_[row]); }

  Scorer& scorer_;
  const Bitmap* filter_;
  std::span<const Id> ids_;
  Smallest& smallest_;
  std::array<Id, kRows> rows_;
  std::size_t waiting_ = 0;
  std::array<float, kRows> distances_;
};

void scan_filtered(std::span<const std::unique_ptr<Scorer>> scorers, std::uint64_t size, std::span<const Id> ids,
                   std::span<Smallest> smallest, std::span<const Bitmap* const> filters) {
  std::vector<FilteredScan> scans;
  scans.reserve(scorers.size());
  for (std::size_t q = 0; q < scorers.size(); ++q) scans.emplace_back(*scorers[q], filters[q], ids, smallest[q]);
  for (std::uint64_t first = 0; first < size; first += kRows)
    for (FilteredScan& scan : scans) scan.add(first, std::min<std::uint64_t>(kRows, size - first));
  for (FilteredScan& scan : scans) scan.finish();
}

void scan_all(std::span<const std::unique_ptr<Scorer>> scorers, std::uint64_t size, std::span<const Id> ids,
              std::span<Smallest> smallest) {
  std::array<float, kRows> distances;
  std::array<Id, kRows> next;  // rows of the next block, fetched while this one is scored
  for (std::uint64_t first = 0; first < size; first += kRows) {
    const std::size_t count = std::min<std::uint64_t>(kRows, size - first);
    std::iota(next.begin(), next.end(), static_cast<Id>(first + kRows));
    if (first + kRows < size)
      scorers.front()->fetch(std::span(next).first(std::min<std::uint64_t>(kRows, size - first - kRows)));
    for (std::size_t q = 0; q < scorers.size(); ++q) {
      scorers[q]->score_range(static_cast<Id>(first), count, distances.data());
      for (std::size_t i = 0; i < count; ++i)
        smallest[q].offer(distances[i], ids.empty() ? static_cast<Id>(first + i) : ids[first + i]);
    }
  }
}

}  // namespace

void scan(std::span<const std::unique_ptr<Scorer>> scorers, std::uint64_t size, std::span<const Id> ids, std::size_t k,
          std::span<std::vector<Candidate>> best, std::span<const Bitmap* const> filters, float farthest) {
  std::vector<Smallest> smallest;
  for (std::size_t q = 0; q < scorers.size(); ++q) smallest.emplace_back(k, farthest, best[q]);
  if (k == 0) return;
  if (std::ranges::all_of(filters, [](const Bitmap* filter) { return filter == nullptr; }))
    scan_all(scorers, size, ids, smallest);
  else
    scan_filtered(scorers, size, ids, smallest, filters);
  for (Smallest& s : smallest) s.finish();
}

}  // namespace cassata
