// A graph under construction on disk, so that an interrupted build goes on where it was.
//
// The file is a sequence of commits, each of one or more records:
//
//   u64   how many nodes have been inserted, and 1; or 0: the commit goes on in the next record
//   u64   bytes of what follows the hash
//   u64   xxh3 of that
//   u32   for each list that has changed since the last commit: level, node, count, and so many neighbours;
//         for each new duplicate: the number of levels, node, 1, representative
//
// What a kill or a power cut leaves behind the last whole commit is passed over.
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

  /// Brings the graph, which has no edge yet, to where the log's last commit left it. Borrows both. Commits after
  /// `interval`.
  GraphLog(const WorkFiles& files, BuiltGraph& graph, std::chrono::milliseconds interval = {});

  /// How many nodes have been inserted.
  std::size_t inserted() const noexcept { return inserted_; }
  void note(std::size_t level, Id node);
  /// So many nodes more are inserted, and all that was noted belongs to that; commits if it is time.
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
  std::uint64_t length_ = 0;  // of whole commits
  std::size_t inserted_ = 0;
  std::vector<std::vector<bool>> changed_;  // by level and node
  std::size_t duplicates_ = 0;              // of the graph's that are in the log
  std::vector<std::uint32_t> record_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace cassata
