// The walk over a graph: always expand the closest candidate, keep the best.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/graph/adjacency.h"
#include "engine/graph/hierarchy.h"
#include "engine/search/workspace.h"

namespace cassata {

/// A scorer of some of the vectors, by position in `ids`.
class SubsetScorer final : public Scorer {
 public:
  SubsetScorer(Scorer& scorer, std::span<const Id> ids, std::uint64_t size)
      : scorer_(scorer), ids_(ids), last_(static_cast<Id>(size - 1)) {}
  void bind(VectorView query) override { scorer_.bind(query); }
  void bind(Id position) override { scorer_.bind(id(position)); }
  void score(std::span<const Id> positions, float* out) noexcept override;
  void prefetch(std::span<const Id> positions) const noexcept override;
  bool fetch(std::span<const Id> positions) noexcept override;
  void score_range(Id first, std::size_t count, float* out) noexcept override;

 private:
  Id id(Id position) const noexcept {
    return std::min(read_once(ids_[position]), last_);
  }  // a damaged file may hold any

  static constexpr std::size_t kBatch = 64;
  Scorer& scorer_;
  std::span<const Id> ids_;
  Id last_;
};

/// A walk over one level to what the scorer's query is close to (Malkov and Yashunin, TPAMI 2020, algorithm 2), in
/// steps. Each ends by starting to fetch what the next one reads, so that several walks that take turns do not wait for
/// memory.
class BeamWalk {
 public:
  /// From `entries` on. `relax` (lambda, 0 or more) also admits, and goes on from, candidates within the worst kept one
  /// relaxed by it: d <= w + |w| * lambda. `cold`: vectors may have to be read from disk, and are, those of each list
  /// at once. Borrows all but the entries.
  void start(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width, float relax,
             Workspace& work, bool cold = false);
  /// False once the walk has ended; then the beam of its workspace holds the `width` best met, best first.
  bool step();
  /// Whether the last step had some read.
  bool pending() const noexcept { return pending_; }

 private:
  void visit(std::span<const Id> ids);
  void score_unvisited();

  const Adjacency* graph_ = nullptr;
  Scorer* scorer_ = nullptr;
  Workspace* work_ = nullptr;
  Id expanding_ = kNoId;             // whose neighbours come next, if none are to be scored
  std::span<const std::byte> list_;  // where they lie
  std::span<const Id> unvisited_;    // met, not yet scored
  bool cold_ = false, pending_ = false;
};

/// The whole of a walk, in memory.
void beam_search(const Adjacency& graph, Scorer& scorer, std::span<const Id> entries, std::size_t width, float relax,
                 Workspace& work);

/// How many of the closest nodes of level 1 a walk of `width` starts from on the base layer. With one alone, a walk
/// that came down beside the wrong one of several dense clusters never leaves it: recall@10 on 62,956 text embeddings
/// stopped at 0.98 instead of 0.997.
inline std::size_t entry_count(std::size_t width) { return std::clamp<std::size_t>(width / 6, 1, 16); }

/// A walk from the entry point down the upper layers and over the base layer, in steps as those of BeamWalk.
class Descent {
 public:
  /// Borrows all.
  Descent(const UpperLayers& levels, const Adjacency& base, Scorer& scorer, Workspace& work)
      : levels_(levels),
        base_(base),
        scorer_(scorer),
        of_positions_(scorer, levels.nodes(), base.size()),
        work_(work) {}

  /// To what the scorer is bound to.
  void start(std::size_t width, float relax, bool cold = false);
  /// False once the walk has ended; then the workspace's beam holds the `width` best met, best first.
  bool step();
  bool pending() const noexcept { return walk_.pending(); }

 private:
  void start_level();

  const UpperLayers& levels_;
  const Adjacency& base_;
  Scorer& scorer_;
  SubsetScorer of_positions_;
  Workspace& work_;
  BeamWalk walk_;
  std::size_t level_ = 0;  // that is walked; 0 is the base layer
  std::size_t width_ = 0;
  float relax_ = 0;
  bool cold_ = false;
};

}  // namespace cassata
