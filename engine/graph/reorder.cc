#include "engine/graph/reorder.h"

#include <algorithm>

namespace cassata {

std::vector<Id> reorder(const NeighborLists& graph) {
  // Cuthill and McKee (ACM 1969): breadth first, from node to node.
  std::vector<Id> order;
  order.reserve(graph.size());
  std::vector<bool> placed(graph.size());
  for (Id root = 0; root < graph.size(); ++root) {
    if (placed[root]) continue;
    placed[root] = true;
    order.push_back(root);
    for (std::size_t at = order.size() - 1; at < order.size(); ++at)
      for (const Id next : graph.list(order[at]))
        if (!placed[next]) {
          placed[next] = true;
          order.push_back(next);
        }
  }
  return order;
}

}  // namespace cassata
