// The traversal of a graph: best-first search with a beam of candidates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/graph/adjacency.h"
#include "engine/graph/hierarchy.h"
#include "engine/search/filtered_walk.h"
#include "engine/search/row_filter.h"
#include "engine/search/subset.h"
#include "engine/search/workspace.h"

namespace cassata {

/// Traversal of one layer towards the scorer's query (Malkov and Yashunin, TPAMI 2020, algorithm 2), in steps. Each
/// step ends with the prefetch of the memory that the next one reads, so that interleaved traversals do not wait for
/// memory.
class BeamWalk {
 public:
  /// Starts at `entries`, with a beam of `width` candidates. `relax` (lambda, 0 or more): also keeps and expands
  /// candidates at distance d <= w + |w| * lambda, where w is the worst distance of the `width` best. If the scorer is
  /// cold now, the unvisited nodes of each list are read from disk at once. Borrows everything but the entries.
  void start(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width, float relax,
             Workspace& work);
  /// False once the traversal has ended; then the beam of the workspace holds the `width` best visited nodes, best
  /// first.
  bool step();
  /// True if vectors that the next step scores are being read from disk.
  bool pending() const noexcept { return pending_; }

 private:
  void visit(std::span<const Id> ids);
  void score_unvisited();

  const Adjacency* graph_ = nullptr;
  Scorer* scorer_ = nullptr;
  Workspace* work_ = nullptr;
  Id expanding_ = kNoId;             // node whose list the next step reads; kNoId: the next step scores unvisited_
  std::span<const std::byte> list_;  // bytes of that list
  std::span<const Id> unvisited_;    // nodes that the next step scores
  bool fetches_ = false, pending_ = false;
};

/// All steps of a BeamWalk over vectors in memory.
void beam_search(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width, float relax,
                 Workspace& work);

/// Number of entry points of the base layer for a beam of `width`: the closest nodes of level 1. With a single one, a
/// traversal that descends to the wrong one of several dense clusters never leaves it
/// (docs/decisions/many-entry-points.md).
inline std::size_t entry_count(std::size_t width) { return std::clamp<std::size_t>(width / 6, 1, 16); }

/// Traversal from the entry point through the upper layers to the base layer, in steps like those of BeamWalk.
class Descent {
 public:
  /// Borrows its arguments.
  Descent(const UpperLayers& levels, const Adjacency& base, Scorer& scorer, Workspace& work)
      : levels_(levels),
        base_(base),
        scorer_(scorer),
        of_positions_(scorer, levels.nodes(), base.size()),
        work_(work) {}

  /// Starts towards the query that the scorer is bound to. Arguments as of BeamWalk::start(). With a filter, which is
  /// ready(), only nodes of the base layer that pass are kept.
  void start(std::size_t width, float relax, const RowFilter* filter = nullptr);
  /// False once the traversal has ended; then the beam of the workspace holds the `width` best visited nodes, best
  /// first.
  bool step();
  /// True if vectors that the next step scores are being read from disk.
  bool pending() const noexcept { return walk_.pending() || filtered_.pending(); }
  /// See FilteredWalk; false without a filter.
  bool cut_short() const noexcept { return filter_ != nullptr && filtered_.cut_short(); }

 private:
  void start_level();

  const UpperLayers& levels_;
  const Adjacency& base_;
  Scorer& scorer_;
  SubsetScorer of_positions_;
  Workspace& work_;
  BeamWalk walk_;
  FilteredWalk filtered_;  // in the base layer under a filter
  const RowFilter* filter_ = nullptr;
  std::size_t level_ = 0;  // of the present traversal; 0: the base layer
  std::size_t width_ = 0;
  float relax_ = 0;
};

}  // namespace cassata
