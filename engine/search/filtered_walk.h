// The traversal of a graph under a filter: only nodes that pass are scored and kept.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/graph/adjacency.h"
#include "engine/search/row_filter.h"
#include "engine/search/workspace.h"

namespace cassata {

/// As BeamWalk, over the base layer of a graph, but the beam keeps only nodes that pass a filter. How a node is
/// expanded depends on the share of its neighbours that pass (NaviX, Sehgal and Salihoglu, VLDB 2025):
///
/// - Many: all are scored. Those that do not pass wait outside the beam, and are expanded while they are closer than
///   its worst node.
/// - Few: only those that pass are scored. The others serve as bridges, unscored: their neighbours that pass are scored
///   as well (two hops: ACORN, Patel et al., SIGMOD 2024).
///
/// A sample of the nodes that pass are entry points, so that a traversal also starts where the filter is, if that is
/// far from the query.
class FilteredWalk {
 public:
  /// Starts at `entries`, which need not pass, and at filter.sample(), with a beam of `width` nodes that pass. Borrows
  /// everything but the entries.
  void start(const Adjacency& graph, const RowFilter& filter, Scorer& scorer, std::span<const Id> entries,
             std::size_t width, float relax, Workspace& work);
  /// False once the traversal has ended; then the beam of the workspace holds the `width` best nodes found, best first.
  bool step();
  /// True if vectors that the next step scores are being read from disk.
  bool pending() const noexcept { return pending_; }
  /// After the last step: whether a node outside of the beam that was not expanded, because many were, is closer than
  /// all in the beam. What passes is then far from the query, and the beam may have missed some of the best.
  bool cut_short() const noexcept { return cut_short_; }

 private:
  enum class Next { read_list, read_bridges, score };

  bool take_neighbors(std::span<const Id> ids);
  void take_bridge(std::span<const Id> ids);
  std::span<const Id> admitted(std::span<const Id> ids);
  void fetch_found();
  void score_found();
  Id expand_next();

  const Adjacency* graph_ = nullptr;
  const RowFilter* filter_ = nullptr;
  Scorer* scorer_ = nullptr;
  Workspace* work_ = nullptr;
  Next next_ = Next::score;
  Id expanding_ = kNoId;
  std::span<const std::byte> list_;  // of expanding_
  std::vector<Id> found_;            // nodes that the next step scores
  std::vector<Candidate> outside_;   // scored nodes that do not pass: a heap, the closest on top
  std::vector<Id> admitted_;
  std::vector<Id> bridges_;                        // nodes that do not pass, nearest first
  std::vector<std::span<const std::byte>> lists_;  // of the bridges
  std::size_t most_ = 0;                           // found nodes from which on no further bridge is read
  std::size_t expanded_ = 0, expanded_outside_ = 0;
  bool fetches_ = false, pending_ = false, cut_short_ = false;
};

}  // namespace cassata
