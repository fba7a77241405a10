#include "cassata/index_source.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "cassata/error.h"
#include "format/base/text.h"
#include "format/file/file_writer.h"
#include "format/input/sparse_files.h"
#include "format/os/file_reader.h"

namespace cassata {
namespace {

/// Some rows of an index, front to back.
class RowCursor {
 public:
  /// `rows`: null: all.
  RowCursor(std::uint64_t size, std::shared_ptr<const std::vector<Id>> rows) : size_(size), rows_(std::move(rows)) {}

  /// The next rows, at most `most`; none at the end. Valid until the next call.
  std::span<const Id> next(std::size_t most) {
    const std::size_t count = std::min<std::uint64_t>(most, (rows_ ? rows_->size() : size_) - done_), first = done_;
    done_ += count;
    if (rows_) return std::span(*rows_).subspan(first, count);
    counted_.resize(count);
    std::iota(counted_.begin(), counted_.end(), static_cast<Id>(first));
    return counted_;
  }

 private:
  std::uint64_t size_;
  std::shared_ptr<const std::vector<Id>> rows_;
  std::vector<Id> counted_;
  std::size_t done_ = 0;
};

class DenseIndexStream final : public DenseStream {
 public:
  DenseIndexStream(Index index, std::uint64_t size, RowCursor rows)
      : DenseStream(index.file().path(), size, index.dim(), ElementType::f32, !index.path().empty()),
        index_(std::move(index)),
        rows_(std::move(rows)) {}

 private:
  void read_rows(std::span<std::byte> out, std::size_t rows) override {
    const Rows some = index_.vectors(rows_.next(rows));
    std::memcpy(out.data(), some.batch().data, out.size());
  }

  Index index_;
  RowCursor rows_;
};

/// Sparse vectors one after another, read some at a time.
class SparseCursor {
 public:
  SparseCursor(Index index, RowCursor rows) : index_(std::move(index)), rows_(std::move(rows)) {}

  /// The next vector, valid until the next call. Not called at the end.
  VectorView next() {
    constexpr std::size_t kEntries = std::size_t{1} << 19, kMost = 4096;  // that are read together
    if (at_ == some_.size()) {
      some_ = index_.vectors(rows_.next(together_));
      at_ = 0;
      const std::uint64_t entries = some_.batch().offsets[some_.size()];
      together_ = std::clamp<std::size_t>(kEntries * some_.size() / (entries + 1), 1, kMost);
    }
    return some_.batch().row(at_++);
  }

 private:
  Index index_;
  RowCursor rows_;
  Rows some_{VectorKind::sparse, 1};
  std::size_t at_ = 0, together_ = 64;
};

struct Extent {
  std::size_t dim = 1;
  std::uint64_t entries = 0;
};

class SparseIndexStream final : public SparseStream {
 public:
  SparseIndexStream(const Index& index, std::uint64_t size, const RowCursor& rows)
      : SparseIndexStream(index, size, rows, extent_of(SparseCursor(index, rows), size)) {}

 private:
  SparseIndexStream(const Index& index, std::uint64_t size, const RowCursor& rows, const Extent& extent)
      : SparseStream(index.file().path(), size, extent.dim, extent.entries, !index.path().empty()),
        vectors_(index, rows) {}

  static Extent extent_of(SparseCursor vectors, std::uint64_t size) {
    Extent extent;
    for (std::uint64_t i = 0; i < size; ++i) {
      const VectorView vector = vectors.next();
      extent.entries += vector.values.size();
      if (!vector.components.empty()) extent.dim = std::max(extent.dim, std::size_t{vector.components.back()} + 1);
    }
    return extent;
  }

  void read_row(std::vector<std::uint32_t>& components, std::vector<float>& values) override {
    const VectorView vector = vectors_.next();
    components.insert(components.end(), vector.components.begin(), vector.components.end());
    values.insert(values.end(), vector.values.begin(), vector.values.end());
  }

  SparseCursor vectors_;
};

class IndexDocuments final : public DocumentStream {
 public:
  IndexDocuments(Index index, RowCursor rows)
      : DocumentStream(index.file().path(), index.documents()->entry().text),
        index_(std::move(index)),
        rows_(std::move(rows)) {}

  std::optional<std::string_view> next() override {
    if (at_ == some_.size()) {
      some_ = index_.documents()->at(rows_.next(together()));
      at_ = 0;
    }
    if (some_.empty()) return std::nullopt;
    return some_[at_++];
  }

 private:
  /// Documents of about a megabyte in all.
  std::size_t together() const {
    constexpr std::uint64_t kBytes = std::uint64_t{1} << 20, kMost = 1024;
    const std::uint64_t average = index_.documents()->entry().bytes / index_.size();
    return std::clamp<std::uint64_t>(kBytes / (average + 1), 1, kMost);
  }

  Index index_;
  RowCursor rows_;
  std::vector<std::string> some_;
  std::size_t at_ = 0;
};

// The values of `rows` in a column.

template <class T>
std::vector<T> selected(const std::vector<T>& values, std::span<const Id> rows) {
  std::vector<T> out;
  out.reserve(rows.size());
  for (const Id row : rows) out.push_back(values[row]);
  return out;
}
Bitmap selected(const Bitmap& bits, std::span<const Id> rows) {
  Bitmap out(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (bits.test(rows[i])) out.set(i);
  return out;
}
Timestamps selected(const Timestamps& times, std::span<const Id> rows) {
  return {times.unit, selected(times.values, rows)};
}
Texts selected(const Texts& texts, std::span<const Id> rows) {
  Texts out;
  for (const Id row : rows) out.append(texts[row]);
  return out;
}
TextLists selected(const TextLists& lists, std::span<const Id> rows) {
  TextLists out;
  for (const Id row : rows) {
    for (std::size_t i = lists.begin(row); i < lists.end(row); ++i) out.texts.append(lists.texts[i]);
    out.end_list();
  }
  return out;
}

Column selected(const Column& column, std::span<const Id> rows) {
  return {.name = column.name,
          .values = std::visit([&](const auto& values) { return decltype(column.values)(selected(values, rows)); },
                               column.values),
          .present = column.present.size() == 0 ? Bitmap() : selected(column.present, rows)};
}

Payload::Ids ids_of(const ExternalIds& ids, RowCursor rows) {
  Payload::Ids out;
  if (ids.type() == IdType::text) out = Texts();
  for (auto some = rows.next(4096); !some.empty(); some = rows.next(4096))
    for (const Id row : some) {
      const ExternalId id = ids.at(row);
      if (auto* const numbers = std::get_if<std::vector<std::int64_t>>(&out))
        numbers->push_back(std::get<std::int64_t>(id));
      else
        std::get<Texts>(out).append(std::get<std::string_view>(id));
    }
  return out;
}

}  // namespace

bool is_index_file(const std::filesystem::path& path) {
  try {
    const FileReader file(path);
    std::string start(std::min<std::uint64_t>(file.bytes(), FileKind::kStartBytes), '\0');
    file.read(std::as_writable_bytes(std::span(start)), 0);
    return kIndexFile.fits(start);
  } catch (const Error&) {
    return false;  // whoever opens it says why
  }
}

IndexSource::IndexSource(Index index, const Bitmap* filter, const Progress& progress) : index_(std::move(index)) {
  index_.file().verify(progress);  // or damage would get valid hashes in the new file
  if (filter == nullptr) return;
  if (filter->size() != index_.size())
    invalid_argument("filter: of " + std::to_string(filter->size()) + " rows, expected " +
                     std::to_string(index_.size()));
  std::vector<Id> rows;
  filter->for_each([&](std::size_t row) { rows.push_back(static_cast<Id>(row)); });
  if (rows.empty())
    invalid_argument("filter: lets none of the " + std::to_string(index_.size()) + " vectors of " +
                     index_.file().path() + " through, expected at least 1");
  rows_ = std::make_shared<const std::vector<Id>>(std::move(rows));
}

std::uint64_t IndexSource::size() const noexcept { return rows_ ? rows_->size() : index_.size(); }

std::unique_ptr<VectorStream> IndexSource::vectors() const {
  const RowCursor rows(index_.size(), rows_);
  if (index_.manifest().schema.vector_kind == VectorKind::sparse)
    return std::make_unique<SparseIndexStream>(index_, size(), rows);
  return std::make_unique<DenseIndexStream>(index_, size(), rows);
}

Payload IndexSource::payload(Payload given, bool with_fields) const {
  if (!given.ids && index_.external_ids() != nullptr)
    given.ids = ids_of(*index_.external_ids(), {index_.size(), rows_});
  const std::size_t fields = with_fields && given.fields.empty() ? index_.fields().entries().size() : 0;
  for (std::size_t i = 0; i < fields; ++i) {
    Column column = index_.fields().column(i);
    given.fields.push_back(rows_ ? selected(column, *rows_) : std::move(column));
  }
  return given;
}

std::unique_ptr<DocumentStream> IndexSource::documents() const {
  if (index_.documents() == nullptr) return nullptr;
  return std::make_unique<IndexDocuments>(index_, RowCursor(index_.size(), rows_));
}

}  // namespace cassata
