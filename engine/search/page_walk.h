// The walk over a graph in pages: reads those of the best candidates at once, scores all that they hold, keeps the
// best.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/codec/row_fetch.h"
#include "engine/graph/hierarchy.h"
#include "engine/graph/page_store.h"
#include "engine/search/beam_walk.h"
#include "engine/search/workspace.h"

namespace cassata {

/// A walk in steps, as Descent: from the entry point down the upper layers, which are in memory, and on by pages. A
/// step of these ends by asking for the pages that the next one reads.
///
/// Candidates that were met as links have rough distances, by the codes of links. A page brings finer ones, by the
/// rows' own codes, for every row that it holds; by these the beam keeps the best, and the walk ends where no link is
/// closer than the worst of them.
class PageWalk {
 public:
  /// `links` scores upper nodes by position, and rows' codes as links; `own` rows' own codes. Borrows all.
  PageWalk(const UpperLayers& levels, const Pages& pages, Scorer& links, Scorer& own, Residency& residency,
           Workspace& work)
      : levels_(levels), pages_(pages), links_(links), own_(own), fetch_(residency), work_(work) {}

  /// To what both scorers are bound to.
  void start(std::size_t width, float relax);
  /// False once the walk has ended; then the workspace's beam holds the `width` best met, best first, with distances by
  /// their own codes.
  bool step();

 private:
  void start_level();
  void start_base();
  bool choose();
  void read(std::uint32_t number, Id asked);
  void gather(const Page& page, Id asked);

  /// Pages that are asked for at once: so many at first, and ever more the closer the walk has come, since ever fewer
  /// of them turn out to be in vain. Measured (docs/performance.md).
  static constexpr std::size_t kFirstPages = 8, kMostPages = 24;
  /// Nodes of level 1 that the walk goes on from: to find them, nothing is read, so there are more than in Descent.
  static constexpr std::size_t kEntriesPerWidth = 2, kMostEntries = 256;

  const UpperLayers& levels_;
  const Pages& pages_;
  Scorer &links_, &own_;
  RowFetch fetch_;
  Workspace& work_;
  BeamWalk walk_;          // over the upper layers
  std::size_t level_ = 0;  // that is walked; 0: the base layer
  std::size_t width_ = 0, at_once_ = 0;
  float relax_ = 0;
  Visited read_;                      // pages
  std::vector<Candidate> open_;       // links that were met: a heap, the closest on top
  std::vector<Candidate> next_;       // whose pages are on their way
  std::vector<Id> pages_asked_;       // these
  std::vector<Id> rows_, places_;     // of links, or of a page's rows
  std::vector<std::uint8_t> marked_;  // links of a page
};

}  // namespace cassata
