// A graph into pages: which rows share one, and their bytes (engine/graph/page_store.h).
#pragma once

#include <span>
#include <vector>

#include "engine/build/staging.h"
#include "engine/graph/adjacency.h"
#include "engine/graph/page_store.h"

namespace cassata {

struct PagePlan {
  PageShape shape;
  std::vector<Id> node_at;     ///< row -> node
  std::vector<Id> first_rows;  ///< of the pages, and the number of rows
};

/// Fills page after page: with the first node that is left in `order`, then with those that take the least room beside
/// those that are there, since they are neighbours of these and have neighbours in common with them. Of codes of such
/// lengths. Pages have the least length at which every node fits. The first `nodes` of the order are nodes of the
/// graph; the others are duplicates, which get pages of their own.
PagePlan plan_pages(const NeighborLists& graph, std::span<const Id> order, std::size_t nodes, std::size_t own_bytes,
                    std::size_t link_bytes);

/// Writes the pages as a section. `row_of` is the reverse of the plan's node_at; `ids` are the rows' numbers in the
/// staged.
void write_pages(const NeighborLists& graph, const PagePlan& plan, std::span<const Id> row_of, std::span<const Id> ids,
                 const StagingFile& own, const StagingFile& links, const Progress& progress, FileWriter& writer);

}  // namespace cassata
