#include "engine/build/graph_reorder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "engine/base/parallel.h"

namespace cassata {
namespace {

constexpr std::size_t kPasses = 20;       // of exchanges a split; more gain little
constexpr std::size_t kFewest = 500;      // one in so many nodes must change sides for another pass
constexpr std::size_t kSmallest = 8;      // nodes of a part that is not split further
constexpr std::size_t kAlone = 1u << 13;  // nodes of a part up to which one thread splits it to the end

/// Cuthill and McKee (ACM 1969): breadth first, from node to node. Close to each other, from which the bisection
/// starts.
std::vector<Id> breadth_first(const NeighborLists& graph, std::span<const Id> nodes) {
  std::vector<Id> order;
  order.reserve(nodes.size());
  std::vector<bool> waits(graph.size());
  for (const Id node : nodes) waits[node] = true;
  for (const Id root : nodes) {
    if (!waits[root]) continue;
    waits[root] = false;
    order.push_back(root);
    for (std::size_t at = order.size() - 1; at < order.size(); ++at)
      for (const Id next : graph.list(order[at]))
        if (waits[next]) {
          waits[next] = false;
          order.push_back(next);
        }
  }
  return order;
}

/// Nodes that will stand together, from row `first` on, and what of the lists lies among them: places in `nodes`, list
/// by list, at least two of each.
struct Part {
  std::size_t first = 0;
  std::vector<Id> nodes;
  std::vector<std::size_t> ends;  // of the lists
  std::vector<Id> places;

  void end_list() {
    const std::size_t begin = ends.empty() ? 0 : ends.back();
    if (places.size() - begin >= 2)
      ends.push_back(places.size());
    else
      places.resize(begin);  // wherever a single one stands, the list has no differences here
  }
};

/// All of the nodes, each in its own list, too: rows of neighbours are told by their differences from the node's own.
Part whole(const NeighborLists& graph, std::span<const Id> nodes) {
  Part part;
  part.nodes = breadth_first(graph, nodes);
  std::vector<Id> place(graph.size(), kNoId);
  for (Id i = 0; i < part.nodes.size(); ++i) place[part.nodes[i]] = i;
  for (Id i = 0; i < part.nodes.size(); ++i) {
    part.places.push_back(i);
    for (const Id neighbor : graph.list(part.nodes[i]))
      if (place[neighbor] != kNoId) part.places.push_back(place[neighbor]);
    part.end_list();
  }
  return part;
}

/// What a list's differences take, roughly and in bits, less what does not change: the sum over both halves of -x
/// log2(x + 1), where x of the list's nodes lie in one. Here for one more node in a half that has x.
class Savings {
 public:
  explicit Savings(std::size_t most) {
    const auto saved = [](double x) { return x * std::log2(x + 1); };
    for (std::size_t x = 0; x <= most; ++x)
      of_.push_back(static_cast<float>(saved(static_cast<double>(x) + 1) - saved(static_cast<double>(x))));
  }
  /// By moving a node from a half with `from` of the list's nodes, itself among them, to one with `to`.
  float of_move(std::size_t from, std::size_t to) const { return of_[to] - of_[from - 1]; }

 private:
  std::vector<float> of_;
};

/// What it takes to split a part, and then another.
class Splitter {
 public:
  explicit Splitter(const Savings& savings) : savings_(&savings) {}

  /// Splits to halves, each in the order of the part's nodes. Leaves the part empty.
  std::pair<Part, Part> split(Part& part) {
    start(part);
    for (std::size_t i = 0; i < kPasses; ++i) pass(part);
    return halves(part);
  }

  /// The same in steps: start, up to kPasses passes, which do nothing once they would gain little, and the halves.
  void start(const Part& part) {
    const std::size_t size = part.nodes.size();
    right_.assign(size, 0);
    std::fill(right_.begin() + static_cast<std::ptrdiff_t>(size / 2), right_.end(), std::uint8_t{1});
    settled_ = false;
  }
  void pass(const Part& part) {
    if (settled_) return;
    weigh(part);
    settled_ = exchange() <= part.nodes.size() / kFewest;
  }
  std::pair<Part, Part> halves(Part& part) {
    Part half[2];
    half[0].first = part.first;
    half[1].first = part.first + part.nodes.size() / 2;
    place_.resize(part.nodes.size());
    for (std::size_t i = 0; i < part.nodes.size(); ++i) {
      place_[i] = static_cast<Id>(half[right_[i]].nodes.size());
      half[right_[i]].nodes.push_back(part.nodes[i]);
    }
    std::size_t begin = 0;
    for (const std::size_t end : part.ends) {
      for (std::size_t i = begin; i < end; ++i) half[right_[part.places[i]]].places.push_back(place_[part.places[i]]);
      for (Part& one : half) one.end_list();
      begin = end;
    }
    part = {};
    return {std::move(half[0]), std::move(half[1])};
  }

 private:
  /// gains_[i] = what is saved if place i alone changes sides.
  void weigh(const Part& part) {
    gains_.assign(part.nodes.size(), 0);
    std::size_t begin = 0;
    for (const std::size_t end : part.ends) {
      std::size_t on_right = 0;
      for (std::size_t i = begin; i < end; ++i) on_right += right_[part.places[i]];
      const std::size_t on_left = end - begin - on_right;
      const float saved[2] = {on_left == 0 ? 0 : savings_->of_move(on_left, on_right),
                              on_right == 0 ? 0 : savings_->of_move(on_right, on_left)};
      for (std::size_t i = begin; i < end; ++i) gains_[part.places[i]] += saved[right_[part.places[i]]];
      begin = end;
    }
  }

  /// Lets those change sides, in pairs, that save most, as long as a pair saves anything. Returns the number of pairs.
  std::size_t exchange() {
    float best[2] = {-std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
    for (std::size_t i = 0; i < gains_.size(); ++i) best[right_[i]] = std::max(best[right_[i]], gains_[i]);
    for (auto& side : movers_) side.clear();
    for (std::size_t i = 0; i < gains_.size(); ++i)
      if (gains_[i] + best[1 - right_[i]] > 0) movers_[right_[i]].push_back(static_cast<Id>(i));
    for (auto& side : movers_)
      std::sort(side.begin(), side.end(),
                [&](Id a, Id b) { return gains_[a] != gains_[b] ? gains_[a] > gains_[b] : a < b; });
    std::size_t pairs = 0;
    while (pairs < std::min(movers_[0].size(), movers_[1].size()) &&
           gains_[movers_[0][pairs]] + gains_[movers_[1][pairs]] > 0) {
      std::swap(right_[movers_[0][pairs]], right_[movers_[1][pairs]]);
      ++pairs;
    }
    return pairs;
  }

  const Savings* savings_;
  bool settled_ = false;
  std::vector<std::uint8_t> right_;  // 1: the place is in the right half
  std::vector<float> gains_;
  std::vector<Id> movers_[2];  // from the left, from the right
  std::vector<Id> place_;      // in its half
};

void split_to_the_end(Part part, Splitter& splitter, std::vector<Id>& order) {
  if (part.nodes.size() <= kSmallest) {
    std::copy(part.nodes.begin(), part.nodes.end(), order.begin() + static_cast<std::ptrdiff_t>(part.first));
    return;
  }
  auto [left, right] = splitter.split(part);
  split_to_the_end(std::move(left), splitter, order);
  split_to_the_end(std::move(right), splitter, order);
}

}  // namespace

std::vector<Id> reorder(const NeighborLists& graph, unsigned num_threads, const Progress& progress) {
  std::vector<Id> all(graph.size());
  std::iota(all.begin(), all.end(), Id{0});
  return reorder(graph, all, num_threads, progress);
}

std::vector<Id> reorder(const NeighborLists& graph, std::span<const Id> nodes, unsigned num_threads,
                        const Progress& progress) {
  std::size_t levels = 1;  // of splits, with the last, which goes to the end
  for (std::size_t size = nodes.size(); size > kAlone; size /= 2) ++levels;
  const auto report = [&](std::size_t level, std::size_t done, std::size_t all) {
    if (progress) progress("order", level * nodes.size() + done * nodes.size() / all, levels * nodes.size());
  };
  const Savings savings(graph.max_degree() + 1);
  std::vector<Part> parts(1);
  parts.front() = whole(graph, nodes);
  const auto for_each_part = [&](const auto& work) {
    parallel_for(num_threads, parts.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) work(i);
    });
  };
  for (std::size_t level = 0; level + 1 < levels;
       ++level) {  // all parts of a level are of one size, give or take a node
    std::vector<Splitter> splitters(parts.size(), Splitter(savings));
    for_each_part([&](std::size_t i) { splitters[i].start(parts[i]); });
    for (std::size_t pass = 0; pass < kPasses; ++pass) {
      for_each_part([&](std::size_t i) { splitters[i].pass(parts[i]); });
      report(level, pass + 1, kPasses);
    }
    std::vector<Part> halves(2 * parts.size());
    for_each_part([&](std::size_t i) { std::tie(halves[2 * i], halves[2 * i + 1]) = splitters[i].halves(parts[i]); });
    parts = std::move(halves);
  }
  std::vector<Id> order(nodes.size());
  std::vector<Splitter> splitters(threads_of(num_threads), Splitter(savings));
  const auto finish = [&](std::size_t begin, std::size_t end, unsigned thread) {
    for (std::size_t i = begin; i < end; ++i) split_to_the_end(std::move(parts[i]), splitters[thread], order);
  };
  constexpr std::size_t kPartsATurn = 8;
  parallel_for(
      num_threads, parts.size(), 1, kPartsATurn, [&](std::size_t done) { report(levels - 1, done, parts.size()); },
      finish);
  return order;
}

}  // namespace cassata
