// Search of inverted lists: bounds first, then sums where they matter, then scores of the rows that may be among the
// best.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/lists/posting_lists.h"
#include "engine/search/workspace.h"

namespace cassata {

struct PostingParams {
  std::size_t k = 0;
  /// No result is lost: bounds are held against scores, and the next three do not count.
  bool exact = false;
  std::size_t candidates = 0;  ///< rows that are scored
  std::size_t query_cut = 0;   ///< lists that are summed, those that can add most; 0: all
  float heap_factor = 1;       ///< a block is summed if its bound is at least this share of the k-th best sum
};

/// Nearest neighbours of each row, `degree` a row, nearest first; what is not below the number of rows is none.
struct RowNeighbors {
  std::span<const Id> rows;
  std::size_t degree = 0;
};

/// One thread's search of one file's lists by dot product, query after query. Sums are integers: a code times its
/// list's weight, which rounds the query's value up, so that with all lists summed a row's sum is never less than its
/// score, but for one unit a list.
///
/// Few lists are summed whole; those with summaries only in the blocks whose bound, their largest sum so far plus the
/// summaries, is high enough. (Upper bounds of blocks: Ding and Suel, SIGIR 2011; of blocks of similar documents: Bruch
/// et al., SIGIR 2024, and Mallia et al., SIGIR 2024, whose names the parameters have.)
class PostingSearch {
 public:
  /// `ids` are those of the rows, in whose order ties stand; empty: their numbers. Borrows all.
  PostingSearch(const PostingLists& lists, std::span<const Id> ids, RowNeighbors neighbors);

  /// Leaves in `best` the params.k best of the rows for `query`, which `scorer` is bound to, best first, ids instead of
  /// rows. Returns false if the lists cannot tell them all, as where values of both signs meet: then every row must be
  /// scored.
  bool find(VectorView query, Scorer& scorer, const PostingParams& params, std::vector<Candidate>& best);

 private:
  struct Term {
    ListEntry list;
    double most;  ///< that it adds to a score
    std::uint16_t weight;
  };

  bool take_terms(VectorView query, std::size_t cut);
  void sum_short_lists();
  void bound_blocks();
  /// Sums the blocks whose bound is least to most, too.
  void visit(std::uint16_t least, std::uint16_t most);
  /// Sums at least k of the blocks with the largest bounds, if there are as many, and returns the least of these.
  std::uint16_t visit_best(std::size_t k);
  std::uint16_t kth_block_maximum(std::size_t k);
  /// Scores the rows whose sums are least to most in the blocks visited from number `first` on, before `last`; no more
  /// than about `limit`.
  void score_rows(std::size_t first, std::size_t last, std::uint16_t least, std::uint16_t most, std::size_t limit,
                  Scorer& scorer);
  void score_new(std::span<const Id> rows, Scorer& scorer);
  void score_neighbors(std::size_t k, Scorer& scorer);
  std::uint16_t least_sum(double score) const;
  void score_others(std::size_t k, Scorer& scorer);
  void find_exact(std::size_t k, Scorer& scorer);
  void find_best(const PostingParams& params, Scorer& scorer);
  void keep_best(std::size_t k);
  void fill_with_zeros(std::size_t k);
  void clear();
  Id id(Id row) const noexcept { return ids_.empty() ? row : ids_[row]; }

  const PostingLists& lists_;
  std::span<const Id> ids_;
  RowNeighbors neighbors_;
  const kernels::posting_blocks::Kernels& kernels_;
  std::vector<Term> terms_;
  bool opposed_ = false;                      // some value of a row would take from a score
  double scale_ = 0;                          // units a score
  double rounding_ = 0, small_rounding_ = 0;  // of scores: as a share, and at all
  std::vector<std::uint16_t> sums_, bounds_, block_maxima_;
  std::vector<std::uint8_t> touched_;   // blocks that sums_ is not 0 in
  std::vector<std::uint32_t> visited_;  // blocks that all lists were summed in
  std::vector<std::uint32_t> blocks_, rows_;
  std::vector<float> distances_;
  std::vector<Candidate> found_;  // rows, not ids
  Visited scored_;
};

}  // namespace cassata
