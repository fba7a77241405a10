// The searcher of a kind of index, which answers queries over one file and checks its sections.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "cassata/params.h"
#include "engine/codec/codes.h"
#include "engine/search/workspace.h"
#include "format/file/mapped_file.h"
#include "format/file/section_memory.h"

namespace cassata {

/// Answers queries over one file. Immutable; any number of threads.
class Searcher {
 public:
  virtual ~Searcher() = default;
  /// best[i] = the params.k best for query i, best first, ties by lower id, ids as the caller knows them. params.k is
  /// at most the size.
  virtual void search(const Batch& queries, const SearchParams& params,
                      std::span<std::vector<Candidate>> best) const = 0;
  /// The same without an approximation, among the vectors at most `farthest` from the query: whatever needs scoring is
  /// scored.
  virtual void search_exact(const Batch& queries, const SearchParams& params, float farthest,
                            std::span<std::vector<Candidate>> best) const = 0;
  /// How many of the best a search by `params` finds about as surely as fewer; 0: search_exact() takes no longer.
  virtual std::size_t sure_results(const SearchParams& params) const = 0;
  /// Checks every structural rule of the kind's own sections. Calls `reading` with each part before it is read. Throws
  /// Error(corrupt).
  virtual void verify(const Reading& reading) const = 0;
};

/// The codes of each stage of a file.
struct StoredCodes {
  std::unique_ptr<Codes> first;   ///< null: the codes lie in the pages of the graph
  std::unique_ptr<Codes> second;  ///< null: one stage. Token vectors are stored by id, not by row
};

/// The distance that bounds nothing.
inline constexpr float kAnyDistance = std::numeric_limits<float>::infinity();

/// Exact search over any codes, among the vectors at most `farthest` from the query. `ids` are the ids of the rows;
/// empty: rows are ids.
void search_by_scan(const Codes& codes, Metric metric, std::span<const Id> ids, const Batch& queries,
                    const SearchParams& params, float farthest, std::span<std::vector<Candidate>> best);

/// How a kind reads the hot sections of its files: flat ones and lists, and graphs.
Access scan_access(const IndexSchema& schema) noexcept;
Access graph_access(const IndexSchema& schema) noexcept;

std::unique_ptr<Searcher> open_flat(const MappedFile& file, const StoredCodes& codes);

/// The searcher of a file with inverted lists; exact for kind flat.
std::unique_ptr<Searcher> open_postings(const MappedFile& file, const StoredCodes& codes);

std::unique_ptr<Searcher> open_graph(const MappedFile& file, const StoredCodes& codes);

}  // namespace cassata
