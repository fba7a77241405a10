#include "engine/build/page_planner.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace cassata {
namespace {

/// Nodes that come next in the order are looked at beside the neighbours of those in the page. Measured: a page
/// holds 3.5 nodes without, 3.6 with 16.
constexpr std::size_t kWindow = 16;

/// The page that is being filled.
class Filler {
 public:
  Filler(const NeighborLists& graph, std::span<const Id> order, std::size_t nodes, const PageShape& shape)
      : graph_(graph),
        order_(order),
        nodes_(nodes),
        shape_(shape),
        place_(order.size()),
        page_of_(order.size(), kNoId),
        uses_(order.size()) {
    for (Id i = 0; i < order.size(); ++i) place_[order[i]] = i;
  }

  PagePlan fill() {
    PagePlan plan{.shape = shape_, .node_at = {}, .first_rows = {}};
    for (std::size_t begin = 0; begin < order_.size(); ++begin) {
      if (placed(order_[begin])) continue;
      plan.first_rows.push_back(static_cast<Id>(plan.node_at.size()));
      for (Id node = order_[begin]; node != kNoId; node = best(begin)) {
        put(node);
        plan.node_at.push_back(node);
      }
      close();
    }
    plan.first_rows.push_back(static_cast<Id>(plan.node_at.size()));
    return plan;
  }

 private:
  struct Counts {
    std::size_t rows = 0, links = 0, slots = 0;
  };

  bool placed(Id node) const { return page_of_[node] != kNoId; }
  bool here(Id node) const { return page_of_[node] == page_; }

  /// What the page would hold with `node`.
  Counts with(Id node) const {
    Counts out = counts_;
    ++out.rows;
    for (const Id neighbor : graph_.list(node)) {
      if (here(neighbor)) continue;
      ++out.slots;
      out.links += uses_[neighbor] == 0;
    }
    out.slots -= uses_[node];  // of a node in the page no link is needed
    out.links -= uses_[node] != 0;
    return out;
  }

  void put(Id node) {
    counts_ = with(node);
    page_of_[node] = page_;
    uses_[node] = 0;
    for (const Id neighbor : graph_.list(node))
      if (!here(neighbor) && uses_[neighbor]++ == 0) linked_.push_back(neighbor);
  }

  /// The one that takes the least room, of these the first in the order; kNoId if there is no room for any.
  Id best(std::size_t begin) const {
    Id best = kNoId;
    std::size_t least = shape_.page_bytes + 1;
    const auto consider = [&](Id node) {
      if ((place_[node] < nodes_) != (begin < nodes_))
        return;  // duplicates have pages of their own, to which no walk comes
      const Counts counts = with(node);
      if (std::max(counts.links, counts.slots) > PageShape::kMostSlots) return;
      const std::size_t bytes = shape_.used(counts.rows, counts.links, counts.slots);
      if (bytes > shape_.page_bytes || bytes > least || (bytes == least && place_[node] > place_[best])) return;
      least = bytes;
      best = node;
    };
    for (const Id node : linked_)
      if (!placed(node)) consider(node);
    for (std::size_t i = begin + 1, seen = 0; i < order_.size() && seen < kWindow; ++i)
      if (!placed(order_[i])) consider(order_[i]), ++seen;
    return best;
  }

  void close() {
    for (const Id node : linked_) uses_[node] = 0;
    linked_.clear();
    counts_ = {};
    ++page_;
  }

  const NeighborLists& graph_;
  std::span<const Id> order_;
  std::size_t nodes_;  // at the front of the order; the others are duplicates
  const PageShape& shape_;
  std::vector<Id> place_;    // node -> place in the order
  std::vector<Id> page_of_;  // node -> page; kNoId: none yet
  std::vector<Id> uses_;     // node -> nodes of the page whose neighbour it is, if it is not there itself
  std::vector<Id> linked_;   // nodes that have such, or had before they came
  Id page_ = 0;
  Counts counts_;
};

}  // namespace

PagePlan plan_pages(const NeighborLists& graph, std::span<const Id> order, std::size_t nodes, std::size_t own_bytes,
                    std::size_t link_bytes) {
  PageShape shape{.page_bytes = PageShape::kLeastBytes, .own_bytes = own_bytes, .link_bytes = link_bytes};
  std::size_t degree = 0;
  for (const Id node : order) degree = std::max(degree, graph.list(node).size());
  while (shape.used(1, degree, degree) > shape.page_bytes) shape.page_bytes *= 2;
  return Filler(graph, order, nodes, shape).fill();
}

void write_pages(const NeighborLists& graph, const PagePlan& plan, std::span<const Id> row_of, std::span<const Id> ids,
                 const StagingFile& own, const StagingFile& links, const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kPagesAReport = 16384;
  const std::size_t count = plan.first_rows.size() - 1;
  writer.begin(kPagesSection, Tier::cold, count * plan.shape.page_bytes);
  std::vector<std::byte> page;
  std::vector<std::vector<Id>> lists;
  std::vector<Id> linked;
  for (std::size_t number = 0; number < count; ++number) {
    const Id begin = plan.first_rows[number], end = plan.first_rows[number + 1];
    lists.assign(end - begin, {});
    linked.clear();
    for (Id row = begin; row < end; ++row)
      for (const Id neighbor : graph.list(plan.node_at[row])) {
        const Id to = row_of[neighbor];
        if (begin <= to && to < end) continue;
        lists[row - begin].push_back(to);
        linked.push_back(to);
      }
    std::sort(linked.begin(), linked.end());
    linked.erase(std::unique(linked.begin(), linked.end()), linked.end());
    page.clear();
    append_bytes(static_cast<std::uint16_t>(linked.size()), page);
    std::size_t slots = 0;
    for (const auto& list : lists) append_bytes(static_cast<std::uint16_t>(slots += list.size()), page);
    for (auto& list : lists) {
      std::sort(list.begin(), list.end());
      for (const Id row : list)
        append_bytes(static_cast<std::uint16_t>(std::lower_bound(linked.begin(), linked.end(), row) - linked.begin()),
                     page);
    }
    page.resize(PageShape::head_bytes(lists.size(), slots));
    for (const Id row : linked) append_bytes(row, page);
    const auto append_code = [&](const StagingFile& codes, Id row) {
      const std::span<const std::byte> code = codes.row(ids[row]);
      page.insert(page.end(), code.begin(), code.end());
    };
    for (Id row = begin; row < end; ++row) append_code(own, row);
    for (const Id row : linked) append_code(links, row);
    page.resize(plan.shape.page_bytes);
    writer.append(std::span<const std::byte>(page));
    if (progress && ((number + 1) % kPagesAReport == 0 || number + 1 == count)) progress("write", end, ids.size());
  }
}

}  // namespace cassata
