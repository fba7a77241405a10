#include "engine/build/staging.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "cassata/checksum.h"
#include "engine/base/parallel.h"
#include "engine/build/pipeline.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

constexpr std::string_view kName = "temporary file";
const std::string kHeadName = ".head", kEndsName = ".ends";  // suffixes of the work files beside that of the rows

/// Length and hash of the rows; the model follows.
struct Head {
  std::uint64_t bytes, hash;
};

}  // namespace

void write_offsets(std::size_t count, std::uint64_t bytes, const std::function<std::uint64_t(std::size_t)>& length_of,
                   FileWriter& writer) {
  const auto write = [&]<class Number>(Number end) {
    std::vector<Number> offsets = {end};
    offsets.reserve(count + 1);
    for (std::size_t i = 0; i < count; ++i) offsets.push_back(end += static_cast<Number>(length_of(i)));
    writer.append(std::span<const Number>(offsets));
  };
  bytes <= UINT32_MAX ? write(std::uint32_t{0}) : write(std::uint64_t{0});
}

void read_all(VectorStream& vectors, const Progress& progress,
              const std::function<void(const Batch&, std::uint64_t)>& take) {
  for (std::uint64_t done = 0;;) {
    const Batch batch = vectors.next_batch();
    if (batch.rows == 0) return;
    take(batch, done);
    done += batch.rows;
    if (progress) progress("read", done, vectors.size());
  }
}

void encode(const Encoder& encoder, const Batch& batch, std::string_view source, std::uint64_t first,
            EncodedRows& rows) {
  rows.bytes.clear();
  rows.ends.clear();
  encoder.check(batch, source, first);
  encoder.encode(batch, source, first, rows);
}

void StagingFile::append(const Batch& batch, std::string_view source, std::uint64_t first) {
  encode(*encoder_, batch, source, first, rows_);
  file_.write(rows_.bytes, length_);
  for (const std::uint64_t end : rows_.ends) offsets_.push_back(length_ + end);
  length_ += rows_.bytes.size();
}

void StagingFile::finish() {
  rows_ = {};
  if (length_ != 0) mapping_ = file_.map();  // an empty file cannot be mapped: sparse vectors without entries
}

void StagingFile::fill(const DenseRows& vectors, unsigned num_threads, const Progress& progress) {
  constexpr std::size_t kBatch = 256, kBatchesPerThread = 4;
  std::vector<EncodedRows> batches(kBatchesPerThread * threads_of(num_threads));
  for (std::uint64_t begin = 0, end; begin < vectors.size(); begin = end) {
    end = std::min(vectors.size(), begin + kBatch * batches.size());
    const std::size_t count = (end - begin + kBatch - 1) / kBatch;
    parallel_for(num_threads, count, 1, [&](std::size_t from, std::size_t to, unsigned) {
      std::vector<float> values;
      for (std::size_t batch = from; batch < to; ++batch) {
        const std::uint64_t first = begin + batch * kBatch, rows = std::min<std::uint64_t>(kBatch, end - first);
        values.resize(rows * vectors.dim());
        for (std::size_t i = 0; i < rows; ++i)
          vectors.decode(static_cast<Id>(first + i), values.data() + i * vectors.dim());
        encode(*encoder_, {.data = values.data(), .rows = rows, .dim = vectors.dim()}, kName, first, batches[batch]);
      }
    });
    for (std::size_t batch = 0; batch < count; ++batch) {
      file_.write(batches[batch].bytes, length_);
      length_ += batches[batch].bytes.size();
    }
    if (progress) progress("encode", end, vectors.size());
  }
  finish();
}

StagingFile::StagingFile(const Encoder& encoder, const WorkFiles& files, const std::string& name)
    : encoder_(&encoder), file_(files.file(name)), length_(file_.length()), model_(files.get(name + kHeadName)) {
  Head head{};
  if (model_.size() < sizeof head)
    files.damaged(name + kHeadName,
                  std::to_string(model_.size()) + " bytes, expected at least " + std::to_string(sizeof head));
  std::memcpy(&head, model_.data(), sizeof head);
  model_.erase(model_.begin(), model_.begin() + sizeof head);
  if (length_ != head.bytes)
    files.damaged(name, std::to_string(length_) + " bytes, expected " + std::to_string(head.bytes));
  if (has_offsets()) {
    const std::vector<std::byte> bytes = files.get(name + kEndsName);
    offsets_.resize(bytes.size() / sizeof(std::uint64_t));
    std::memcpy(offsets_.data(), bytes.data(), offsets_.size() * sizeof(std::uint64_t));
  }
  finish();
  if (xxh3(rows()) != head.hash) files.damaged(name, "the hash of its bytes differs from the stored hash");
}

void StagingFile::save(const WorkFiles& files, const std::string& name) const {
  file_.sync();
  const Head head{.bytes = length_, .hash = xxh3(rows())};
  const auto bytes = std::as_bytes(std::span(&head, 1));
  std::vector<std::byte> stored(bytes.begin(), bytes.end());
  stored.insert(stored.end(), model().begin(), model().end());
  files.put(name + kHeadName, stored);
  if (has_offsets()) files.put(name + kEndsName, std::as_bytes(std::span(offsets_)));
}

void StagingFile::remove(const WorkFiles& files, const std::string& name) noexcept {
  for (const std::string& of : {std::string(), kHeadName, kEndsName}) files.remove(name + of);
}

void StagingFile::gather(const StagingFile& other, std::span<const Id> order, std::span<const std::size_t> runs,
                         const Progress& progress) {
  constexpr std::size_t kBufferBytes = std::size_t{16} << 20, kRowsAReport = 65536;
  struct Run {
    std::vector<std::byte> bytes;
    std::uint64_t place = 0;  // file offset of `bytes`
  };
  std::vector<Run> buffers(runs.size());
  std::vector<std::uint32_t> run_of(order.size());  // row of `other` -> run
  std::vector<std::uint64_t> places = {0};          // file offset of row i, then the end
  places.reserve(order.size() + 1);
  for (std::size_t i = 0, run = 0; i < order.size(); ++i) {
    while (run + 1 < runs.size() && runs[run + 1] <= i) buffers[++run].place = places.back();
    run_of[order[i]] = static_cast<std::uint32_t>(run);
    places.push_back(places.back() + other.row(order[i]).size());
  }
  const auto write = [&](Run& run) {
    file_.write(run.bytes, run.place);
    run.place += run.bytes.size();
    run.bytes.clear();
  };
  other.advise(Advice::normal);
  for (Id from = 0; from < order.size(); ++from) {
    Run& buffer = buffers[run_of[from]];
    const auto row = other.row(from);
    buffer.bytes.insert(buffer.bytes.end(), row.begin(), row.end());
    if (buffer.bytes.size() >= kBufferBytes / runs.size()) write(buffer);
    if (progress && ((from + 1) % kRowsAReport == 0 || from + 1 == order.size()))
      progress("sort", from + 1, order.size());
  }
  for (Run& run : buffers) write(run);
  length_ = places.back();
  for (std::size_t run = 0; run < runs.size(); ++run) {
    const std::size_t begin = runs[run], end = run + 1 < runs.size() ? runs[run + 1] : order.size();
    put_in_order(order.subspan(begin, end - begin), std::span(places).subspan(begin, end - begin + 1));
  }
  if (has_offsets()) offsets_ = std::move(places);
  const auto model = other.model();
  model_.assign(model.begin(), model.end());
  finish();
}

void StagingFile::put_in_order(std::span<const Id> numbers, std::span<const std::uint64_t> places) {
  if (length_ == 0 || std::is_sorted(numbers.begin(), numbers.end())) return;
  std::vector<std::size_t> in_file(numbers.size());  // the rows in the file are sorted by number
  std::iota(in_file.begin(), in_file.end(), std::size_t{0});
  std::sort(in_file.begin(), in_file.end(), [&](std::size_t a, std::size_t b) { return numbers[a] < numbers[b]; });
  std::vector<std::byte> rows(places.back() - places.front());
  const Mapping mapping = file_.map();
  const std::byte* from = mapping.bytes().data() + places.front();
  for (const std::size_t i : in_file) {
    const std::size_t bytes = places[i + 1] - places[i];
    std::copy_n(from, bytes, rows.data() + (places[i] - places.front()));
    from += bytes;
  }
  file_.write(rows, places.front());
}

void StagingFile::hold() {
  advise(Advice::sequential);
  held_.assign(mapping_.bytes().begin(), mapping_.bytes().end());
  advise(Advice::dont_need);
}

std::span<const std::byte> StagingFile::rows_of(Id first, Id last) const noexcept {
  if (first == last) return {};
  const std::byte* const begin = row(first).data();
  const auto end = row(last - 1);
  return {begin, static_cast<std::size_t>(end.data() + end.size() - begin)};
}

void StagingFile::advise(Id first, Id last, Advice advice) const noexcept {
  Mapping::advise(rows_of(first, last), advice);
}

RowSections StagingFile::sections() const {
  return {.rows = {.file = kName, .name = kRowsSection, .offset = 0, .bytes = rows(), .reads = reads_.get()},
          .offsets = {.file = kName, .name = "offsets", .offset = 0, .bytes = std::as_bytes(std::span(offsets_))},
          .model = {.file = kName, .name = "model", .offset = 0, .bytes = model()}};
}

void SparseStagingFile::append(const Batch& batch) {
  const std::uint64_t first = batch.offsets[0], count = batch.offsets[batch.rows] - first, place = offsets_.back();
  components_.write(std::as_bytes(std::span(batch.components + first, count)), place * sizeof(std::uint32_t));
  values_.write(std::as_bytes(std::span(batch.data + first, count)), place * sizeof(float));
  for (std::size_t i = 0; i < batch.rows; ++i) offsets_.push_back(place + batch.offsets[i + 1] - first);
}

void SparseStagingFile::finish() {
  if (offsets_.back() == 0) return;
  mapped_components_ = components_.map();
  mapped_values_ = values_.map();
}

Batch SparseStagingFile::rows(std::size_t dim) const {
  return {.data = reinterpret_cast<const float*>(mapped_values_.bytes().data()),
          .rows = offsets_.size() - 1,
          .dim = dim,
          .components = reinterpret_cast<const std::uint32_t*>(mapped_components_.bytes().data()),
          .offsets = offsets_.data()};
}

void write_rows(const StagingFile& file, std::span<const Id> ids, std::string_view name, Tier tier, bool from_disk,
                const Progress& progress, FileWriter& writer) {
  constexpr std::size_t kRowsAReport = 65536, kAhead = 512;
  if (!file.model().empty()) {
    writer.begin(std::string(name) + std::string(kModelSuffix), tier, file.model().size());
    writer.append(file.model());
  }
  if (file.has_offsets()) {
    writer.begin(std::string(name) + std::string(kOffsetsSuffix), tier);
    write_offsets(
        ids.size(), file.bytes(), [&](std::size_t i) { return file.row(ids[i]).size(); }, writer);
  }
  writer.begin(name, tier, ids.empty() ? 0 : file.bytes());
  for (std::size_t row = 0; row < ids.size(); ++row) {
    if (from_disk && row % kAhead == 0)
      for (const Id next : ids.subspan(row, std::min(kAhead, ids.size() - row)))
        Mapping::advise(file.row(next), Advice::will_need);
    writer.append(file.row(ids[row]));
    if (progress && ((row + 1) % kRowsAReport == 0 || row + 1 == ids.size())) progress("write", row + 1, ids.size());
  }
}

}  // namespace cassata
