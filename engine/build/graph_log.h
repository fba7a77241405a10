// Write-ahead log of a graph under construction, from which an interrupted build resumes.
//
// The file is a sequence of commits, each of one or more records:
//
//   u64   number of inserted nodes plus 1; 0 if the commit continues in the next record
//   u64   length in bytes of the u32 words after the hash
//   u64   xxh3 of the number of nodes and these words
//   u32   for each list that changed since the last commit: layer, node, count, then the neighbours;
//         for each new duplicate: the number of layers, node, 1, representative
//
// Bytes after the last complete commit, left by a kill or a power failure, are ignored.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/build/graph_builder.h"
#include "engine/build/work_files.h"

namespace cassata {

class GraphLog {
 public:
  inline static const std::string kName = "graph.log";

  /// Restores the graph, which must have no edges, to the state of the last commit. Borrows both arguments.
  /// batch_done() commits if `interval` has passed since the last commit. Throws Error: corrupt, io.
  GraphLog(const WorkFiles& files, BuiltGraph& graph, std::chrono::milliseconds interval = {});

  /// Number of inserted nodes.
  std::size_t inserted() const noexcept { return inserted_; }
  /// Marks a list as changed.
  void note(std::size_t level, Id node);
  /// Counts `nodes` more inserted nodes, whose changes have all been noted. May commit.
  void batch_done(std::size_t nodes);
  void commit();

 private:
  void replay();
  void rewrite();
  void put_changed();
  void append(std::uint64_t inserted);

  using Clock = std::chrono::steady_clock;

  const WorkFiles& files_;
  BuiltGraph& graph_;
  std::chrono::milliseconds interval_;
  PendingFile file_;
  std::uint64_t length_ = 0;  // bytes of complete commits
  std::size_t inserted_ = 0;
  std::vector<std::vector<bool>> changed_;  // by layer and node
  std::size_t duplicates_ = 0;              // number of the graph's duplicates that are in the log
  std::vector<std::uint32_t> record_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace cassata
