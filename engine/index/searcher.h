// What one kind of index does with a file: answer, check itself, and come to be.
#pragma once

#include <memory>
#include <vector>

#include "cassata/params.h"
#include "cassata/stream.h"
#include "engine/build/pipeline.h"
#include "engine/codec/codes.h"
#include "engine/graph/duplicates.h"
#include "engine/search/workspace.h"
#include "format/file/file_writer.h"
#include "format/file/mapped_file.h"

namespace cassata {

/// Answers queries over one file. Immutable; any number of threads.
class Searcher {
 public:
  virtual ~Searcher() = default;
  /// best[i] = the params.k best for query i, best first, ties by lower id, ids as the caller knows them. params.k is
  /// at most the size.
  virtual void search(const Batch& queries, const SearchParams& params,
                      std::span<std::vector<Candidate>> best) const = 0;
  /// The same by scoring every vector.
  virtual void search_exact(const Batch& queries, const SearchParams& params,
                            std::span<std::vector<Candidate>> best) const = 0;
  /// Checks every structural rule of the kind's own sections. Calls `reading` with each part before it is read. Throws
  /// Error(corrupt).
  virtual void verify(const Reading& reading) const = 0;
};

/// The vectors of a file, as they are stored.
struct StoredCodes {
  std::unique_ptr<Codes> first;   ///< that are searched
  std::unique_ptr<Codes> second;  ///< that the best of what was found is scored again by; null: there are none
  bool residual = false;          ///< a vector's score is the sum of both
  bool navigation = false;        ///< the first only guide the search
  bool tokens = false;            ///< the second are token vectors, by id and not by row
};

/// What a build works on; it writes sections and sets what the manifest says of them.
struct BuildTask {
  VectorStream& vectors;
  const BuildParams& params;
  BuildEncoders encoders;
  WorkFiles& files;
  FileWriter& writer;
  Manifest& manifest;
};

/// Exact search over any codes, for every kind that has them. `ids` are those of the rows; empty: their numbers.
void search_by_scan(const Codes& codes, Metric metric, std::span<const Id> ids, const Batch& queries,
                    const SearchParams& params, std::span<std::vector<Candidate>> best);

std::unique_ptr<Searcher> open_flat(const MappedFile& file, const StoredCodes& codes);
void build_flat(const BuildTask& task);

/// Of a file with inverted lists; exact where the kind is flat.
std::unique_ptr<Searcher> open_postings(const MappedFile& file, const StoredCodes& codes);
void build_postings(const BuildTask& task);

/// The rows of a graph that are not its nodes. Throws Error(corrupt) if there are not as many as the manifest says.
Duplicates open_duplicates(const MappedFile& file, const GraphEntry& entry);
std::unique_ptr<Searcher> open_graph(const MappedFile& file, const StoredCodes& codes);
/// Of a graph in pages. `codes.first` has no rows of its own: they lie in the pages.
std::unique_ptr<Searcher> open_paged(const MappedFile& file, const StoredCodes& codes, const GraphEntry& entry);
void build_graph(const BuildTask& task);

}  // namespace cassata
