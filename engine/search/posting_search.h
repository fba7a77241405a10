// Search of inverted lists: bounds the scores of row blocks, sums the lists in the blocks with high bounds, and scores
// the rows with high sums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "cassata/bitmap.h"
#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/lists/posting_lists.h"
#include "engine/search/workspace.h"

namespace cassata {

struct PostingParams {
  std::size_t k = 0;
  bool exact = false;  ///< finds the exact k best; the fields below `farthest` are ignored
  /// With `exact`: only rows at most as far, which needs fewer sums if it is negative.
  float farthest = std::numeric_limits<float>::infinity();
  std::size_t candidates = 0;  ///< number of rows that are scored
  std::size_t query_cut = 0;   ///< number of lists that are summed, those with the largest contributions; 0: all
  float heap_factor = 1;       ///< a block is summed if its bound is at least this share of the k-th best sum
  /// Rows that results may be; null: all. Borrowed.
  const Bitmap* rows = nullptr;
};

/// The nearest neighbours of each row, `degree` a row, nearest first. Numbers not below the number of rows mark unused
/// places.
struct RowNeighbors {
  std::span<const Id> rows;
  std::size_t degree = 0;
};

/// Searches the posting lists of a file by dot product, one query after another. One thread.
///
/// Sums are quantized scores: integer sums of code times weight. A list's weight is the query's value, rounded up, so
/// that the sum of all lists, plus one for each list, is at least the row's score.
///
/// Lists without block maxima, which are short, are summed whole. Lists with block maxima are summed only in the blocks
/// whose bound is high enough: the largest sum in the block so far plus the block maxima of these lists. (Bounds of
/// blocks: Ding and Suel, SIGIR 2011. Blocks of similar documents: Bruch et al. and Mallia et al., both SIGIR 2024,
/// from which the parameters have their names.)
class PostingSearch {
 public:
  /// `ids` are the ids of rows, which order results of equal distance; empty: ids equal rows. Borrows its arguments.
  PostingSearch(const PostingLists& lists, std::span<const Id> ids, RowNeighbors neighbors);

  /// Puts the ids of the params.k best rows for `query` in `best`, best first. `scorer` must be bound to `query`.
  /// Returns false if the lists do not decide which rows these are, e.g. because products of both signs occur: the
  /// caller must then score every row.
  bool find(VectorView query, Scorer& scorer, const PostingParams& params, std::vector<Candidate>& best);

 private:
  struct Term {
    ListEntry list;
    double max;  ///< largest product that the list adds to a score
    std::uint16_t weight;
  };

  bool take_terms(VectorView query, std::size_t cut);
  /// Sets the sums of rows of `block` that do not pass to 0, as if no list had them.
  void mask(std::uint32_t block);
  void sum_short_lists();
  void bound_blocks();
  /// Sums the lists with block maxima in the blocks whose bounds are `min` to `max`.
  void visit(std::uint16_t min, std::uint16_t max);
  /// Visits at least k of the blocks with the largest bounds, if as many reach `least`. Returns the smallest bound of
  /// those visited.
  std::uint16_t visit_best(std::size_t k, std::uint16_t least);
  /// The k-th largest of the block maxima of sums, over the visited blocks; at least 1.
  std::uint16_t kth_block_maximum(std::size_t k);
  /// Scores the rows whose sums are `min` to `max` in visited_[first] to visited_[last - 1]; about `limit` at most,
  /// those with the largest sums.
  void score_rows(std::size_t first, std::size_t last, std::uint16_t min, std::uint16_t max, std::size_t limit,
                  Scorer& scorer);
  void score_unvisited(std::span<const Id> rows, Scorer& scorer);
  void score_neighbors(std::size_t k, Scorer& scorer);
  std::uint16_t min_sum(double score) const;
  void score_others(std::size_t k, Scorer& scorer);
  void find_exact(std::size_t k, float farthest, Scorer& scorer);
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
  bool opposed_ = false;                      // some row may have a product of the opposite sign
  const Bitmap* filter_ = nullptr;            // rows that pass; null: all
  double scale_ = 0;                          // quantized score of a score of 1
  double rounding_ = 0, small_rounding_ = 0;  // rounding errors of scores: relative and absolute
  std::vector<std::uint16_t> sums_, bounds_, block_maxima_;
  std::vector<std::uint8_t> touched_;   // by block: 1 if sums_ may differ from 0 in it
  std::vector<std::uint32_t> visited_;  // blocks in which all lists are summed
  std::vector<std::uint32_t> blocks_, rows_;
  std::vector<float> distances_;
  std::vector<Candidate> found_;  // candidates with rows, not ids
  Visited scored_;
};

}  // namespace cassata
