#include "cassata/index.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "cassata/bitmap.h"
#include "cassata/condition.h"
#include "cassata/error.h"
#include "cassata/payload.h"
#include "engine/graph/row_order.h"
#include "engine/index/answers.h"
#include "engine/index/build_index.h"
#include "engine/index/range.h"
#include "engine/index/registry.h"
#include "engine/index/schema_rules.h"
#include "engine/index/searcher.h"
#include "engine/index/self_check.h"
#include "engine/index/stored_vectors.h"
#include "engine/kernels/dense_distance.h"
#include "engine/lists/posting_lists.h"
#include "engine/multivector/join.h"
#include "engine/payload/stored_documents.h"
#include "engine/search/touched_rows.h"
#include "format/base/text.h"
#include "format/file/file_writer.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

/// Throws Error(invalid_argument) if the output of a join is one of its inputs, or another file in their folder.
void check_replaces_none(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                         const std::filesystem::path& path) {
  std::error_code none;  // a missing file cannot be replaced, and other errors are reported when it is opened
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

/// Checks that this version can search the vectors that the manifest describes. Returns their class.
const ClassRow& check_manifest(const MappedFile& file) {
  const Manifest& m = file.manifest();
  const std::string place = file.manifest_place();
  if (m.size == 0 || m.size > kMaxSize)
    corrupt(place + std::to_string(m.size) + " vectors, expected 1 to " + std::to_string(kMaxSize));
  if (m.dim == 0) corrupt(place + "vectors of dimension 0");
  if (const std::string problem = problem_with(m.schema); !problem.empty()) corrupt(place + problem);
  return *class_of(m.schema);
}

/// The codes of a stage.
std::unique_ptr<Codes> open_codes(const MappedFile& file, const Stage& stage, const std::string& section) {
  const EncodingRow& encoding = row_of(stage.encoding);
  const Manifest& m = file.manifest();
  RowSections sections{.rows = file.section(section), .offsets = {}};
  if (encoding.vector_kind != VectorKind::dense) sections.offsets = file.section(section + std::string(kOffsetsSuffix));
  if (encoding.compact) sections.model = file.section(section + std::string(kModelSuffix));
  const std::size_t dim = encoding.vector_kind == VectorKind::tokens ? stage.code.token_dim : m.dim;
  auto codes = encoding.open(sections, m.size, {.dim = dim, .metric = m.schema.distance(), .code = stage.code});
  return sections.rows.check ? touched_codes(std::move(codes)) : std::move(codes);
}

/// With Verify::touched, checks the hot sections that are not warmed. Rows and lists, which are long, are checked on
/// first use.
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

/// The rows that the last conditions selected. Any number of threads.
class SelectedRows {
 public:
  /// The rows of `condition`; find() finds them if they are not kept.
  template <class Find>
  std::shared_ptr<const Bitmap> rows(const std::string& condition, Find find) {
    {
      const std::lock_guard lock(mutex_);
      const auto kept = std::ranges::find(kept_, condition, &Kept::first);
      if (kept != kept_.end()) {
        std::rotate(kept_.begin(), kept, kept + 1);
        return kept_.front().second;
      }
    }
    auto found = std::make_shared<const Bitmap>(find());
    const std::lock_guard lock(mutex_);
    const std::size_t most = std::clamp<std::size_t>(kMostBytes / (found->words().size_bytes() + 1), 1, kMost);
    while (kept_.size() >= most) kept_.pop_back();
    kept_.emplace(kept_.begin(), condition, found);
    return found;
  }

 private:
  using Kept = std::pair<std::string, std::shared_ptr<const Bitmap>>;
  static constexpr std::size_t kMost = 8, kMostBytes = std::size_t{64} << 20;

  std::mutex mutex_;        // guards kept_
  std::vector<Kept> kept_;  // the last one first
};

}  // namespace

struct Index::State {
  std::shared_ptr<const MappedFile> file;
  std::filesystem::path path;  // of reload(); empty: a temporary file
  std::string_view class_name;
  StoredCodes codes;
  std::unique_ptr<Searcher> searcher;
  std::unique_ptr<const ExternalIds> external_ids;  // null: none
  std::unique_ptr<const Fields> fields;
  mutable SelectedRows selected;
  std::optional<StoredDocuments> documents;
  std::optional<StoredVectors> vectors;

  State(std::shared_ptr<const MappedFile> opened, const std::filesystem::path& from)
      : file(std::move(opened)),
        path(from.empty() ? from : std::filesystem::absolute(from)),
        class_name(check_manifest(*file).name) {
    const Manifest& m = file->manifest();
    file->memory().expect(row_of(m.schema.kind).access(m.schema));
    const bool in_pages = m.schema.kind == Kind::graph && m.schema.graph == GraphType::paged;
    if (!in_pages) codes.first = open_codes(*file, m.schema.first, m.first_section);
    if (m.schema.second) codes.second = open_codes(*file, *m.schema.second, m.second_section);
    searcher = row_of(m.schema.kind).open(*file, codes);
    if (m.external_ids) external_ids = std::make_unique<const ExternalIds>(*file);
    fields = std::make_unique<const Fields>(*file);
    if (m.documents) documents.emplace(*file);
    vectors.emplace(*file, codes);
    touch_short_sections(*file);
  }

  /// Opens the index in a mapped file. `from` is its path.
  static std::shared_ptr<const State> open(std::shared_ptr<const MappedFile> opened,
                                           const std::filesystem::path& from) {
    std::shared_ptr<const State> state;
    opened->reading([&] { state = std::make_shared<State>(opened, from); });
    return state;
  }

  std::uint64_t size() const noexcept { return file->manifest().size; }
  std::size_t dim() const noexcept { return file->manifest().dim; }
  std::size_t token_dim() const noexcept { return file->manifest().schema.has(Role::maxsim) ? codes.second->dim() : 0; }

  Searched searched() const noexcept {
    return {.vector_kind = file->manifest().schema.vector_kind, .dim = dim(), .token_dim = token_dim()};
  }

  void verify(const Progress& progress) const {
    file->verify(progress, [this](const Reading& reading) {
      if (codes.first) codes.first->verify(reading);
      if (codes.second) codes.second->verify(reading);
      searcher->verify(reading);
      if (external_ids) external_ids->verify(reading);
      fields->verify(reading);
      if (documents) documents->verify(reading);
    });
  }

  /// Throws Error(invalid_argument) unless this index answers the queries of `former`.
  void check_replaces(const State& former) const {
    const auto compare = [&](const char* what, const std::string& found, const std::string& expected) {
      if (found != expected)
        invalid_argument(file->path() + ": now holds " + what + found + ", expected " + expected + " as before");
    };
    const IndexSchema &mine = file->manifest().schema, &other = former.file->manifest().schema;
    compare("a ", quoted(class_name), quoted(former.class_name));
    compare("metric ", quoted(name_of(mine.metric)), quoted(name_of(other.metric)));
    if (mine.vector_kind == VectorKind::dense) compare("vectors of dim ", decimal(dim()), decimal(former.dim()));
    compare("tokens of dim ", decimal(token_dim()), decimal(former.token_dim()));
  }
};

Index Index::open(const std::filesystem::path& path, const OpenParams& params,
                  const std::function<void(const Index&)>& check) {
  check_lock(params.resident, params.lock);
  const auto lost = params.sigbus_guard ? Mapping::Lost::is_noted : Mapping::Lost::ends_process;
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path, {}, lost);
  if (params.verify == Verify::touched) file->check_touched();
  Index index(State::open(file, path));
  if (check) check(index);
  if (params.verify == Verify::all) index.verify(params.progress);
  index.warm(params.resident, params.lock, params.progress);
  return index;
}

Index Index::reopen(const OpenParams& params) const {
  check_lock(params.resident, params.lock);
  if (state_->path.empty())
    invalid_argument(
        "reload: the index is in an unnamed temporary file, expected one with a path; save it, and open the saved "
        "file");
  try {
    if (FileId::of(state_->path) == file().id() && file().unchanged()) return *this;
    OpenParams verified = params;
    verified.verify = params.verify.value_or(Verify::all);
    return open(state_->path, verified, [this](const Index& fresh) { fresh.state_->check_replaces(*state_); });
  } catch (const Error& e) {
    throw Error(e.code(), std::string(e.what()) + "; the file opened before stays in use", e.system_error());
  }
}

bool Index::same_content(const Index& other) const noexcept {
  return file().header().uuid == other.file().header().uuid;
}

Index IndexHandle::get() const {
  const std::lock_guard lock(mutex_);
  if (!index_) invalid_argument(std::string(class_name_) + ": the index is closed");
  return *index_;
}

std::filesystem::path IndexHandle::path() const {
  const std::lock_guard lock(mutex_);
  return path_;
}

bool IndexHandle::replaced(const Index& former, const Index& fresh) {
  const std::lock_guard lock(mutex_);
  if (!index_ || index_->state_ != former.state_) return false;
  index_ = fresh;
  path_ = fresh.path();
  return true;
}

bool IndexHandle::reload(const OpenParams& params) {
  for (;;) {
    const Index former = get();
    const Index fresh = former.reopen(params);
    if (fresh.state_ == former.state_) return false;
    if (replaced(former, fresh)) return !fresh.same_content(former);
  }  // another thread was faster; its file may be newer or older
}

void IndexHandle::save(const std::filesystem::path& path, const Progress& progress, const ReplaceParams& replace) {
  const Index index = get();
  index.save(path, progress, replace);
  if (index.path().empty()) replaced(index, Index::open(path));
}

void IndexHandle::close() noexcept {
  std::optional<Index> closed;  // released after the lock is: it may take a while to unmap a file
  const std::lock_guard lock(mutex_);
  closed.swap(index_);
}

Index Index::build(VectorStream& vectors, const BuildParams& params, const std::filesystem::path& path) {
  const auto check = [&](std::shared_ptr<const MappedFile> opened, const Rows& sample) {
    const State state(std::move(opened), {});
    return self_check(*state.searcher, state.file->manifest(), sample, params.num_threads);
  };
  return Index(State::open(build_file(vectors, params, path, check), path));
}

Index Index::join(const Index& first, const std::filesystem::path& folder, const TokenChoices& choices,
                  const std::filesystem::path& path) {
  check_replaces_none(first, folder, choices, path);
  FileWriter writer(path, choices.replace);
  Manifest manifest;
  first.file().reading([&] { manifest = write_multivector(first, folder, choices, writer); });
  return Index(State::open(writer.finish(std::move(manifest)), path));
}

std::uint64_t Index::size() const noexcept { return state_->size(); }
std::size_t Index::dim() const noexcept { return state_->dim(); }
std::size_t Index::token_dim() const noexcept { return state_->token_dim(); }
std::size_t Index::default_ef_search() const noexcept {
  const std::uint32_t found = state_->file->manifest().ef_search;
  return found != 0 ? found : SearchParams().ef_search;
}
const Manifest& Index::manifest() const noexcept { return state_->file->manifest(); }
const MappedFile& Index::file() const noexcept { return *state_->file; }
const std::filesystem::path& Index::path() const noexcept { return state_->path; }
std::uint64_t Index::hot_bytes() const noexcept { return state_->file->hot_bytes(); }
std::string_view Index::class_name() const noexcept { return state_->class_name; }
const Documents* Index::documents() const noexcept { return state_->documents ? &*state_->documents : nullptr; }

const ExternalIds* Index::external_ids() const noexcept { return state_->external_ids.get(); }
std::optional<Id> Index::row(const ExternalId& id) const {
  if (state_->external_ids) return state_->external_ids->row_of(id);
  const auto* const row = std::get_if<std::int64_t>(&id);
  if (row == nullptr || *row < 0 || static_cast<std::uint64_t>(*row) >= size()) return {};
  return static_cast<Id>(*row);
}
const Fields& Index::fields() const noexcept { return *state_->fields; }
std::shared_ptr<const Bitmap> Index::rows_where(const Condition& condition) const {
  return state_->selected.rows(condition.text(), [&] { return condition.rows(*state_->fields); });
}

Rows Index::vectors(std::span<const Id> rows) const {
  for (const Id row : rows)
    if (row >= size())
      invalid_argument("rows: row " + std::to_string(row) + ", expected 0 to " + std::to_string(size() - 1));
  std::optional<Rows> out;
  file().reading([&] { out.emplace(state_->vectors->at(rows)); });
  return std::move(*out);
}

template <class Find>
Index::Best Index::found(const Batch& queries, const SearchParams& params, Find find) const {
  params.check();
  check_filters(params.filters, queries.rows, state_->size());
  SearchParams bounded = params;
  bounded.k = std::min<std::uint64_t>(params.k, state_->size());
  Best best(queries.rows);
  state_->file->reading([&] {
    find(*state_->searcher, SearchedQueries(queries, manifest().schema.metric).batch(), bounded, best);
    for (const std::vector<Candidate>& found : best)
      for (const Candidate& hit : found)
        if (hit.id >= state_->size())  // only in a damaged file
          corrupt(state_->file->path() + ": section '" + std::string(kIdsSection) + "': id " + std::to_string(hit.id) +
                  ", expected one below " + std::to_string(state_->size()));
  });
  return best;
}

template <class Find>
void Index::answer(const Batch& queries, const SearchParams& params, const Hits& out, Find find) const {
  check_search(queries, state_->searched(), params.k, out);
  Best best = found(queries, params, find);
  put_hits(best, queries, manifest().schema.metric, params.k, out);
}

template <class Find>
HitLists Index::answer_range(const Batch& queries, float radius, const SearchParams& params, std::size_t max_results,
                             Find find) const {
  if (std::isnan(radius)) invalid_argument("radius: nan given, expected a number");
  check_asked(queries, state_->searched());
  SearchParams bounded = params;
  bounded.k = max_results;
  const Metric metric = manifest().schema.metric;
  Best best =
      found(queries, bounded, [&](const Searcher& searcher, const Batch& asked, const SearchParams& most, Best& into) {
        find(searcher, asked, most, score_of(metric, radius), into);
      });
  return lists_of(best, metric);
}

void Index::search(const Batch& queries, const SearchParams& params, const Hits& out) const {
  answer(queries, params, out, [](const Searcher& searcher, const Batch& asked, const SearchParams& most, Best& into) {
    searcher.search(asked, most, into);
  });
}

void Index::search_exact(const Batch& queries, const SearchParams& params, const Hits& out) const {
  answer(queries, params, out, [](const Searcher& searcher, const Batch& asked, const SearchParams& most, Best& into) {
    searcher.search_exact(asked, most, kAnyDistance, into);
  });
}

HitLists Index::range_search(const Batch& queries, float radius, const SearchParams& params,
                             std::size_t max_results) const {
  return answer_range(queries, radius, params, max_results,
                      [](const Searcher& searcher, const Batch& asked, const SearchParams& most, float farthest,
                         Best& into) { search_range(searcher, asked, most, farthest, into); });
}

HitLists Index::range_search_exact(const Batch& queries, float radius, const SearchParams& params,
                                   std::size_t max_results) const {
  return answer_range(queries, radius, params, max_results,
                      [](const Searcher& searcher, const Batch& asked, const SearchParams& most, float farthest,
                         Best& into) { searcher.search_exact(asked, most, farthest, into); });
}

void Index::verify(const Progress& progress) const { state_->verify(progress); }

void Index::warm(Resident resident, bool lock, const Progress& progress) const {
  file().reading([&] { file().memory().warm(resident, lock, progress); });
}
std::vector<SectionResidency> Index::residency() const { return state_->file->memory().residency(); }

void Index::save(const std::filesystem::path& path, const Progress& progress, const ReplaceParams& replace) const {
  copy_file(*state_->file, path, progress, replace);
}

std::string_view library_version() noexcept { return CASSATA_VERSION; }
std::string_view simd_target() noexcept { return kernels::dense::target_name(); }

}  // namespace cassata
