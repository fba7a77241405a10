#include "engine/build/region_build.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "cassata/error.h"
#include "engine/build/graph_log.h"
#include "engine/build/graph_reorder.h"

namespace cassata {
namespace {

const std::string kInput = "input", kOrder = "order";
constexpr std::uint64_t kFewestNodes = 1024;  // of a region

// What is kept of the vectors: by level and id, or by id alone where no graph is built by them; and in the order of
// their insertion.
std::string by_level(std::size_t i) { return "level." + std::to_string(i); }
std::string by_region(std::size_t i) { return "region." + std::to_string(i); }

/// What of the input is told to be the same when a build is resumed.
using InputMark = std::array<std::uint64_t, 3>;
InputMark mark_of(const VectorStream& vectors) {
  const InputEntry entry = vectors.entry();
  return {entry.rows, entry.bytes, entry.xxh3};
}

class RegionBuild {
 public:
  RegionBuild(VectorStream& vectors, const BuildEncoders& encoders, const GraphParams& params, std::uint64_t budget,
              WorkFiles& files)
      : vectors_(vectors),
        encoders_(encoders),
        params_(params),
        budget_(budget),
        files_(files),
        lists_(files.unnamed()) {
    for (const auto& encoder : encoders.all) uneven_ += encoder->row_bytes() == 0;
  }
  GraphParts run();

 private:
  std::vector<StagingFile> sorted_by_level();
  std::vector<StagingFile> sorted_by_region(std::vector<StagingFile> by_levels, GraphBuilder& builder);
  void choose_order(std::span<const StagingFile> by_levels, GraphBuilder& builder);
  void restore_order();
  void insert_regions(std::span<const StagingFile> staged, GraphBuilder& builder, std::size_t done);
  std::uint64_t room() const;
  std::vector<std::size_t> level_runs() const;
  /// Whether the graph is built by these codes; others are only put in order.
  bool builds(std::size_t encoder) const { return encoder == encoders_.pruning || encoder == encoders_.traversal; }
  /// Bytes of the budget that are there for vectors and lists.
  std::uint64_t spare() const { return budget_ - least_budget(size(), uneven_); }
  /// Bytes that the codes that are walked take, if the process is to hold them.
  std::uint64_t held_bytes(std::span<const StagingFile> staged) const;
  std::vector<StagingFile> kept(std::string (*name)(std::size_t)) const;
  void save(std::span<const StagingFile> staged, std::string (*name)(std::size_t)) const;
  std::size_t nodes_a_region(std::span<const StagingFile> staged) const;
  /// Where the runs begin in which these rows are put in order: those of the levels, and of as many nodes of the others
  /// as the budget can hold.
  std::vector<std::size_t> region_runs(const StagingFile& staged) const;
  std::size_t upper() const { return graph().upper(); }
  std::size_t size() const { return parts_->graph.ids.size(); }
  const BuiltGraph& graph() const { return parts_->graph; }
  /// Numbers nodes by order_.
  void renumber();
  /// Those of each region, upper ones first.
  std::vector<std::vector<Id>> regions() const;
  /// Nodes from begin to end of a region, but for those of the upper layers.
  std::pair<Id, Id> nodes_of(std::size_t region) const {
    return {static_cast<Id>(upper() + region * region_nodes_),
            static_cast<Id>(std::min(size(), upper() + (region + 1) * region_nodes_))};
  }

  VectorStream& vectors_;
  const BuildEncoders& encoders_;
  const GraphParams& params_;
  std::uint64_t budget_;
  std::size_t uneven_ = 0;  // encodings whose rows differ in length
  WorkFiles& files_;
  PendingFile lists_;
  std::optional<GraphParts> parts_;
  std::size_t region_nodes_ = 0;
  std::vector<Id> order_;         // number by level and id of each node
  std::vector<Id> upper_region_;  // of the nodes of the upper layers
};

std::vector<StagingFile> RegionBuild::kept(std::string (*name)(std::size_t)) const {
  std::vector<StagingFile> staged;
  for (std::size_t i = 0; i < encoders_.all.size(); ++i) staged.emplace_back(*encoders_.all[i], files_, name(i));
  return staged;
}

void RegionBuild::save(std::span<const StagingFile> staged, std::string (*name)(std::size_t)) const {
  if (!files_.named()) return;
  for (std::size_t i = 0; i < staged.size(); ++i) staged[i].save(files_, name(i));
}

/// Where the ids begin to rise anew: a node's number tells its highest level first.
std::vector<std::size_t> RegionBuild::level_runs() const {
  std::vector<std::size_t> runs = {0};
  for (auto size = graph().level_sizes.rbegin(); size != graph().level_sizes.rend(); ++size)
    if (*size != runs.back() && *size != this->size()) runs.push_back(*size);
  return runs;
}

std::vector<StagingFile> RegionBuild::sorted_by_level() {
  std::vector<StagingFile> staged = stage_all(vectors_, encoders_.all, params_, [&](std::size_t i) {
    return builds(i) ? files_.unnamed() : files_.file(by_level(i));
  });
  for (std::size_t i = 0; i < staged.size(); ++i) {
    if (!builds(i)) continue;
    StagingFile sorted(*encoders_.all[i], files_.file(by_level(i)));
    sorted.gather(staged[i], graph().ids, level_runs(), params_.progress);
    staged[i] = std::move(sorted);
  }
  save(staged, by_level);
  const InputMark mark = mark_of(vectors_);
  files_.put(kInput, std::as_bytes(std::span(mark)));
  files_.keep();
  return staged;
}

std::size_t RegionBuild::nodes_a_region(std::span<const StagingFile> staged) const {
  const std::uint64_t a_node =
      staged[encoders_.pruning].bytes() / size() + graph().levels.front().max_degree() * sizeof(Id);
  return std::max(kFewestNodes,
                  (spare() - held_bytes(staged)) / 4 * 3 / a_node);  // the rest is for what lies around a region
}

std::uint64_t RegionBuild::held_bytes(std::span<const StagingFile> staged) const {
  const std::uint64_t bytes = staged[encoders_.traversal].bytes();
  return encoders_.traversal != encoders_.pruning && bytes <= spare() / 4 * 3 ? bytes : 0;
}

std::vector<std::size_t> RegionBuild::region_runs(const StagingFile& staged) const {
  const std::uint64_t a_node = staged.bytes() / size() + 1;
  const std::size_t nodes = std::clamp<std::size_t>(spare() / 4 * 3 / a_node,
                                                    std::min<std::size_t>(kFewestNodes, region_nodes_), region_nodes_);
  std::vector<std::size_t> runs = level_runs();
  for (std::size_t begin = upper(); begin < size(); begin += nodes)
    if (begin != runs.back()) runs.push_back(begin);
  return runs;
}

void RegionBuild::choose_order(std::span<const StagingFile> by_levels, GraphBuilder& builder) {
  const std::vector<Id> together = reorder(graph().levels[1], params_.num_threads, params_.progress);
  std::vector<Id> place(upper());
  for (Id i = 0; i < place.size(); ++i) place[together[i]] = i;
  for (const StagingFile& staged : by_levels)
    staged.advise(Advice::normal);  // all but the upper layers, which were read already, front to back
  std::vector<Id> keys(size() - upper());
  builder.place(static_cast<Id>(upper()), keys);
  for (Id& key : keys) key = place[key];
  order_.resize(size());
  std::iota(order_.begin(), order_.end(), Id{0});
  const auto rest = std::span(order_).subspan(upper());
  const auto key_of = [&](Id node) { return keys[node - upper()]; };
  std::sort(rest.begin(), rest.end(),
            [&](Id a, Id b) { return key_of(a) != key_of(b) ? key_of(a) < key_of(b) : a < b; });
  // A region's part of level 1 goes on where the last one's ended.
  std::vector<Id> last_keys;
  for (std::size_t region = 0; nodes_of(region).first < size(); ++region) {
    const Id end = nodes_of(region).second;
    last_keys.push_back(key_of(order_[end - 1]));
  }
  upper_region_.resize(upper());
  for (Id i = 0; i < upper(); ++i)
    upper_region_[i] = static_cast<Id>(std::min<std::size_t>(
        last_keys.size() - 1,
        static_cast<std::size_t>(std::lower_bound(last_keys.begin(), last_keys.end(), place[i]) - last_keys.begin())));
}

void RegionBuild::renumber() {
  std::vector<Id> ids;
  for (const Id node : order_) ids.push_back(graph().ids[node]);
  parts_->graph.ids = std::move(ids);
}

std::vector<std::vector<Id>> RegionBuild::regions() const {
  std::vector<std::vector<Id>> nodes(std::max<std::size_t>(1, (size() - upper() + region_nodes_ - 1) / region_nodes_));
  for (Id node = 0; node < upper(); ++node) nodes[upper_region_[node]].push_back(node);
  for (Id node = static_cast<Id>(upper()); node < size(); ++node)
    nodes[(node - upper()) / region_nodes_].push_back(node);
  return nodes;
}

void RegionBuild::restore_order() {
  const std::vector<std::byte> bytes = files_.get(kOrder);
  order_.resize(size());
  upper_region_.resize(upper());
  if (bytes.size() != (order_.size() + upper_region_.size()) * sizeof(Id))
    files_.damaged(kOrder, "not of " + std::to_string(size()) + " vectors");
  std::memcpy(order_.data(), bytes.data(), order_.size() * sizeof(Id));
  std::memcpy(upper_region_.data(), bytes.data() + order_.size() * sizeof(Id), upper_region_.size() * sizeof(Id));
}

std::vector<StagingFile> RegionBuild::sorted_by_region(std::vector<StagingFile> by_levels, GraphBuilder& builder) {
  choose_order(by_levels, builder);
  renumber();
  std::vector<StagingFile> staged;
  for (std::size_t i = 0; i < by_levels.size(); ++i) {
    staged.emplace_back(*encoders_.all[i], files_.file(by_region(i)));
    staged.back().gather(by_levels[i], builds(i) ? order_ : graph().ids, region_runs(by_levels[i]), params_.progress);
    by_levels[i] = StagingFile(*encoders_.all[i], files_.unnamed());
  }
  save(staged, by_region);
  std::vector<Id> numbers = order_;
  numbers.insert(numbers.end(), upper_region_.begin(), upper_region_.end());
  files_.put(kOrder, std::as_bytes(std::span(numbers)));
  return staged;
}

void RegionBuild::insert_regions(std::span<const StagingFile> staged, GraphBuilder& builder, std::size_t done) {
  const StagingFile& chosen = staged[encoders_.pruning];
  // Single pages are read of codes and lists, and nothing around them, which would push out what is needed.
  chosen.advise(Advice::random);
  Mapping::advise(parts_->lists.bytes(), Advice::random);
  for (std::size_t region = 0; nodes_of(region).first < size(); ++region) {
    const auto [begin, end] = nodes_of(region);
    const std::vector<Id> nodes = shuffled(std::max(begin, Id{1}), end);
    const std::size_t mine = std::min(nodes.size(), done);
    done -= mine;
    if (mine < nodes.size()) {
      chosen.advise(begin, end, Advice::will_need);
      chosen.lock(begin, end);
    }
    builder.have(begin, end);
    builder.insert(nodes, mine, parts_->regions[region].size() - (end - begin));  // upper ones are there already
    chosen.unlock(begin, end);
    chosen.advise(Advice::dont_need);
  }
}

/// What a build has on disk at most, if no row of uneven ones takes more than it must: codes twice while they are
/// sorted, or once beside the index and the log; lists.
std::uint64_t RegionBuild::room() const {
  std::uint64_t codes = 0;
  for (const auto& encoder : encoders_.all)
    codes += encoder->row_bytes() != 0 ? vectors_.size() * encoder->row_bytes()
                                       : vectors_.entries() * encoder->entry_bytes();
  const std::uint64_t lists = vectors_.size() * 2 * params_.m * sizeof(Id);
  return 2 * codes + (files_.named() ? 6 : 2) * lists;
}

GraphParts RegionBuild::run() {
  files_.expect_room(room());
  const std::uint64_t n = vectors_.size(), places = n * 2 * params_.m;
  Mapping lists = lists_.map_zeros(places * sizeof(Id));
  const auto base = std::span(reinterpret_cast<Id*>(lists.writable_bytes().data()), places);
  parts_.emplace(GraphParts{
      .lists = std::move(lists), .graph = BuiltGraph(n, params_.m, base), .staged = {}, .rows = {}, .regions = {}});
  BuiltGraph& graph = parts_->graph;
  if (files_.resumed()) {
    read_all(vectors_, params_.progress, [](const Batch&, std::uint64_t) {});
    const InputMark mark = mark_of(vectors_);
    if (!std::ranges::equal(files_.get(kInput), std::as_bytes(std::span(mark))))
      invalid_argument("resume: " + vectors_.name() + " holds other vectors than when " + files_.folder().string() +
                       " was left");
  }
  const bool ordered = files_.has(kOrder);
  std::vector<StagingFile> staged = ordered ? kept(by_region) : files_.resumed() ? kept(by_level) : sorted_by_level();
  region_nodes_ = nodes_a_region(staged);
  parts_->rows.resize(n);
  std::iota(parts_->rows.begin(), parts_->rows.end(), Id{0});

  std::optional<BuildCodes> level_codes, region_codes;  // which the builder's scorers do not outlive
  GraphBuilder builder(graph, params_, Threads::that_wait(params_.num_threads));
  std::optional<GraphLog> log;
  if (files_.named()) {
    log.emplace(files_, graph, params_.checkpoint_interval);
    builder.tell([&](std::size_t level, Id node) { log->note(level, node); },
                 [&](std::size_t nodes) { log->batch_done(nodes); });
  }
  const std::size_t top = upper(), done = log ? log->inserted() : 0;
  const std::vector<Id> first =
      shuffled(1, static_cast<Id>(std::max<std::size_t>(1, top)));  // node 0 needs no neighbours
  const std::size_t first_done = std::min(done, first.size());
  if (ordered) {
    if (first_done < first.size())
      files_.damaged(GraphLog::kName, std::to_string(done) + " nodes inserted, expected at least the " +
                                          std::to_string(first.size()) + " before regions");
    restore_order();
    renumber();
    builder.insert(first, first.size(), 1);
  } else {
    level_codes.emplace(encoders_, staged, n);
    builder.use(level_codes->traversal(), level_codes->pruning(), parts_->rows);
    builder.insert(first, first_done, 1);
    if (log && first_done < first.size()) log->commit();
    if (top != 0) {
      staged = sorted_by_region(std::move(staged), builder);
    } else {  // so few that all are on the base layer
      region_nodes_ = n;
    }
  }
  if (files_.has(kOrder))
    for (std::size_t i = 0; i < staged.size(); ++i) StagingFile::remove(files_, by_level(i));
  if (held_bytes(staged) != 0) staged[encoders_.traversal].hold();  // a walk comes by them everywhere
  region_codes.emplace(encoders_, staged, n);
  builder.use(region_codes->traversal(), region_codes->pruning(), parts_->rows);
  parts_->regions = regions();
  insert_regions(staged, builder, done - first_done);
  if (log) log->commit();
  builder.tell({}, {});
  builder.connect();
  if (encoders_.traversal != encoders_.pruning) staged[encoders_.traversal].release();
  parts_->staged = std::move(staged);
  return std::move(*parts_);
}

}  // namespace

std::uint64_t least_budget(std::uint64_t size, std::size_t uneven_encodings) {
  constexpr std::uint64_t kBytesAVector = 40,
                          kBytes = std::uint64_t{48} << 20;  // numbers of nodes, rows and ids, marks; chunks, threads
  const std::uint64_t offsets =
      uneven_encodings == 0 ? 0 : uneven_encodings + 1;  // of each, and of one once more while it is sorted
  return kBytes + size * (kBytesAVector + offsets * sizeof(std::uint64_t));
}

GraphParts build_in_regions(VectorStream& vectors, const BuildEncoders& encoders, const GraphParams& params,
                            std::uint64_t budget, WorkFiles& files) {
  return RegionBuild(vectors, encoders, params, budget, files).run();
}

}  // namespace cassata
