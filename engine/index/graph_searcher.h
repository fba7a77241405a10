// The search over a graph, whatever its layout: queries in flight, the second stage, duplicates.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "cassata/manifest.h"
#include "engine/codec/codes.h"
#include "engine/index/searcher.h"
#include "engine/search/workspace.h"

namespace cassata {

/// A walk over a graph to one query after another, in steps. A step ends by starting to fetch what the next one reads.
/// One thread at a time.
class Walk {
 public:
  virtual ~Walk() = default;
  /// Starts a walk to `query` that keeps the `width` best rows. `relax` as of BeamWalk.
  virtual void start(const VectorView& query, std::size_t width, float relax) = 0;
  /// False once the walk has ended.
  virtual bool step() = 0;
  /// Whether the last step waits for the disk.
  virtual bool pending() const noexcept = 0;
  /// Once it has ended: the best rows, best first.
  virtual const std::vector<Candidate>& found() const noexcept = 0;
  /// Scores rows for the query as the walk did; null if it cannot, because codes lie in pages.
  virtual Scorer* scorer() noexcept = 0;
};

/// Where the nodes of a graph lie, with their neighbors and the codes that a walk reads. Immutable; any number of
/// threads.
class GraphLayout {
 public:
  /// Walks that a thread interleaves, and further ones that may wait for the disk meanwhile.
  struct Interleaving {
    std::size_t running, waiting;
  };

  virtual ~GraphLayout() = default;
  virtual Interleaving interleaving() const noexcept = 0;
  virtual std::unique_ptr<Walk> walk() const = 0;
  /// Checks every structural rule. Calls `reading` with each part before it is read. Throws Error(corrupt).
  virtual void verify(const Reading& reading) const = 0;
};

std::unique_ptr<Searcher> graph_searcher(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry,
                                         std::unique_ptr<GraphLayout> layout);

/// The layout of a graph in pages.
std::unique_ptr<GraphLayout> open_pages(const MappedFile& file, const GraphEntry& entry);

}  // namespace cassata
