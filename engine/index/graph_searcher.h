// The search over a graph of any layout: in-flight queries, the second stage, duplicates.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "cassata/manifest.h"
#include "engine/codec/codes.h"
#include "engine/index/searcher.h"
#include "engine/search/row_filter.h"
#include "engine/search/workspace.h"

namespace cassata {

/// A traversal of a graph in steps, for one query after another. A step ends by starting to fetch the memory that the
/// next step reads. One thread at a time.
class Walk {
 public:
  virtual ~Walk() = default;
  /// Starts a traversal for `query` that keeps the `width` best rows, with a filter those that pass. `relax` as in
  /// BeamWalk.
  virtual void start(const VectorView& query, std::size_t width, float relax, const RowFilter* filter) = 0;
  /// False once the traversal has ended.
  virtual bool step() = 0;
  /// Whether the last step waits for the disk.
  virtual bool pending() const noexcept = 0;
  /// The best rows, best first, once the traversal has ended.
  virtual const std::vector<Candidate>& found() const noexcept = 0;
  /// Once a traversal under a filter has ended: whether what passes is far from the query (FilteredWalk).
  virtual bool cut_short() const noexcept { return false; }
  /// The scorer of the traversal; null if codes lie in pages.
  virtual Scorer* scorer() noexcept = 0;
};

/// A scan of this many rows takes as long as a traversal needs for a place of its beam, under a filter too
/// (docs/decisions/filters-choose-scan-or-two-hops.md, range-searches-widen.md).
inline constexpr std::size_t kScannedPerBeamPlace = 60;

/// The nodes of a graph, with their neighbours and the codes that a traversal reads. Immutable; any number of threads.
class GraphLayout {
 public:
  /// Number of traversals that a thread interleaves, and of further ones that may wait for the disk.
  struct Interleaving {
    std::size_t running, waiting;
  };

  virtual ~GraphLayout() = default;
  virtual Interleaving interleaving() const noexcept = 0;
  virtual std::unique_ptr<Walk> walk() const = 0;
  /// Number of nodes: the rows below it.
  virtual std::size_t nodes() const noexcept = 0;
  /// Under a filter: scan rather than traverse if at most this many rows pass, of `nodes()`, for a beam of `width`.
  virtual std::size_t scanned_rows(std::size_t width) const noexcept = 0;
  /// Checks every structural rule. Calls `reading` with each part before it is read. Throws Error(corrupt).
  virtual void verify(const Reading& reading) const = 0;
};

std::unique_ptr<Searcher> graph_searcher(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry,
                                         std::unique_ptr<GraphLayout> layout);

/// The layout of a paged graph.
std::unique_ptr<GraphLayout> open_pages(const MappedFile& file, const GraphEntry& entry);

}  // namespace cassata
