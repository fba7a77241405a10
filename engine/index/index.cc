#include "cassata/index.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "cassata/error.h"
#include "cassata/parameters.h"
#include "engine/build/pipeline.h"
#include "engine/build/region_build.h"
#include "engine/graph/row_order.h"
#include "engine/index/answers.h"
#include "engine/index/registry.h"
#include "engine/index/schema.h"
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

void check_budget(const BuildParams& params, const VectorStream& vectors, const std::filesystem::path& path) {
  const std::uint64_t budget = params.memory_budget;
  if (params.resume && budget == 0)
    invalid_argument("resume: given without memory_budget, whose builds can be resumed");
  if (params.resume && path.empty())
    invalid_argument("resume: given without a path, beside which an interrupted build leaves what it did");
  if (budget == 0) return;
  if (params.schema.kind != Kind::graph)
    invalid_argument("memory_budget: given for kind '" + std::string(name_of(params.schema.kind)) + "', expected '" +
                     std::string(name_of(Kind::graph)) + "'");
  const std::size_t encodings = params.schema.second ? 2 : 1;
  if (const std::uint64_t least =
          least_budget(vectors.size(), vectors.vector_kind() == VectorKind::sparse ? encodings : 0);
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
  if (vectors.vector_kind() == VectorKind::dense && (vectors.dim() == 0 || vectors.dim() > kMaxDim))
    invalid_argument(vectors.name() + ": dim is " + std::to_string(vectors.dim()) + ", expected 1 to " +
                     std::to_string(kMaxDim));
  if (params.schema.has(Role::maxsim))
    invalid_argument(
        "role: maxsim given for a build, expected another; Index::join() puts token vectors beside an index");
  if (const std::string problem = problem_with(params.schema); !problem.empty()) invalid_argument(problem);
  check_budget(params, vectors, path);
  if (std::error_code none; vectors.is_file() && std::filesystem::equivalent(vectors.name(), path, none))
    invalid_argument("path: " + path.string() + " is the input, which the index would replace");
}

/// What the file's provenance says of a build, and what a build that goes on must agree with.
std::vector<std::pair<std::string, std::string>> described(const BuildParams& params) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, value] : recorded(params)) out.emplace_back(name, value_text(value));
  return out;
}

/// `params` with what depends on the vectors: product quantization in two stages cuts them into 32 unless told.
BuildParams completed(BuildParams params, const VectorStream& vectors) {
  constexpr std::size_t kUsualSubspaces = 32;
  params.schema.vector_kind = vectors.vector_kind();
  Stage& first = params.schema.first;
  if (first.encoding == Encoding::pq && first.code.m_pq == 0 && params.schema.second)
    first.code.m_pq = static_cast<std::uint32_t>(std::min(kUsualSubspaces, vectors.dim()));
  return params;
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
  if (m.size == 0 || m.size > kMaxSize)
    corrupt(place + std::to_string(m.size) + " vectors, expected 1 to " + std::to_string(kMaxSize));
  if (m.dim == 0) corrupt(place + "vectors of dimension 0");
  if (const std::string problem = problem_with(m.schema); !problem.empty()) corrupt(place + problem);
  return *class_of(m.schema);
}

/// The codes of a stage. The first stage of a paged graph has its rows in the pages.
std::unique_ptr<Codes> open_codes(const MappedFile& file, const Stage& stage, const std::string& section) {
  const EncodingRow& encoding = row_of(stage.encoding);
  const Manifest& m = file.manifest();
  const bool in_pages = m.schema.kind == Kind::graph && m.schema.graph == GraphType::paged && &stage == &m.schema.first;
  RowSections sections{.rows = file.section(section), .offsets = {}};
  if (encoding.vector_kind != VectorKind::dense) sections.offsets = file.section(section + std::string(kOffsetsSuffix));
  if (encoding.compact) sections.model = file.section(section + std::string(kModelSuffix));
  const std::size_t dim = encoding.vector_kind == VectorKind::tokens ? stage.code.token_dim : m.dim;
  auto codes =
      encoding.open(sections, in_pages ? 0 : m.size, {.dim = dim, .metric = m.schema.metric, .code = stage.code});
  return sections.rows.check ? touched_codes(std::move(codes)) : std::move(codes);
}

/// Checks the hot sections that are not warmed, if those that queries touch are to be checked. Rows and lists, which
/// are long, wait for their use.
void touch_short_sections(const MappedFile& file) {
  std::vector<std::string> later = {std::string(kListsSection)};
  for (const CodesEntry& codes : file.manifest().codes())
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
    codes.first = open_codes(*file, m.schema.first, m.first_section);
    if (m.schema.second) codes.second = open_codes(*file, *m.schema.second, m.second_section);
    searcher = row_of(m.schema.kind).open(*file, codes);
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
  std::size_t token_dim() const noexcept { return file->manifest().schema.has(Role::maxsim) ? codes.second->dim() : 0; }

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
    compare("metric ", name_of(file->manifest().schema.metric), name_of(former.file->manifest().schema.metric));
    if (file->manifest().schema.vector_kind == VectorKind::dense) compare("vectors of dim ", dim(), former.dim());
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

Index Index::build(VectorStream& vectors, const BuildParams& given, const std::filesystem::path& path) {
  BuildParams params = completed(given, vectors);
  check_build(vectors, params, path);
  FileWriter writer(path, params.replace);
  const std::unique_ptr<WorkFiles> files = work_files(vectors, params, path, writer);
  Manifest manifest{.schema = params.schema,
                    .size = vectors.size(),
                    .dim = static_cast<std::uint32_t>(vectors.dim()),
                    .first_section = std::string(kRowsSection),
                    .ef_search = params.ef_search};
  if (params.schema.second) manifest.second_section = kRerankSection;
  SampledStream sampled(vectors);
  row_of(params.schema.kind).build({sampled, params, encoders_of(params, vectors.dim()), *files, writer, manifest});
  manifest.provenance = {
      .library_version = std::string(library_version()), .inputs = {vectors.entry()}, .parameters = described(params)};
  const auto check = [&](const std::shared_ptr<const MappedFile>& opened, Manifest& amended) {
    const State state(opened, {});
    amended.provenance.self_check = self_check(*state.searcher, amended, sampled.sample(), params.num_threads);
  };
  auto file = writer.finish(std::move(manifest), params.schema.kind == Kind::flat ? FileWriter::Check() : check);
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
  check_search(queries, {.vector_kind = manifest.schema.vector_kind, .dim = now->dim(), .token_dim = now->token_dim()},
               params.k, out);
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
  put_hits(best, queries, manifest.schema.metric, params.k, out);
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
std::string_view simd_target() noexcept { return kernels::target_name(); }

}  // namespace cassata
