#include "engine/search/scan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace cassata {
namespace {

/// The k smallest of the candidates offered, by letting up to 2k gather and then dropping the worse half: linear in
/// all.
class Smallest {
 public:
  Smallest(std::size_t k, std::vector<Candidate>& kept) : k_(k), kept_(kept) { kept_.clear(); }

  void offer(float distance, Id id) {
    if (distance != distance)
      distance =
          std::numeric_limits<float>::infinity();  // infinity less infinity: a NaN would have no place in any order
    if (distance > bound_) return;                 // ties with the bound may have the lower id
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
  float bound_ = std::numeric_limits<float>::infinity();
};

}  // namespace

void scan(std::span<const std::unique_ptr<Scorer>> scorers, std::uint64_t size, std::span<const Id> ids, std::size_t k,
          std::span<std::vector<Candidate>> best) {
  constexpr std::size_t kRows = 256;  // stay in the caches while all queries see them
  std::array<float, kRows> distances;
  std::array<Id, kRows> next;  // rows to be scored, that may have to be read from disk first
  std::vector<Smallest> smallest;
  for (std::size_t q = 0; q < scorers.size(); ++q) smallest.emplace_back(k, best[q]);
  if (k == 0) return;
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
  for (Smallest& s : smallest) s.finish();
}

}  // namespace cassata
