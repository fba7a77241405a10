// The public C++ interface: one class for every kind of index file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/metric.h"
#include "cassata/params.h"
#include "cassata/residency.h"
#include "cassata/stream.h"
#include "cassata/types.h"

namespace cassata {

struct Candidate;
class MappedFile;
class Searcher;

/// Where search results go: for query i, places i*k to i*k+k-1, best first, ties by lower id; places without a result
/// hold id -1 and the worst score (-inf if the largest score is the best, else inf). Borrowed.
struct Hits {
  std::span<std::int64_t> ids;
  std::span<float> scores;
};

/// An index file, opened. Immutable: any number of threads may use it at once, and references it hands out are valid as
/// long as it or a copy lives. Copies are cheap and share the mapping. IndexHandle follows a file that is replaced.
class Index {
 public:
  /// Opens `path` in a time that does not depend on its size, unless `params` asks for more. Whatever reads the file
  /// later throws Error(io) if it was truncated or a page of it cannot be read, and Error(corrupt) if it was changed in
  /// place, or a block that is warmed, or touched if `params` asks for it, differs from its hash. Then every later call
  /// throws the same. Throws Error: io, corrupt, incompatible, and as warm().
  static Index open(const std::filesystem::path& path, const OpenParams& params = {});

  /// Builds from all rows of `vectors` straight into `path`, which is replaced at the very end; with an empty path the
  /// index lives in an unnamed temporary file. The file depends on input and parameters, not on the number of threads.
  /// What stands at `path` must be an index file or empty, unless `params.replace` says otherwise. Throws Error:
  /// invalid_argument (input, params), io (disk full, another writer at work, another file at `path`; published(): the
  /// file stands, but may not survive a power loss).
  static Index build(VectorStream& vectors, const BuildParams& params, const std::filesystem::path& path = {});

  /// Puts the token vectors of the documents that `first` is over beside it, in one file that needs neither any more
  /// (`format/input/token_files.h` tells what `folder` holds). Tokens are streamed. `path` as of build(). Throws Error:
  /// invalid_argument (what does not fit: the file and the row are named), corrupt, io.
  static Index join(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                    const std::filesystem::path& path = {});

  /// Vectors in the index.
  std::uint64_t size() const noexcept;
  std::size_t dim() const noexcept;
  /// Length of a token vector, which queries have, too; 0: the index holds none.
  std::size_t token_dim() const noexcept;
  /// Width of a search that is asked for without one: what its build has found, else that of SearchParams.
  std::size_t default_ef_search() const noexcept;
  const Manifest& manifest() const noexcept;
  const MappedFile& file() const noexcept;
  /// Bytes of the sections that every query touches: what memory should hold for searches not to wait for the disk.
  std::uint64_t hot_bytes() const noexcept;
  /// The name of the class that stands for this kind of file, e.g. "DensePlainHNSW" (docs/python.md lists them).
  std::string_view class_name() const noexcept;

  /// Finds the best `params.k` for each row of `queries`. `out.ids` and `out.scores` hold queries.rows * params.k
  /// places. Throws Error(invalid_argument): wrong dimension, NaN or infinity, a length (L2) that is neither 0 nor
  /// 1e-15 to 2e18 (naming the row), params out of range.
  void search(const Batch& queries, const SearchParams& params, const Hits& out) const;

  /// Scores all vectors, whatever the kind: the exact answer that approximate search is judged by; by token vectors
  /// alone, where there are any. Ignores ef_search and sum_stages.
  void search_exact(const Batch& queries, const SearchParams& params, const Hits& out) const;

  /// Checks every byte against its hash, then every structural rule (ids below size, permutation complete, lists well
  /// formed). Each block is read from disk once, not through the mapping. Throws Error: corrupt (naming section and
  /// byte), io (a block cannot be read).
  void verify(const Progress& progress = {}) const;

  /// The same index, comparing rows, lists and pages with their hashes when queries first use them, as OpenParams of
  /// Verify::touched asks.
  Index with_touch_checks() const;

  /// Reads what `resident` names into memory, and keeps it there if asked to `lock`: MappedFile::warm() tells how.
  void warm(Resident resident, bool lock = false, const Progress& progress = {}) const;

  /// What of each section is in memory; MappedFile::residency() tells how far that is known.
  std::vector<SectionResidency> residency() const;

  /// Opens the file that stands now at the path that this index was opened from (or built at), as `params` asks. It
  /// must be of the same class and metric, with vectors (unless sparse) and tokens of the same dimension; all else may
  /// differ. It is verified whole unless `params.verify` says otherwise. Returns this index, and ignores the rest of
  /// `params`, if nobody has put another file there or changed this one in place. Throws Error as open(), or
  /// invalid_argument: another kind of file, or the index has no path.
  Index reopen(const OpenParams& params = {}) const;
  /// Whether both have the same content, by the uuid of their files.
  bool same_content(const Index& other) const noexcept;

  /// Publishes a copy of the file at `path`, checking hashes on the way. `path` and `replace` as of build(). Throws
  /// Error: io, corrupt.
  void save(const std::filesystem::path& path, const Progress& progress = {}, const ReplaceParams& replace = {}) const;

 private:
  struct State;
  using SearchFunction = void (Searcher::*)(const Batch&, const SearchParams&, std::span<std::vector<Candidate>>) const;
  void answer(const Batch& queries, const SearchParams& params, const Hits& out, SearchFunction function) const;
  explicit Index(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
  friend class IndexHandle;
};

/// Follows the file at a path: the index in use is replaced as a whole. Any number of threads.
class IndexHandle {
 public:
  explicit IndexHandle(Index index) : index_(std::move(index)) {}
  /// The index in use now. A search over it ends over the file that it began with.
  Index get() const;
  /// Puts get().reopen(params) in use. Returns whether its content is another. Throws Error as reopen(); then the one
  /// in use stays.
  bool reload(const OpenParams& params = {});

 private:
  mutable std::mutex mutex_;  // of the pointer alone
  Index index_;
};

/// The version of this library, "major.minor.patch".
std::string_view library_version() noexcept;
/// The instruction set that the kernels were dispatched to on this machine, e.g. "AVX3".
std::string_view simd_target() noexcept;

// Names as users write them; the parse functions throw Error(invalid_argument) that lists what is accepted.
std::string_view name_of(Metric metric) noexcept;      ///< e.g. "dotproduct"
std::string_view name_of(GraphType type) noexcept;     ///< e.g. "permuted"
std::string_view name_of(Encoding encoding) noexcept;  ///< e.g. "f16"
std::string_view name_of(Kind kind) noexcept;          ///< e.g. "hnsw"
/// In any case; also by the names that other libraries have for it, aliases_of() one.
Metric parse_metric(std::string_view text);
std::span<const std::string_view> aliases_of(Metric metric) noexcept;
GraphType parse_graph_type(std::string_view text);
Encoding parse_encoding(std::string_view text, VectorKind vector_kind = VectorKind::dense,
                        std::string_view name = "dtype");
/// How a class, by its name, stores vectors.
Encoding parse_dtype(std::string_view text, std::string_view class_name);
/// Codes that guide searches of a kind over vectors of a shape.
Encoding parse_navigation(std::string_view text, Kind kind, VectorKind vector_kind);
Kind parse_kind(std::string_view text);

}  // namespace cassata
