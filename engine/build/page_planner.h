// Assigns the rows of a paged graph to pages, and writes the pages (engine/graph/page_store.h).
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
  std::vector<Id> first_rows;  ///< first row of each page, then the number of rows
};

/// Fills page after page: takes the first unplaced node of `order`, then, as long as one fits, the node that adds the
/// fewest bytes. These are neighbours of the page's nodes and share neighbours with them. Rows' own codes have
/// `own_bytes` bytes, codes of links `link_bytes`. Pages have the smallest size at which every node fits. The first
/// `nodes` of `order` are nodes of the graph; the others are duplicates, which get pages of their own.
PagePlan plan_pages(const NeighborLists& graph, std::span<const Id> order, std::size_t nodes, std::size_t own_bytes,
                    std::size_t link_bytes);

/// Writes the section of pages. `row_of` is the inverse of plan.node_at; ids[row] is the row's number in the staging
/// files.
void write_pages(const NeighborLists& graph, const PagePlan& plan, std::span<const Id> row_of, std::span<const Id> ids,
                 const StagingFile& own, const StagingFile& links, const Progress& progress, FileWriter& writer);

}  // namespace cassata
