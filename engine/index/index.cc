#include "cassata/index.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "cassata/error.h"
#include "engine/build/pipeline.h"
#include "engine/build/region_build.h"
#include "engine/graph/row_order.h"
#include "engine/index/answers.h"
#include "engine/index/registry.h"
#include "engine/index/searcher.h"
#include "engine/index/self_check.h"
#include "engine/kernels/dense_distance.h"
#include "engine/lists/posting_lists.h"
#include "engine/multivector/join.h"
#include "engine/search/touched_rows.h"
#include "format/file/file_writer.h"
#include "format/os/memory.h"

namespace cassata {
namespace {

/// What is wrong with `metric` where there are only `known` ones; empty if it is one of them. `whose` is what has them.
std::string metric_mismatch(Metric metric, std::span<const Metric> known, const std::string& whose) {
  if (std::ranges::count(known, metric) != 0) return {};
  std::string expected;
  for (const Metric one : known) expected += (expected.empty() ? "'" : ", '") + std::string(name_of(one)) + "'";
  return "metric: '" + std::string(name_of(metric)) + "' given, expected one that " + whose + " has: " + expected;
}
std::string metric_mismatch(Metric metric, const EncodingRow& encoding) {
  return metric_mismatch(metric, encoding.metrics, "encoding '" + std::string(encoding.name) + "'");
}
std::string metric_mismatch(Metric metric, const ClassRow& row) {
  return metric_mismatch(metric, row.metrics, "a " + std::string(row.name));
}

/// Whether scores by codes of dense vectors add up: of what `first` leaves out `second` can hold most.
bool add_up(Encoding first, Encoding second) { return first != Encoding::pq && row_of(second).compact; }

/// Whether first codes leave anything out, and second ones can hold just that.
void check_residual(const BuildParams& params, Shape shape) {
  const RerankChoices& second = *params.rerank;
  if (shape == Shape::dense && second.prune_percentage != 100)
    invalid_argument("prune_percentage: given for dense vectors, of which nothing is pruned");
  if (!second.residual) return;
  if (second.navigation) invalid_argument("residual: given with navigation, whose second codes are whole vectors");
  if (params.metric != Metric::dot_product)
    invalid_argument("residual: given with metric '" + std::string(name_of(params.metric)) +
                     "', expected 'dotproduct'");
  if (shape == Shape::sparse && second.prune_percentage == 100)
    invalid_argument("residual: given with a prune_percentage of 100, which leaves nothing out");
  if (shape == Shape::dense && !add_up(params.encoding, second.encoding))
    invalid_argument("residual: given with first codes '" + std::string(name_of(params.encoding)) +
                     "' and second codes '" + std::string(name_of(second.encoding)) +
                     "', expected rabitq, int8 or int4, and rabitq");
}

/// What only some encodings leave open is not given for others. `prefix` begins the names of what is given.
void check_code(Encoding encoding, const CodeParams& code, const std::string& prefix) {
  const auto refuse = [&](const char* name, const char* expected) {
    invalid_argument(prefix + name + ": given for vectors stored as '" + std::string(name_of(encoding)) +
                     "', expected '" + expected + "'");
  };
  if (encoding != Encoding::pq && code.m_pq != 0) refuse("m_pq", "pq");
  if (encoding != Encoding::pq && code.rotated) refuse("opq", "pq");
  if (encoding != Encoding::rabitq && code.bits != 0) refuse("bits", "rabitq");
}

/// Throws Error(invalid_argument) unless there is an index of such a kind, over vectors that are stored so.
void check_class(const BuildParams& params, const VectorStream& vectors) {
  std::vector<Encoding> encodings = {params.encoding};
  if (params.rerank) encodings.push_back(params.rerank->encoding);
  for (const Encoding encoding : encodings) {
    if (row_of(encoding).shape != vectors.shape())
      invalid_argument(vectors.name() + ": the encoding is for vectors of another shape (dense or sparse)");
    if (const std::string mismatch = metric_mismatch(params.metric, row_of(encoding)); !mismatch.empty())
      invalid_argument(mismatch);
  }
  const ClassRow* const row = class_of(params);
  if (row == nullptr && params.rerank && params.rerank->navigation)
    parse_navigation(name_of(params.encoding), params.kind, vectors.shape());
  if (row == nullptr && !params.rerank && class_of(params.kind, params.encoding, Second::rerank) != nullptr)
    invalid_argument("dtype: '" + std::string(name_of(params.encoding)) + "' given for kind '" +
                     std::string(name_of(params.kind)) + "' without rerank, expected second codes, too");
  if (row == nullptr && params.rerank && class_of(params.kind, params.encoding, Second::none) != nullptr)
    invalid_argument("rerank: given, which there is not for kind '" + std::string(name_of(params.kind)) +
                     "' over such vectors");
  if (row == nullptr)
    invalid_argument("kind: '" + std::string(name_of(params.kind)) + "' given, which there is not for " +
                     (vectors.shape() == Shape::sparse ? "sparse" : "dense") + " vectors stored as '" +
                     std::string(name_of(params.encoding)) + "'");
  if (const std::string mismatch = metric_mismatch(params.metric, *row); !mismatch.empty()) invalid_argument(mismatch);
  if (params.kind == Kind::graph && row_of(params.graph_type).guided && row->second != Second::navigation)
    invalid_argument("graph_type: '" + std::string(name_of(params.graph_type)) +
                     "' given without navigation, expected dense vectors, and codes that guide the walk");
  check_code(params.encoding, params.code, "");
  if (!params.rerank) return;
  check_code(params.rerank->encoding, params.rerank->code, "rerank_");
  check_residual(params, vectors.shape());
  if (std::ranges::count(row->seconds, params.rerank->encoding) == 0)
    invalid_argument("rerank: '" + std::string(name_of(params.rerank->encoding)) + "' given, expected one of " +
                     names_of(row->seconds));
}

void check_budget(const BuildParams& params, const VectorStream& vectors, const std::filesystem::path& path) {
  const std::uint64_t budget = params.memory_budget;
  if (params.resume && budget == 0)
    invalid_argument("resume: given without memory_budget, whose builds can be resumed");
  if (params.resume && path.empty())
    invalid_argument("resume: given without a path, beside which an interrupted build leaves what it did");
  if (budget == 0) return;
  if (params.kind != Kind::graph)
    invalid_argument("memory_budget: given for kind '" + std::string(name_of(params.kind)) + "', expected '" +
                     std::string(name_of(Kind::graph)) + "'");
  const std::size_t encodings = params.rerank ? 2 : 1;
  if (const std::uint64_t least = least_budget(vectors.size(), vectors.shape() == Shape::sparse ? encodings : 0);
      budget < least)
    invalid_argument("memory_budget: " + bytes_text(budget) + " given, expected at least " + bytes_text(least) +
                     " for " + std::to_string(vectors.size()) + " vectors");
}

/// Throws Error(invalid_argument) unless `params` can be followed, over `vectors`.
void check_build(const VectorStream& vectors, const BuildParams& params, const std::filesystem::path& path) {
  params.check();
  if (vectors.size() == 0) invalid_argument(vectors.name() + ": 0 vectors, expected at least 1");
  if (vectors.size() > kMaxSize)
    invalid_argument(vectors.name() + ": " + std::to_string(vectors.size()) + " vectors, expected at most " +
                     std::to_string(kMaxSize));
  if (vectors.shape() == Shape::dense && (vectors.dim() == 0 || vectors.dim() > kMaxDim))
    invalid_argument(vectors.name() + ": dim is " + std::to_string(vectors.dim()) + ", expected 1 to " +
                     std::to_string(kMaxDim));
  check_class(params, vectors);
  check_budget(params, vectors, path);
  if (std::error_code none; vectors.is_file() && std::filesystem::equivalent(vectors.name(), path, none))
    invalid_argument("path: " + path.string() + " is the input, which the index would replace");
}

/// The shortest text that is read as this number.
std::string shortest(double number) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

std::vector<std::pair<std::string, std::string>> described(const BuildParams& params) {
  std::vector<std::pair<std::string, std::string>> out = {
      {"kind", std::string(name_of(params.kind))},
      {"metric", std::string(name_of(params.metric))},
      {"dtype",
       std::string(name_of(params.rerank && params.rerank->navigation ? params.rerank->encoding : params.encoding))}};
  if (params.rerank && params.rerank->navigation) out.emplace_back("navigation", name_of(params.encoding));
  if (params.kind == Kind::graph) {
    out.emplace_back("graph_type", name_of(params.graph_type));
    out.emplace_back("m", std::to_string(params.m));
    out.emplace_back("ef_construction", std::to_string(params.ef_construction));
  }
  if (params.kind == Kind::postings) {
    out.emplace_back("n_postings", std::to_string(params.postings.n_postings));
    out.emplace_back("summary_energy", shortest(params.postings.summary_energy));
    out.emplace_back("n_knn", std::to_string(params.postings.n_knn));
  }
  if (params.rerank && !params.rerank->navigation) {
    out.emplace_back("rerank", name_of(params.rerank->encoding));
    if (params.rerank->code.bits != 0) out.emplace_back("rerank_bits", std::to_string(params.rerank->code.bits));
    if (row_of(params.encoding).shape == Shape::sparse)
      out.emplace_back("prune_percentage", shortest(params.rerank->prune_percentage));
    out.emplace_back("residual", params.rerank->residual ? "true" : "false");
  }
  if (params.code.m_pq != 0) out.emplace_back("m_pq", std::to_string(params.code.m_pq));
  if (params.code.rotated) out.emplace_back("opq", "true");
  if (params.code.bits != 0) out.emplace_back("bits", std::to_string(params.code.bits));
  if (params.ef_search != 0) out.emplace_back("ef_search", std::to_string(params.ef_search));
  if (params.memory_budget != 0) out.emplace_back("memory_budget", std::to_string(params.memory_budget));
  return out;
}

/// Where a build keeps what it has not yet put into its file.
std::unique_ptr<WorkFiles> work_files(const VectorStream& vectors, const BuildParams& params,
                                      const std::filesystem::path& path, const FileWriter& writer) {
  if (params.memory_budget == 0 || path.empty()) return std::make_unique<WorkFiles>(writer.folder());
  std::string what = "cassata " + std::string(library_version()) + "\nbuild " + std::to_string(kRegionBuildVersion) +
                     "\nsimd " + std::string(simd_target()) + "\nvectors " + std::to_string(vectors.size()) +
                     " of dimension " + std::to_string(vectors.dim()) + " in " + vectors.name() + "\n";
  for (const auto& [name, value] : described(params)) what += name + " " + value + "\n";
  return std::make_unique<WorkFiles>(path, what, params.resume);
}

/// Throws Error(invalid_argument) if the file that a join is to write is one of those that it reads, or another of
/// their folder.
void check_replaces_none(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                         const std::filesystem::path& path) {
  std::error_code
      none;  // what is not there cannot be replaced, and what cannot be looked at will be told where it is opened
  if (path.empty() || !std::filesystem::exists(path, none)) return;
  const auto check = [&](const std::filesystem::path& input, const char* what) {
    if (std::error_code other; std::filesystem::equivalent(input, path, other))
      invalid_argument("path: " + path.string() + " is " + what + " that is read, which the index would replace");
  };
  check(first.file().path(), "the index");
  check(choices.ids, "the file of ids");
  for (std::filesystem::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none))
    check(entry->path(), "a file of the folder");
}

/// What the manifest says of the vectors, checked against what this version can search. Returns the class that it
/// describes.
const ClassRow& check_manifest(const MappedFile& file) {
  const Manifest& m = file.manifest();
  const std::string place = file.manifest_place();
  if (m.codes.empty()) corrupt(place + "no encoding of the vectors");
  if (m.size == 0 || m.size > kMaxSize)
    corrupt(place + std::to_string(m.size) + " vectors, expected 1 to " + std::to_string(kMaxSize));
  if (m.dim == 0) corrupt(place + "vectors of dimension 0");
  for (const CodesEntry& entry : m.codes) {
    const EncodingRow& encoding = row_of(entry.encoding);
    const bool tokens = encoding.shape == Shape::tokens && &entry != &m.codes.front();
    if (encoding.shape != m.shape && !tokens) corrupt(place + "an encoding of another shape than the vectors'");
    if (tokens && (entry.code.token_dim == 0 || entry.code.token_dim > kMaxDim))
      corrupt(place + "tokens of dimension " + std::to_string(entry.code.token_dim) + ", expected 1 to " +
              std::to_string(kMaxDim));
    if (const std::string mismatch = metric_mismatch(m.metric, encoding); !mismatch.empty()) corrupt(place + mismatch);
  }
  const ClassRow* const row = class_of(m);
  if (m.codes.size() > 2 || (m.codes.size() == 2 && (row == nullptr || !m.rerank)))
    throw Error(
        Errc::incompatible,
        place + std::to_string(m.codes.size()) +
            " encodings of the vectors, which this version does not read in such a file; a newer Cassata wrote it");
  if (row == nullptr) corrupt(place + "a kind of index that there is not over such vectors");
  if (const std::string mismatch = metric_mismatch(m.metric, *row); !mismatch.empty()) corrupt(place + mismatch);
  if (m.rerank && m.codes.size() != 2) corrupt(place + "an entry for reranking, but one encoding");
  if (m.rerank && std::ranges::count(row->seconds, m.codes[1].encoding) == 0)
    corrupt(place + "second codes of encoding '" + std::string(name_of(m.codes[1].encoding)) + "', expected one of " +
            names_of(row->seconds));
  if (m.rerank && row_of(m.codes[1].encoding).shape == Shape::tokens && (m.rerank->residual || m.rerank->navigation))
    corrupt(place + "token vectors that guide the search or add to its scores, which there are not");
  if (m.rerank && m.rerank->residual && m.shape == Shape::dense &&
      (m.rerank->navigation || m.metric != Metric::dot_product || !add_up(m.codes[0].encoding, m.codes[1].encoding)))
    corrupt(place + "a residual, which there is not with such metric and codes");
  if (m.kind == Kind::graph && m.graph && row_of(m.graph->type).guided && row->second != Second::navigation)
    corrupt(place + "a graph of type '" + std::string(name_of(m.graph->type)) + "' without codes that guide the walk");
  if (m.rerank && !(m.rerank->prune_percentage >= 0 && m.rerank->prune_percentage <= 100))
    corrupt(place + "prune_percentage is " + std::to_string(m.rerank->prune_percentage) + ", expected 0 to 100");
  return *row;
}

std::unique_ptr<Codes> open_codes(const MappedFile& file, const CodesEntry& entry) {
  const EncodingRow& encoding = row_of(entry.encoding);
  const Manifest& m = file.manifest();
  const bool in_pages = m.graph && m.graph->type == GraphType::paged && &entry == &m.codes.front();
  RowSections sections{.rows = file.section(entry.section), .offsets = {}};
  if (encoding.shape != Shape::dense) sections.offsets = file.section(entry.section + std::string(kOffsetsSuffix));
  if (encoding.compact) sections.model = file.section(entry.section + std::string(kModelSuffix));
  const std::size_t dim = encoding.shape == Shape::tokens ? entry.code.token_dim : m.dim;
  auto codes = encoding.open(sections, in_pages ? 0 : m.size, {.dim = dim, .metric = m.metric, .code = entry.code});
  return sections.rows.check ? touched_codes(std::move(codes)) : std::move(codes);
}

/// Checks the hot sections that are not warmed, if those that queries touch are to be checked. Rows and lists, which
/// are long, wait for their use.
void touch_short_sections(const MappedFile& file) {
  std::vector<std::string> later = {std::string(kListsSection)};
  for (const CodesEntry& codes : file.manifest().codes)
    later.insert(later.end(), {codes.section, codes.section + std::string(kOffsetsSuffix)});
  for (const SectionEntry& entry : file.manifest().sections) {
    if (entry.tier != Tier::hot || std::ranges::count(later, entry.name) != 0) continue;
    const Section section = file.section(entry.name);
    section.touch(section.bytes);
  }
}

}  // namespace

struct Index::State {
  std::shared_ptr<const MappedFile> file;
  std::filesystem::path path;  // of reload(); empty: a temporary file
  std::string_view class_name;
  StoredCodes codes;
  std::unique_ptr<Searcher> searcher;

  State(std::shared_ptr<const MappedFile> opened, const std::filesystem::path& from)
      : file(std::move(opened)),
        path(from.empty() ? from : std::filesystem::absolute(from)),
        class_name(check_manifest(*file).name) {
    const Manifest& m = file->manifest();
    codes.first = open_codes(*file, m.codes.front());
    if (m.rerank) codes.second = open_codes(*file, m.codes[1]);
    codes.residual = m.rerank && m.rerank->residual;
    codes.navigation = m.rerank && m.rerank->navigation;
    codes.tokens = m.rerank && row_of(m.codes[1].encoding).shape == Shape::tokens;
    searcher = row_of(m.kind).open(*file, codes);
    touch_short_sections(*file);
  }

  /// Over a file that was opened; what stands at `from`.
  static std::shared_ptr<const State> open(std::shared_ptr<const MappedFile> opened,
                                           const std::filesystem::path& from) {
    std::shared_ptr<const State> state;
    opened->reading([&] { state = std::make_shared<State>(opened, from); });
    return state;
  }

  std::uint64_t size() const noexcept { return file->manifest().size; }
  std::size_t dim() const noexcept { return codes.first->dim(); }
  std::size_t token_dim() const noexcept { return codes.tokens ? codes.second->dim() : 0; }

  void verify(const Progress& progress) const {
    file->verify(progress, [this](const Reading& reading) {
      codes.first->verify(reading);
      if (codes.second) codes.second->verify(reading);
      searcher->verify(reading);
    });
  }

  /// Throws Error(invalid_argument) unless queries that `former` answers can be asked of this one.
  void check_replaces(const State& former) const {
    const auto compare = [&](const char* what, const auto& found, const auto& expected) {
      if (found != expected)
        invalid_argument(file->path() + ": now holds " + what + quoted(found) + ", expected " + quoted(expected) +
                         " as before");
    };
    compare("a ", class_name, former.class_name);
    compare("metric ", name_of(file->manifest().metric), name_of(former.file->manifest().metric));
    if (file->manifest().shape == Shape::dense) compare("vectors of dim ", dim(), former.dim());
    compare("tokens of dim ", token_dim(), former.token_dim());
  }

 private:
  static std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }
  static std::string quoted(std::size_t number) { return std::to_string(number); }
};

std::shared_ptr<const Index::State> Index::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Index& Index::operator=(const Index& other) {
  auto state = other.state();
  const std::lock_guard lock(mutex_);
  state_.swap(state);
  return *this;
}

Index Index::open(const std::filesystem::path& path, const OpenParams& params) {
  const auto lost = params.sigbus_guard ? Mapping::Lost::is_noted : Mapping::Lost::ends_process;
  Index index(State::open(MappedFile::open(path, {}, lost), path));
  if (params.verify == Verify::touched) index.check_touched();
  if (params.verify == Verify::all) index.verify(params.progress);
  index.warm(params.resident, params.lock, params.progress);
  return index;
}

bool Index::reload(const OpenParams& params) {
  for (;;) {
    const std::shared_ptr<const State> former = state();
    if (former->path.empty())
      invalid_argument(
          "reload: the index is in an unnamed temporary file, whose place no other takes; save it at a path and open "
          "that first");
    try {
      if (FileId::of(former->path) == former->file->id() && former->file->unchanged()) return false;
      const Verify verify = params.verify.value_or(Verify::all);
      const Verify at_once = verify == Verify::all ? Verify::none : verify;
      Index fresh = open(former->path, {.verify = at_once, .sigbus_guard = params.sigbus_guard});
      fresh.state_->check_replaces(*former);
      if (verify == Verify::all) fresh.verify(params.progress);
      fresh.warm(params.resident, params.lock, params.progress);
      const std::lock_guard lock(mutex_);
      if (state_ != former) continue;  // another thread was faster, and may have found a newer file or an older one
      state_.swap(fresh.state_);
      return state_->file->header().uuid != former->file->header().uuid;
    } catch (const Error& e) {
      throw Error(e.code(), std::string(e.what()) + "; the file opened before stays in use", e.system_error());
    }
  }
}

void Index::check_touched() {
  const std::shared_ptr<const State> now = state();
  now->file->check_touched();
  auto fresh = State::open(now->file, now->path);
  const std::lock_guard lock(mutex_);
  state_ = std::move(fresh);
}

Index Index::build(VectorStream& vectors, const BuildParams& params, const std::filesystem::path& path) {
  check_build(vectors, params, path);
  FileWriter writer(path, params.replace);
  const std::unique_ptr<WorkFiles> files = work_files(vectors, params, path, writer);
  Manifest manifest;
  manifest.kind = params.kind;
  manifest.shape = row_of(params.encoding).shape;
  manifest.metric = params.metric;
  manifest.size = vectors.size();
  manifest.dim = static_cast<std::uint32_t>(vectors.dim());
  manifest.ef_search = params.ef_search;
  manifest.codes = {{params.encoding, std::string(kRowsSection), params.code}};
  if (params.rerank) {
    manifest.codes.push_back({params.rerank->encoding, std::string(kRerankSection), params.rerank->code});
    manifest.rerank = {params.rerank->prune_percentage, params.rerank->residual, params.rerank->navigation};
  }
  SampledStream sampled(vectors);
  row_of(params.kind).build({sampled, params, encoders_of(params, vectors.dim()), *files, writer, manifest});
  manifest.provenance = {
      .library_version = std::string(library_version()), .inputs = {vectors.entry()}, .parameters = described(params)};
  const auto check = [&](const std::shared_ptr<const MappedFile>& opened, Manifest& amended) {
    const State state(opened, {});
    amended.provenance.self_check = self_check(*state.searcher, amended, sampled.sample(), params.num_threads);
  };
  auto file = writer.finish(std::move(manifest), params.kind == Kind::flat ? FileWriter::Check() : check);
  files->drop();
  return Index(State::open(std::move(file), path));
}

Index Index::join(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                  const std::filesystem::path& path) {
  check_replaces_none(first, folder, choices, path);
  FileWriter writer(path, choices.replace);
  Manifest manifest;
  first.file().reading([&] { manifest = write_multivector(first, folder, choices, writer); });
  return Index(State::open(writer.finish(std::move(manifest)), path));
}

std::uint64_t Index::size() const noexcept { return state()->size(); }
std::size_t Index::dim() const noexcept { return state()->dim(); }
std::size_t Index::token_dim() const noexcept { return state()->token_dim(); }
std::size_t Index::default_ef_search() const noexcept {
  const std::uint32_t found = state()->file->manifest().ef_search;
  return found != 0 ? found : SearchParams().ef_search;
}
const Manifest& Index::manifest() const noexcept { return state()->file->manifest(); }
const MappedFile& Index::file() const noexcept { return *state()->file; }
std::uint64_t Index::hot_bytes() const noexcept { return state()->file->hot_bytes(); }
std::string_view Index::class_name() const noexcept { return state()->class_name; }

void Index::search(const Batch& queries, const SearchParams& params, const Hits& out) const {
  answer(queries, params, out, &Searcher::search);
}

void Index::search_exact(const Batch& queries, const SearchParams& params, const Hits& out) const {
  answer(queries, params, out, &Searcher::search_exact);
}

void Index::answer(const Batch& queries, const SearchParams& params, const Hits& out, SearchFunction function) const {
  const std::shared_ptr<const State> now = state();  // whatever is reloaded meanwhile
  const Manifest& manifest = now->file->manifest();
  params.check();
  check_search(queries, {.shape = manifest.shape, .dim = now->dim(), .token_dim = now->token_dim()}, params.k, out);
  SearchParams bounded = params;
  bounded.k = std::min<std::uint64_t>(params.k, now->size());
  std::vector<std::vector<Candidate>> best(queries.rows);
  now->file->reading([&] {
    (*now->searcher.*function)(OrderedQueries(queries).batch(), bounded, best);
    for (const std::vector<Candidate>& found : best)
      for (const Candidate& hit : found)
        if (hit.id >= now->size())  // only a damaged file has such
          corrupt(now->file->path() + ": section '" + std::string(kIdsSection) + "': id " + std::to_string(hit.id) +
                  ", expected one below " + std::to_string(now->size()));
  });
  put_hits(best, queries, manifest.metric, params.k, out);
}

void Index::verify(const Progress& progress) const { state()->verify(progress); }

void Index::warm(Resident resident, bool lock, const Progress& progress) const {
  const auto file = state()->file;
  file->reading([&] { file->warm(resident, lock, progress); });
}
std::vector<SectionResidency> Index::residency() const { return state()->file->residency(); }

void Index::save(const std::filesystem::path& path, const Progress& progress, const ReplaceParams& replace) const {
  copy_file(*state()->file, path, progress, replace);
}

std::string_view library_version() noexcept { return CASSATA_VERSION; }
std::string_view simd_target() noexcept { return kernels::dense::target_name(); }

}  // namespace cassata
