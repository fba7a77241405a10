// The traversal of a paged graph: reads the pages of the closest candidates at once, and scores all their rows and
// links.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/graph/hierarchy.h"
#include "engine/graph/page_store.h"
#include "engine/search/beam_walk.h"
#include "engine/search/row_filter.h"
#include "engine/search/workspace.h"
#include "format/file/row_reads.h"

namespace cassata {

/// Traversal in steps, as Descent: from the entry point through the upper layers, which are in memory, to the pages of
/// the base layer. A step in the base layer ends with requests for the pages that the next one reads.
///
/// Candidates found as links have rough distances, by the short codes of links. A page has finer codes of all its rows.
/// The beam keeps the best rows by these, and the traversal ends when no link is closer than the worst row of the beam.
class PageWalk {
 public:
  /// `upper` scores nodes of the upper layers by position, `links` the codes of a page's links, `own` those of its
  /// rows. Borrows its arguments.
  PageWalk(const UpperLayers& levels, const Pages& pages, Scorer& upper, RowScorer& links, RowScorer& own,
           Workspace& work)
      : levels_(levels),
        pages_(pages),
        upper_(upper),
        links_(links),
        own_(own),
        fetch_(pages.section().reads),
        work_(work) {}

  /// Starts towards the query that the scorers are bound to. Arguments as of BeamWalk::start(). With a filter, which is
  /// ready(), the beam keeps only rows that pass, and the traversal ends early, with a beam that is not full, once it
  /// has read more pages than there are such rows: a scan of these then costs less.
  void start(std::size_t width, float relax, const RowFilter* filter = nullptr);
  /// False once the traversal has ended; then the beam of the workspace holds the `width` best visited rows, best
  /// first, with distances by their own codes.
  bool step();

 private:
  void start_level();
  void start_base();
  bool choose();
  void read(std::uint32_t number, Id expanded);
  void gather(const Page& page, Id expanded);

  /// Pages requested at once: in the first step, and at most. The number grows by a fifth each step, because fewer
  /// pages are read in vain as the traversal converges (docs/decisions/pages-hold-codes-of-links.md).
  static constexpr std::size_t kFirstPages = 8, kMaxPages = 24;
  /// Entry points of the base layer: nodes of level 1. More than in Descent, because finding them reads nothing from
  /// disk.
  static constexpr std::size_t kEntriesPerWidth = 2, kMaxEntries = 256;

  const UpperLayers& levels_;
  const Pages& pages_;
  Scorer& upper_;
  RowScorer &links_, &own_;
  RowFetch fetch_;
  Workspace& work_;
  BeamWalk walk_;          // over the upper layers
  std::size_t level_ = 0;  // of the present traversal; 0: the base layer
  std::size_t width_ = 0, at_once_ = 0;
  float relax_ = 0;
  const RowFilter* filter_ = nullptr;
  std::size_t pages_read_ = 0;
  Visited read_;                      // pages that were requested
  std::vector<Candidate> open_;       // visited links whose pages are not requested: a heap, the closest on top
  std::vector<Candidate> next_;       // candidates whose pages the next step reads
  std::vector<Id> requested_;         // these pages
  std::vector<Id> rows_, places_;     // of a page's rows, then of its links: the row, and the place in the page
  std::vector<std::uint8_t> marked_;  // by link of a page: 1 if a kept row has it
};

}  // namespace cassata
