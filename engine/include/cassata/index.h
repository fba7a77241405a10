// The public C++ interface: one class for every kind of index file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cassata/documents.h"
#include "cassata/hits.h"
#include "cassata/manifest.h"
#include "cassata/metric.h"
#include "cassata/params.h"
#include "cassata/payload.h"
#include "cassata/residency.h"
#include "cassata/rows.h"
#include "cassata/stream.h"
#include "cassata/types.h"

namespace cassata {

struct Candidate;
class Bitmap;
class Condition;
class MappedFile;
class Searcher;

/// Where search results go: for query i, places i*k to i*k+k-1, best first, ties by lower row number; places without a
/// result hold id -1 and the worst score (-inf if the largest score is the best, else inf). Borrowed.
struct Hits {
  std::span<std::int64_t> ids;
  std::span<float> scores;
};

/// An open index file. Immutable: any number of threads may use it at once, and references that it returns are valid
/// while it or a copy lives. Copies are cheap and share the mapping. IndexHandle follows a file that is replaced.
class Index {
 public:
  /// Opens `path` in a time that does not depend on its size, unless `params` asks to verify or warm it; `check` is
  /// called before that, and may throw. Later calls that read the file throw Error(io) if it was truncated or a page
  /// cannot be read, and Error(corrupt) if it was changed in place, or if a block differs from its hash: blocks are
  /// compared when they are warmed and, with Verify::touched, before their first use. After such an error every later
  /// call throws the same. Throws Error: io, corrupt, incompatible, and as warm().
  static Index open(const std::filesystem::path& path, const OpenParams& params = {},
                    const std::function<void(const Index&)>& check = {});

  /// Builds from all rows of `vectors` into `path`, where the file appears when it is complete; with an empty path the
  /// index is in an unnamed temporary file. The file depends on input and parameters, not on the number of threads. A
  /// former file at `path` must be an index file or empty, unless `params.replace` permits others. Throws Error:
  /// invalid_argument (input, params), io (disk full, another writer of `path`, another file at `path`; published():
  /// the file is complete, but may not survive a power loss).
  static Index build(VectorStream& vectors, const BuildParams& params, const std::filesystem::path& path = {});

  /// Joins `first` and the token vectors of its documents in one new file, which needs neither of them, and has the
  /// external ids and fields of `first`.
  /// `format/input/token_files.h` describes the content of `folder`. Tokens are streamed. `path` as in build(). Throws
  /// Error: invalid_argument (files that do not fit each other; names the file and the row), corrupt, io.
  static Index join(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                    const std::filesystem::path& path = {});

  /// Number of vectors.
  std::uint64_t size() const noexcept;
  std::size_t dim() const noexcept;
  /// Dimension of the token vectors of documents and queries; 0: the index has no token vectors.
  std::size_t token_dim() const noexcept;
  /// The ef_search of a search that gives none: the value stored in the file, else the default of SearchParams.
  std::size_t default_ef_search() const noexcept;
  const Manifest& manifest() const noexcept;
  const MappedFile& file() const noexcept;
  /// The absolute path that the index was opened from or built at; empty: an unnamed temporary file.
  const std::filesystem::path& path() const noexcept;
  /// Bytes of the hot sections, which every query reads. Searches do not wait for the disk if memory holds them.
  std::uint64_t hot_bytes() const noexcept;
  /// The name of the class of such files, e.g. "DensePlainHNSW" (docs/python.md lists them).
  std::string_view class_name() const noexcept;
  /// The stored documents, by row; null: the file has none.
  const Documents* documents() const noexcept;

  /// The ids by which callers know the vectors; null: row numbers. Searches return row numbers all the same.
  const ExternalIds* external_ids() const noexcept;
  /// The row with an external id; without external ids, that of a row number. None: there is none. Throws
  /// Error(corrupt).
  std::optional<Id> row(const ExternalId& id) const;
  /// The fields of the vectors, none or more.
  const Fields& fields() const noexcept;
  /// The rows that a condition selects. The last few results are kept. Throws Error as Condition::rows().
  std::shared_ptr<const Bitmap> rows_where(const Condition& condition) const;

  /// The vectors of row numbers, in this order, in the most exact form that the file holds: those by which results are
  /// scored. f32 values are those of the build; of other encodings they are decoded, with residuals the sum of both
  /// stages. With metric cosine vectors have length 1. Token vectors cannot be read back: an index that has them
  /// returns the vectors of its first stage. Memory holds the result. Throws Error: invalid_argument (a row beyond the
  /// last), corrupt, io.
  Rows vectors(std::span<const Id> rows) const;

  /// Finds the best `params.k` for each row of `queries`. `out.ids` and `out.scores` hold queries.rows * params.k
  /// places. Throws Error(invalid_argument): wrong dimension, NaN or infinity, a length (L2) that is neither 0 nor
  /// 1e-15 to 2e18 (naming the row), params out of range.
  void search(const Batch& queries, const SearchParams& params, const Hits& out) const;

  /// Scores all vectors, for any kind of index: the exact results that approximate search is compared with. An index
  /// with token vectors scores by these alone. Ignores ef_search and sum_stages.
  void search_exact(const Batch& queries, const SearchParams& params, const Hits& out) const;

  /// Finds all vectors whose score for a query is `radius` or better: at least `radius` if the largest score is the
  /// best, else at most; of each query the `max_results` best at most. An infinite radius lets all vectors through.
  /// Exact on indexes of kind flat, and on inverted lists that are complete; others find about as much as search()
  /// does: they begin with ef_search and k_candidates of `params`, and widen both as far as the results of a query need
  /// it. Ignores params.k. Memory grows with the results. Throws Error as search(), and Error(invalid_argument) for a
  /// NaN as radius.
  HitLists range_search(const Batch& queries, float radius, const SearchParams& params,
                        std::size_t max_results = kMaxSize) const;

  /// The same, exact on any index: scores all vectors, or all that can be within the radius.
  HitLists range_search_exact(const Batch& queries, float radius, const SearchParams& params,
                              std::size_t max_results = kMaxSize) const;

  /// Checks every byte against its hash, then every structural rule (ids below size, permutation complete, lists well
  /// formed). Each block is read from disk once, not through the mapping. Throws Error: corrupt (naming section and
  /// byte), io (a block cannot be read).
  void verify(const Progress& progress = {}) const;

  /// Reads the sections that `resident` names into memory, and locks them there if `lock`: see SectionMemory::warm().
  void warm(Resident resident, bool lock = false, const Progress& progress = {}) const;

  /// How much of each section is in memory, as far as the system reports it: see SectionMemory::residency().
  std::vector<SectionResidency> residency() const;

  /// Opens the file that is now at the path that this index was opened from or built at, as `params` says. The file
  /// must be of the same class and metric, with vectors (unless sparse) and tokens of the same dimension; everything
  /// else may differ. Verifies the whole file unless `params.verify` is given. Returns this index, and ignores the rest
  /// of `params`, if the file at the path is the same and unchanged. Throws Error as open(), or invalid_argument:
  /// another kind of file, or the index has no path.
  Index reopen(const OpenParams& params = {}) const;
  /// Whether both files have the same uuid, and so the same content.
  bool same_content(const Index& other) const noexcept;

  /// Publishes a copy of the file at `path`, and checks hashes on the way. `path` and `replace` as in build(). Throws
  /// Error: io, corrupt.
  void save(const std::filesystem::path& path, const Progress& progress = {}, const ReplaceParams& replace = {}) const;

 private:
  struct State;
  using Best = std::vector<std::vector<Candidate>>;
  /// Calls `find` with the queries as searches take them, with `params` for at most size() results, and with a place
  /// for the results of each query, which it returns checked. The queries are checked.
  template <class Find>
  Best found(const Batch& queries, const SearchParams& params, Find find) const;
  template <class Find>
  void answer(const Batch& queries, const SearchParams& params, const Hits& out, Find find) const;
  template <class Find>
  HitLists answer_range(const Batch& queries, float radius, const SearchParams& params, std::size_t max_results,
                        Find find) const;
  explicit Index(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
  friend class IndexHandle;
};

/// An index that can be replaced as a whole, by the file that is now at its path, and closed. Any number of threads may
/// use it; functions that report progress may call it again.
class IndexHandle {
 public:
  explicit IndexHandle(Index index) : class_name_(index.class_name()), path_(index.path()), index_(std::move(index)) {}
  /// The index in use now. A running search finishes with the file that it began with. Throws Error(invalid_argument)
  /// after close().
  Index get() const;
  /// The path of the index in use, also after close().
  std::filesystem::path path() const;
  /// Replaces the index in use by get().reopen(params). Returns whether the content differs. Throws Error as these, and
  /// then keeps the index in use.
  bool reload(const OpenParams& params = {});
  /// get().save(). An index in an unnamed temporary file is replaced by the saved one.
  void save(const std::filesystem::path& path, const Progress& progress = {}, const ReplaceParams& replace = {});
  /// Releases the index.
  void close() noexcept;

 private:
  /// Puts `fresh` into the place of `former`. False: another thread has replaced or closed that meanwhile.
  bool replaced(const Index& former, const Index& fresh);

  std::string_view class_name_;
  mutable std::mutex mutex_;  // guards path_ and index_
  std::filesystem::path path_;
  std::optional<Index> index_;
};

/// The version of this library, "major.minor.patch".
std::string_view library_version() noexcept;
/// The instruction set that kernels use on this machine, e.g. "AVX3".
std::string_view simd_target() noexcept;

// Names as users write them; the parse functions throw Error(invalid_argument) that lists what is accepted.
std::string_view name_of(Metric metric);      ///< e.g. "dotproduct"
std::string_view name_of(GraphType type);     ///< e.g. "permuted"
std::string_view name_of(Encoding encoding);  ///< e.g. "f16"
std::string_view name_of(Kind kind);          ///< e.g. "hnsw"
/// Ignores case. Accepts the names that other libraries use, see aliases_of().
Metric parse_metric(std::string_view text);
std::span<const std::string_view> aliases_of(Metric metric);
GraphType parse_graph_type(std::string_view text);
Encoding parse_encoding(std::string_view text, VectorKind vector_kind = VectorKind::dense);
/// The encoding of the vectors of a class.
Encoding parse_dtype(std::string_view text, std::string_view class_name);
/// The encoding of a second stage that is given by name.
Encoding parse_rerank(std::string_view text, VectorKind vector_kind);
/// The encoding of traversal codes, for a kind of index and of vectors.
Encoding parse_navigation(std::string_view text, Kind kind, VectorKind vector_kind);
Kind parse_kind(std::string_view text);

}  // namespace cassata
