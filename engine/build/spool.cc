#include "engine/build/spool.h"

#include <algorithm>
#include <string>

#include "engine/parallel.h"
#include "engine/build/pipeline.h"

namespace cassata {
namespace {

constexpr std::string_view kName = "temporary file";

/// Writes where each row of `spool` begins, in the order `ids`, and the last ends.
template <class Number>
void write_offsets(const Spool& spool, std::span<const Id> ids, FileWriter& writer) {
  std::vector<Number> offsets = {0};
  for (const Id id : ids) offsets.push_back(static_cast<Number>(offsets.back() + spool.row(id).size()));
  writer.append(std::span<const Number>(offsets));
}

}  // namespace

void read_all(VectorStream& vectors, const Progress& progress, const std::function<void(const Batch&, std::uint64_t)>& take) {
  for (std::uint64_t done = 0;;) {
    const Batch batch = vectors.next_batch();
    if (batch.rows == 0) return;
    take(batch, done);
    done += batch.rows;
    if (progress) progress("read", done, vectors.size());
  }
}

void encode(const Encoder& encoder, const Batch& batch, std::string_view source, std::uint64_t first, EncodedRows& rows) {
  rows.bytes.clear();
  rows.ends.clear();
  encoder.encode(batch, source, first, rows);
}

void Spool::append(const Batch& batch, std::string_view source, std::uint64_t first) {
  encode(encoder_, batch, source, first, rows_);
  file_.write(rows_.bytes, length_);
  for (const std::uint64_t end : rows_.ends) offsets_.push_back(length_ + end);
  length_ += rows_.bytes.size();
}

void Spool::finish() {
  rows_ = {};
  if (length_ == 0) return;  // sparse vectors without an entry
  mapping_ = file_.map();
  Mapping::advise(mapping_.bytes(), Advice::huge_pages);
}

void Spool::fill(const Codes& vectors, unsigned num_threads, const Progress& progress) {
  constexpr std::size_t kPiece = 256, kPiecesAThread = 4;
  std::vector<EncodedRows> pieces(kPiecesAThread * threads_of(num_threads));
  for (std::uint64_t begin = 0, end; begin < vectors.size(); begin = end) {
    end = std::min(vectors.size(), begin + kPiece * pieces.size());
    const std::size_t count = (end - begin + kPiece - 1) / kPiece;
    parallel_for(num_threads, count, 1, [&](std::size_t from, std::size_t to, unsigned) {
      std::vector<float> values;
      for (std::size_t piece = from; piece < to; ++piece) {
        const std::uint64_t first = begin + piece * kPiece, rows = std::min<std::uint64_t>(kPiece, end - first);
        values.resize(rows * vectors.dim());
        for (std::size_t i = 0; i < rows; ++i) vectors.decode(static_cast<Id>(first + i), values.data() + i * vectors.dim());
        encode(encoder_, {.data = values.data(), .rows = rows, .dim = vectors.dim()}, kName, first, pieces[piece]);
      }
    });
    for (std::size_t piece = 0; piece < count; ++piece) {
      file_.write(pieces[piece].bytes, length_);
      length_ += pieces[piece].bytes.size();
    }
    if (progress) progress("encode", end, vectors.size());
  }
  finish();
}

RowSections Spool::sections() const {
  return {.rows = {.file = kName, .name = kRowsSection, .offset = 0, .bytes = mapping_.bytes()},
          .offsets = {.file = kName, .name = "offsets", .offset = 0, .bytes = std::as_bytes(std::span(offsets_))},
          .model = {.file = kName, .name = "model", .offset = 0, .bytes = model()}};
}

void RowSpool::append(const Batch& batch) {
  const std::uint64_t first = batch.offsets[0], count = batch.offsets[batch.rows] - first, place = offsets_.back();
  components_.write(std::as_bytes(std::span(batch.components + first, count)), place * sizeof(std::uint32_t));
  values_.write(std::as_bytes(std::span(batch.data + first, count)), place * sizeof(float));
  for (std::size_t i = 0; i < batch.rows; ++i) offsets_.push_back(place + batch.offsets[i + 1] - first);
}

void RowSpool::finish() {
  if (offsets_.back() == 0) return;
  mapped_components_ = components_.map();
  mapped_values_ = values_.map();
}

Batch RowSpool::rows(std::size_t dim) const {
  return {.data = reinterpret_cast<const float*>(mapped_values_.bytes().data()),
          .rows = offsets_.size() - 1,
          .dim = dim,
          .components = reinterpret_cast<const std::uint32_t*>(mapped_components_.bytes().data()),
          .offsets = offsets_.data()};
}

void write_rows(const Spool& spool, std::span<const Id> ids, std::string_view name, Tier tier, const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kRowsAReport = 65536;
  if (!spool.model().empty()) {
    writer.begin(std::string(name) + std::string(kModelSuffix), tier, spool.model().size());
    writer.append(spool.model());
  }
  if (spool.has_offsets()) {
    writer.begin(std::string(name) + std::string(kOffsetsSuffix), tier);
    if (spool.bytes() <= UINT32_MAX)
      write_offsets<std::uint32_t>(spool, ids, writer);
    else
      write_offsets<std::uint64_t>(spool, ids, writer);
  }
  writer.begin(name, tier, spool.bytes());
  for (std::size_t row = 0; row < ids.size(); ++row) {
    writer.append(spool.row(ids[row]));
    if (progress && ((row + 1) % kRowsAReport == 0 || row + 1 == ids.size())) progress("write", row + 1, ids.size());
  }
}

}  // namespace cassata
