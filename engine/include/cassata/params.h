// What a caller may choose, with the defaults that the command line, Python and C++ share.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "cassata/manifest.h"
#include "cassata/replace.h"
#include "cassata/residency.h"
#include "cassata/types.h"

namespace cassata {

/// What of a file is compared with its hashes, besides header and manifest, and what is warmed.
enum class Verify {
  none,
  touched,  ///< rows, lists and pages when queries first use them, by blocks of 64 KiB, each once (docs/format.md,
            ///< Rules)
  all,      ///< every byte, and every structural rule, before any query, as Index::verify() does
};

/// How an index is opened.
struct OpenParams {
  /// Not given: none for Index::open(), all for Index::reload().
  std::optional<Verify> verify = {};
  /// What is read into memory before any query, as Index::warm() does; none: queries read what they touch, and little
  /// by little what others will.
  Resident resident = Resident::none;
  /// That stays in memory.
  bool lock = false;
  /// A page of the file that cannot be read any more is an error of the call that needs it. Else SIGBUS ends the
  /// process (format/os/sigbus.h).
  bool sigbus_guard = true;
  Progress progress = {};
};

/// "none", "touched" or "all"; throws Error(invalid_argument) for another.
Verify parse_verify(std::string_view text);

/// "hot" or "all"; throws Error(invalid_argument) for another.
Resident parse_resident(std::string_view text);

/// How what a search has found is scored again.
struct RerankChoices {
  /// Of the second codes; of the same shape as the first.
  Encoding encoding = Encoding::sparse_f16;
  CodeParams code = {};
  /// Of sparse vectors, the first codes keep the fewest entries that have this share of the sum of absolute values. 0
  /// to 100: all. Never none of a vector that has any.
  double prune_percentage = 100;
  /// The second codes hold only what the first leave out, and the scores are summed: for dot products, where the first
  /// leave something out.
  bool residual = false;
  /// The first codes only guide the walk: what it finds is scored again until many in a row are none of the best.
  bool navigation = false;

  /// Throws Error(invalid_argument), as BuildParams::check().
  void check() const;
};

/// How inverted lists are made.
struct PostingsChoices {
  /// The most entries of a list; those of largest absolute value are kept. 0: all. Ignored by exact indexes, which need
  /// all.
  std::uint32_t n_postings = 0;
  /// Share of the sum of a list's summary, its largest values block by block, that the summary keeps, smallest ones
  /// left out first; over 0, at most 1: the bounds hold, as exact indexes need it.
  float summary_energy = 1;
  /// Nearest neighbours of each vector that are kept, so that a search can look at those of the best it found. 0: none.
  std::uint32_t n_knn = 0;
  static constexpr std::uint32_t kMaxKnn = 256;

  /// Throws Error(invalid_argument), as BuildParams::check().
  void check() const;
};

/// How an index is built.
struct BuildParams {
  static constexpr std::uint32_t kMinM = 2, kMaxM = 512;

  Kind kind = Kind::graph;
  Metric metric = Metric::dot_product;
  Encoding encoding = Encoding::f32;
  CodeParams code = {};
  /// Second codes, by which the best that a search by `encoding` finds are scored again; none: there are no such codes.
  std::optional<RerankChoices> rerank = {};
  PostingsChoices postings = {};
  GraphType graph_type = GraphType::permuted;
  /// Neighbours of a node on the upper levels; twice as many on the ground level. kMinM to kMaxM. "M" in Malkov and
  /// Yashunin, TPAMI 2020.
  std::uint32_t m = 32;
  /// Candidates that are kept while a new node's neighbours are looked for; at least 1. More: better graph, longer
  /// build.
  std::uint32_t ef_construction = 200;
  /// Width of search that the file keeps, for searches that are asked for without one; 0: none, which is
  /// SearchParams::ef_search.
  std::uint32_t ef_search = 0;
  /// Bytes of memory that the build of a graph is to hold, collection and graph; 0: no bound. A smaller one makes
  /// another graph, as good. With a path to build to, what was done is kept beside it, in `<path>.build`, until the
  /// file is there.
  std::uint64_t memory_budget = 0;
  /// Goes on with what an interrupted build of the same input and parameters left there, if there is anything. Ends in
  /// the same bytes.
  bool resume = false;
  /// After how much time such a build keeps what it did, at the end of a batch of nodes. Costs some of it.
  std::chrono::milliseconds checkpoint_interval{5000};
  /// Threads; 0 = all processors. The file does not depend on it.
  unsigned num_threads = 0;
  /// What the file may replace.
  ReplaceParams replace = {};
  Progress progress = {};

  /// Throws Error(invalid_argument) naming the first field that is out of range.
  void check() const;
};

/// How token vectors are put beside an index of their documents.
struct TokenChoices {
  /// Of the tokens in the folder; none: that which there is.
  std::optional<TokenLayout> layout = {};
  /// Of tokens of two levels, what the files must agree with.
  std::optional<std::size_t> pq_subspaces = {};
  /// A .npy file of what the index's vectors are called outside, to be compared with the folder's ids.npy; empty:
  /// nothing is compared.
  std::filesystem::path ids = {};
  /// What the file may replace.
  ReplaceParams replace = {};
  Progress progress = {};
};

/// How an index is searched.
struct SearchParams {
  /// Results a query; 0 gives none, more than the index holds gives all that are found.
  std::size_t k = 10;
  /// A walk keeps the max(ef_search, k) best; a search of inverted lists scores as many rows. Ignored by exact indexes.
  std::size_t ef_search = 200;
  /// Components of a query whose inverted lists are summed: those that can add most to a score. The score itself is of
  /// all. 0: all.
  std::size_t query_cut = 12;
  /// Blocks of rows are summed whose bound is at least this share of the k-th best sum met, 0 to 1. Lower: more blocks,
  /// better recall.
  float heap_factor = 1;
  /// Lambda, 0 or more: the walk goes on while a node's score is within the worst kept one relaxed by it.
  float early_exit_threshold = 0;
  /// Results by the first codes that are scored again by the second; the next three are ignored where a file has no
  /// second codes.
  std::size_t k_candidates = 100;
  /// Only candidates whose first score is within the k-th one relaxed by this share are scored again; 0 or more, none:
  /// all are.
  std::optional<float> alpha = {};
  /// Once k are scored, ends after so many candidates in a row that are none of the k best; none: all are scored.
  std::optional<std::size_t> beta = {};
  /// Of an index with token vectors: a result's score is the sum of those of both stages.
  bool sum_stages = false;
  /// Threads over the queries of a batch; 0 = all processors.
  unsigned num_threads = 1;

  void check() const;
};

}  // namespace cassata
