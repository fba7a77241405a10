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

constexpr std::size_t kPasses = 20;       // most passes of exchanges a split; more gain little
constexpr std::size_t kFewest = 500;      // passes end when fewer than one in this many nodes changes sides
constexpr std::size_t kSmallest = 8;      // parts of at most this many nodes are not split
constexpr std::size_t kAlone = 1u << 13;  // parts of at most this many nodes are split to the end by one thread

/// A breadth-first order (Cuthill and McKee, ACM 1969). It puts neighbours close together, and the bisection starts
/// from it.
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

/// Nodes that will occupy consecutive rows from `first` on, and the parts of the neighbour lists that lie among them,
/// as positions in `nodes`. Lists with fewer than two such positions are left out.
struct Part {
  std::size_t first = 0;
  std::vector<Id> nodes;
  std::vector<std::size_t> ends;  // end of each list in `places`
  std::vector<Id> places;

  void end_list() {
    const std::size_t begin = ends.empty() ? 0 : ends.back();
    if (places.size() - begin >= 2)
      ends.push_back(places.size());
    else
      places.resize(begin);  // a single position has no differences to reduce
  }
};

/// The part of all nodes. Each list includes its node: lists are coded by differences that start at the node's own row.
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

/// Approximates the bits of a list's differences by a constant minus the sum of x log2(x + 1) over both halves, where x
/// of the list's nodes lie in a half. of_[x] is the number of bits saved by one more node in a half that has x.
class Savings {
 public:
  explicit Savings(std::size_t max) {
    const auto saved = [](double x) { return x * std::log2(x + 1); };
    for (std::size_t x = 0; x <= max; ++x)
      of_.push_back(static_cast<float>(saved(static_cast<double>(x) + 1) - saved(static_cast<double>(x))));
  }
  /// Bits saved by moving a node from a half with `from` of the list's nodes, itself included, to a half with `to`.
  float of_move(std::size_t from, std::size_t to) const { return of_[to] - of_[from - 1]; }

 private:
  std::vector<float> of_;
};

/// Splits parts, reusing its buffers from part to part.
class Splitter {
 public:
  explicit Splitter(const Savings& savings) : savings_(&savings) {}

  /// Splits a part into halves, which keep the order of its nodes. Leaves the part empty.
  std::pair<Part, Part> split(Part& part) {
    start(part);
    for (std::size_t i = 0; i < kPasses; ++i) pass(part);
    return halves(part);
  }

  /// Splits in steps: start(), kPasses times pass(), which does nothing once it gains little, then halves().
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
  /// gains_[i] = bits saved if position i alone changes sides.
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

  /// Exchanges the pairs of nodes that save most, as long as a pair saves anything. Returns the number of pairs.
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
  std::vector<std::uint8_t> right_;  // 1 for positions in the right half
  std::vector<float> gains_;
  std::vector<Id> movers_[2];  // candidates for an exchange, from the left and from the right half
  std::vector<Id> place_;      // position of each node in its half
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
  std::size_t levels = 1;  // rounds of splits; the last one splits to the end
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
  for (std::size_t level = 0; level + 1 < levels; ++level) {  // part sizes of a round differ by at most one node
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
  constexpr std::size_t kPartsPerRound = 8;
  parallel_for(
      num_threads, parts.size(), 1, kPartsPerRound, [&](std::size_t done) { report(levels - 1, done, parts.size()); },
      finish);
  return order;
}

}  // namespace cassata
