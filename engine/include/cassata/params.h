// The parameters of all operations, with the defaults that the command line, Python and C++ share.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "cassata/bitmap.h"
#include "cassata/replace.h"
#include "cassata/residency.h"
#include "cassata/schema.h"
#include "cassata/types.h"

namespace cassata {

struct Payload;

/// The bytes that are compared with their hashes, besides header, manifest and warmed blocks.
enum class Verify {
  none,
  touched,  ///< rows, lists and pages before queries first use them, in blocks of 64 KiB, each once (docs/format.md,
            ///< Rules)
  all,      ///< every byte, and every structural rule, before any query, as Index::verify() does
};

class DocumentStream;

/// How an index is opened.
struct OpenParams {
  /// Not given: none for Index::open(), all for Index::reload().
  std::optional<Verify> verify = {};
  /// Sections that are read into memory before any query, as by Index::warm(). none: queries read the bytes that they
  /// need, and warm a graph's hot sections step by step.
  Resident resident = Resident::none;
  /// Lock these sections in memory.
  bool lock = false;
  /// True: a call that needs a page that cannot be read throws. False: SIGBUS ends the process (format/os/sigbus.h).
  bool sigbus_guard = true;
  Progress progress = {};
};

/// "none", "touched" or "all"; throws Error(invalid_argument) for another.
Verify parse_verify(std::string_view text);

/// "hot" or "all"; throws Error(invalid_argument) for another.
Resident parse_resident(std::string_view text);

/// Parameters of inverted lists.
struct ListParams {
  /// Most entries of a list: those with the largest absolute values. 0: all. Exact indexes ignore it, because they need
  /// all.
  std::uint32_t n_postings = 0;
  /// Share of the sum of a list's block maxima that is stored, largest first; over 0, at most 1. 1: all, so that the
  /// bounds hold, as exact indexes need.
  float summary_energy = 1;
  /// Number of nearest neighbours that are stored for each vector; a search also scores the neighbours of the best
  /// vectors. 0: none.
  std::uint32_t n_knn = 0;
  static constexpr std::uint32_t kMaxKnn = 256;
};

/// Parameters of a graph.
struct GraphParams {
  static constexpr std::uint32_t kMinM = 2, kMaxM = 512;
  /// Most neighbours of a node in the upper layers; twice as many in the base layer. kMinM to kMaxM. "M" in Malkov and
  /// Yashunin, TPAMI 2020.
  std::uint32_t m = 32;
  /// Candidates from which the neighbours of a new node are selected; at least 1. More make a better graph and a longer
  /// build.
  std::uint32_t ef_construction = 200;
};

/// Parameters of a build.
struct BuildParams {
  /// The index to build. The input determines the kind of vectors.
  IndexSchema schema = {};
  GraphParams graph = {};
  ListParams lists = {};
  /// Default ef_search of searches, stored in the file; 0: none, so that SearchParams::ef_search is the default.
  std::uint32_t ef_search = 0;
  /// Bytes of memory that the build of a graph may hold, collection and graph; 0: no bound. A bound changes the graph,
  /// but not its quality. With a path, work files lie beside it, in `<path>.build`, until the file is complete.
  std::uint64_t memory_budget = 0;
  /// Continues an interrupted build of the same input and parameters from its work files, if there are any. The file
  /// has the same bytes.
  bool resume = false;
  /// Time between commits of the work files, each at the end of an insertion batch. A commit takes time.
  std::chrono::milliseconds checkpoint_interval{5000};
  /// Threads; 0 = all processors. The file does not depend on it.
  unsigned num_threads = 0;
  /// External ids and fields to store with the vectors, borrowed; null: none.
  const Payload* payload = nullptr;
  /// What the file may replace.
  ReplaceParams replace = {};
  Progress progress = {};
  /// A document of each vector, stored in the file; borrowed. Null: none.
  DocumentStream* documents = nullptr;

  /// Throws Error(invalid_argument) naming the first field that is out of range.
  void check() const;
};

/// Parameters of joining an index and the token vectors of its documents.
struct TokenChoices {
  /// Layout of the tokens to take from the folder; none: the folder has one.
  std::optional<TokenLayout> layout = {};
  /// Subspaces of two-level tokens, compared with the files; none: not compared.
  std::optional<std::size_t> pq_subspaces = {};
  /// A .npy file with the callers' ids of the index's vectors, compared with the folder's ids.npy; empty: not compared.
  std::filesystem::path ids = {};
  /// What the file may replace.
  ReplaceParams replace = {};
  Progress progress = {};
};

/// Parameters of a search.
struct SearchParams {
  /// Results per query. 0: none. If it exceeds the size of the index, further places are empty.
  std::size_t k = 10;
  /// A graph traversal keeps the max(ef_search, k) best candidates; a search of inverted lists scores as many rows.
  /// Exact indexes ignore it.
  std::size_t ef_search = 200;
  /// Number of a query's inverted lists that are summed: those with the largest contribution. The final score uses all
  /// components. 0: all.
  std::size_t query_cut = 12;
  /// Row blocks are summed if their bound is at least this share of the k-th best sum so far, 0 to 1. Lower: more
  /// blocks, better recall.
  float heap_factor = 1;
  /// Lambda, 0 or more: a traversal continues while the next candidate's distance is within the worst distance in the
  /// beam relaxed by this share.
  float early_exit_threshold = 0;
  /// Candidates of the first stage that the second stage scores again. Indexes of one stage ignore this and the next
  /// three fields.
  std::size_t k_candidates = 100;
  /// Score a candidate again only if its first score is within the k-th first score relaxed by this share; 0 or more;
  /// none: score all.
  std::optional<float> alpha = {};
  /// Patience: once k candidates are scored again, stop after this many in a row that do not enter the top k; none:
  /// score all.
  std::optional<std::size_t> beta = {};
  /// With token vectors: a result's score is the sum of the scores of both stages.
  bool sum_stages = false;
  /// Filters: the row numbers that results may have. Empty: all; one: for all queries; else one for each query. A null
  /// pointer lets all rows through. Each is of the size of the index. Borrowed.
  std::span<const Bitmap* const> filters = {};
  /// Threads over the queries of a batch; 0 = all processors.
  unsigned num_threads = 1;

  void check() const;
};

}  // namespace cassata
