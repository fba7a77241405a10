#include "engine/build/posting_builder.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/parallel.h"
#include "engine/build/pipeline.h"
#include "engine/build/region_order.h"
#include "engine/build/staging.h"
#include "engine/lists/posting_lists.h"
#include "engine/search/beam_walk.h"
#include "engine/search/posting_search.h"

namespace cassata {
namespace {

using kernels::posting_blocks::kBlockRows;
using kernels::posting_blocks::RunTable;

constexpr std::size_t kGathered = std::size_t{1} << 23;  // entries in memory; a bucket of components may have more

struct Entry {
  std::uint32_t component;
  Id row;
  float value;
};

/// One list as bytes.
class ListEncoder {
 public:
  ListEncoder(std::size_t rows, const PostingsParams& params) : blocks_(blocks_of(rows)), params_(params) {}

  /// `entries` are of one component and sign, by row.
  ListEntry encode(std::vector<Entry>& entries, std::vector<std::byte>& out) {
    prune(entries);
    step_ = std::max(most_of(entries) / 255, std::numeric_limits<float>::min());
    std::size_t runs = 0;
    for (std::size_t i = 0; i < entries.size(); ++i)
      runs += i == 0 || entries[i].row / kBlockRows != entries[i - 1].row / kBlockRows;
    const bool has_block_maxima = runs >= (blocks_ + kSparseBlocks - 1) / kSparseBlocks;
    has_block_maxima ? append_table(entries, out) : append_runs(entries, out);
    return {.component = entries.front().component,
            .flags = (entries.front().value < 0 ? ListEntry::kNegative : 0) |
                     (has_block_maxima ? ListEntry::kHasBlockMaxima : 0),
            .offset = 0,
            .length = 0,
            .entries = static_cast<std::uint32_t>(entries.size()),
            .step = step_};
  }

 private:
  void prune(std::vector<Entry>& entries) const {
    if (params_.n_postings == 0 || entries.size() <= params_.n_postings) return;
    const auto larger = [](const Entry& a, const Entry& b) {
      return std::abs(a.value) != std::abs(b.value) ? std::abs(a.value) > std::abs(b.value) : a.row < b.row;
    };
    std::nth_element(entries.begin(), entries.begin() + params_.n_postings, entries.end(), larger);
    entries.resize(params_.n_postings);
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.row < b.row; });
  }

  /// What the largest code stands for: the largest value; where codes need not be bounds, no more than kMostTimes that
  /// of all but the largest sixteenth, since a few values far beyond the others would leave these one code for all.
  float most_of(const std::vector<Entry>& entries) {
    constexpr float kMostTimes = 16;
    magnitudes_.clear();
    for (const Entry& e : entries) magnitudes_.push_back(std::abs(e.value));
    const float largest = *std::max_element(magnitudes_.begin(), magnitudes_.end());
    if (params_.bounds || entries.size() == 1) return largest;
    const auto usual = magnitudes_.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(1, entries.size() / 16));
    std::nth_element(magnitudes_.begin(), usual, magnitudes_.end(), std::greater<>());
    return std::min(largest, kMostTimes * *usual);
  }

  /// The smallest code that stands for as much, if there is one.
  std::uint8_t code(float value) const {
    float code = std::ceil(std::abs(value) / step_);
    if (code * step_ < std::abs(value)) ++code;
    return static_cast<std::uint8_t>(std::clamp(code, 1.0F, 255.0F));
  }

  /// Appends the run that begins with entry `first`; returns the number of the next one's first.
  std::size_t append_run(const std::vector<Entry>& entries, std::size_t first, std::vector<std::byte>& out) {
    std::uint32_t mask = 0;
    std::size_t end = first;
    for (; end < entries.size() && entries[end].row / kBlockRows == entries[first].row / kBlockRows; ++end)
      mask |= 1U << entries[end].row % kBlockRows;
    append_bytes(mask, out);
    largest_ = 0;
    for (std::size_t i = first; i < end; ++i) {
      append_bytes(code(entries[i].value), out);
      largest_ = std::max(largest_, code(entries[i].value));
    }
    return end;
  }

  void append_runs(const std::vector<Entry>& entries, std::vector<std::byte>& out) {
    for (std::size_t i = 0; i < entries.size();) {
      append_bytes(static_cast<std::uint32_t>(entries[i].row / kBlockRows), out);
      i = append_run(entries, i, out);
    }
  }

  void append_table(const std::vector<Entry>& entries, std::vector<std::byte>& out) {
    maxima_.assign(table_places(blocks_), 0);
    std::vector<std::uint16_t> offsets(maxima_.size(), RunTable::kNoRun);
    std::vector<std::uint64_t> bases;
    std::vector<std::byte> runs;
    std::size_t i = 0;
    for (std::size_t block = 0; block < maxima_.size(); ++block) {
      if (block % 64 == 0) bases.push_back(runs.size());
      if (i == entries.size() || entries[i].row / kBlockRows != block) continue;
      offsets[block] = static_cast<std::uint16_t>(runs.size() - bases.back());
      i = append_run(entries, i, runs);
      maxima_[block] = largest_;
    }
    cut_summary();
    for (const auto bytes : {std::as_bytes(std::span(maxima_)), std::as_bytes(std::span(offsets)),
                             std::as_bytes(std::span(bases)), std::as_bytes(std::span(runs))})
      out.insert(out.end(), bytes.begin(), bytes.end());
  }

  /// Leaves the largest that have summary_energy of the sum; 0 for the others.
  void cut_summary() {
    if (params_.summary_energy == 1) return;
    std::vector<std::uint8_t> sorted = maxima_;
    std::sort(sorted.rbegin(), sorted.rend());
    double total = 0, kept = 0;
    for (const std::uint8_t m : sorted) total += m;
    std::size_t last = 0;
    while (last < sorted.size() && (kept += sorted[last]) < total * static_cast<double>(params_.summary_energy)) ++last;
    for (std::uint8_t& m : maxima_)
      if (m < sorted[std::min(last, sorted.size() - 1)]) m = 0;
  }

  std::size_t blocks_;
  const PostingsParams& params_;
  float step_ = 0;
  std::uint8_t largest_ = 0;
  std::vector<std::uint8_t> maxima_;
  std::vector<float> magnitudes_;
};

/// All lists of `rows`, in an unnamed file, searchable where they lie.
class ListSpool {
 public:
  ListSpool(const Batch& rows, std::span<const Id> order, const PostingsParams& params, const WorkFiles& files)
      : rows_(rows),
        order_(order),
        params_(params),
        file_(files.unnamed()),
        encoder_(rows.rows, params),
        shift_(bucket_shift(rows.dim)) {
    count();
    for (std::size_t bucket = 0; bucket + 1 < starts_.size();) bucket = write_group(bucket);
    bytes_.insert(bytes_.end(), kListsPadding, std::byte{0});
    flush();
    mapping_ = file_.map();
    Mapping::advise(mapping_.bytes(), Advice::huge_pages);
  }

  PostingLists lists() const {
    constexpr std::string_view kName = "temporary file";
    return PostingLists(
        {.file = kName, .name = kListsSection, .offset = 0, .bytes = mapping_.bytes()},
        {.file = kName, .name = kDirectorySection, .offset = 0, .bytes = std::as_bytes(std::span(directory_))},
        {.file = kName, .name = kBucketsSection, .offset = 0, .bytes = std::as_bytes(std::span(buckets_))},
        directory_.size(), shift_, rows_.rows, rows_.dim);
  }

  PostingsEntry write(FileWriter& writer) const {
    writer.begin(kBucketsSection, Tier::hot, buckets_.size() * sizeof buckets_[0]);
    writer.append(std::span<const std::uint32_t>(buckets_));
    writer.begin(kDirectorySection, Tier::hot, directory_.size() * sizeof directory_[0]);
    writer.append(std::span<const ListEntry>(directory_));
    writer.begin(kListsSection, Tier::hot, mapping_.bytes().size());
    writer.append(mapping_.bytes());
    return {.lists = directory_.size(),
            .bucket_shift = shift_,
            .n_postings = params_.n_postings,
            .summary_energy = params_.summary_energy,
            .n_knn = params_.n_knn};
  }

 private:
  template <class Use>
  void each_entry(Use use) const {
    for (std::size_t row = 0; row < order_.size(); ++row) {
      const VectorView v = rows_.row(order_[row]);
      for (std::size_t i = 0; i < v.values.size(); ++i)
        if (v.values[i] != 0) use(Entry{v.components[i], static_cast<Id>(row), v.values[i]});
    }
  }

  /// Where each bucket's entries would begin if all stood in one array.
  void count() {
    starts_.assign(buckets_of(rows_.dim, shift_) + 1, 0);
    each_entry([&](const Entry& e) { ++starts_[(e.component >> shift_) + 1]; });
    for (std::size_t b = 1; b < starts_.size(); ++b) starts_[b] += starts_[b - 1];
  }

  /// Writes the lists of as many buckets from `first` on as fit memory, at least of one. Returns the next bucket.
  std::size_t write_group(std::size_t first) {
    std::size_t last = first + 1;
    while (last + 1 < starts_.size() && starts_[last + 1] - starts_[first] <= kGathered) ++last;
    std::vector<Entry> entries(starts_[last] - starts_[first]);
    std::vector<std::uint64_t> next(starts_.begin() + static_cast<std::ptrdiff_t>(first),
                                    starts_.begin() + static_cast<std::ptrdiff_t>(last));
    each_entry([&](const Entry& e) {
      if (const std::size_t bucket = e.component >> shift_; bucket >= first && bucket < last)
        entries[next[bucket - first]++ - starts_[first]] = e;
    });
    for (std::size_t bucket = first; bucket < last; ++bucket) {
      buckets_.push_back(static_cast<std::uint32_t>(directory_.size()));
      const auto at = [&](std::uint64_t i) {
        return entries.begin() + static_cast<std::ptrdiff_t>(i - starts_[first]);
      };
      write_bucket(at(starts_[bucket]), at(starts_[bucket + 1]));
    }
    if (params_.progress) params_.progress("lists", starts_[last], starts_.back());
    if (last + 1 == starts_.size()) buckets_.push_back(static_cast<std::uint32_t>(directory_.size()));
    return last;
  }

  void write_bucket(std::vector<Entry>::iterator begin, std::vector<Entry>::iterator end) {
    const auto key = [](const Entry& e) { return std::pair(e.component, e.value < 0); };
    std::stable_sort(begin, end, [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
    for (auto next = begin; begin != end; begin = next) {
      next = std::find_if(begin, end, [&](const Entry& e) { return key(e) != key(*begin); });
      list_.assign(begin, next);
      while ((offset_ + bytes_.size()) % 8 != 0) bytes_.push_back(std::byte{0});
      const std::size_t before = bytes_.size();
      ListEntry entry = encoder_.encode(list_, bytes_);
      entry.offset = offset_ + before;
      entry.length = bytes_.size() - before;
      directory_.push_back(entry);
      if (bytes_.size() >= kBuffered) flush();
    }
  }

  void flush() {
    file_.write(bytes_, offset_);
    offset_ += bytes_.size();
    bytes_.clear();
  }

  static constexpr std::size_t kBuffered = std::size_t{4} << 20;
  const Batch rows_;
  std::span<const Id> order_;
  const PostingsParams& params_;
  PendingFile file_;
  ListEncoder encoder_;
  std::uint32_t shift_;
  std::vector<std::uint64_t> starts_;
  std::vector<std::uint32_t> buckets_;
  std::vector<ListEntry> directory_;
  std::vector<Entry> list_;
  std::vector<std::byte> bytes_;  // that have not been written
  std::uint64_t offset_ = 0;      // of them
  Mapping mapping_;
};

/// The nearest rows of each row, found by the lists themselves.
void write_neighbors(const PostingLists& lists, const Codes& codes, const Batch& rows, std::span<const Id> order,
                     const PostingsParams& params, FileWriter& writer) {
  constexpr std::size_t kPiece = 4096;
  const PostingParams wanted{
      .k = params.n_knn + 1, .exact = false, .candidates = 4 * params.n_knn + 32, .query_cut = 24, .heap_factor = 0.9F};
  writer.begin(kNeighborsSection, Tier::hot, order.size() * params.n_knn * sizeof(Id));
  for (std::size_t first = 0; first < order.size(); first += kPiece) {
    std::vector<Id> near(std::min(kPiece, order.size() - first) * params.n_knn, kNoId);
    parallel_for(params.num_threads, near.size() / params.n_knn, 64, [&](std::size_t begin, std::size_t end, unsigned) {
      PostingSearch search(lists, {}, {});
      const std::unique_ptr<Scorer> scorer = codes.scorer(Metric::dot_product);
      SubsetScorer of_rows(*scorer, order, order.size());
      std::vector<Candidate> best;
      for (std::size_t i = begin; i < end; ++i) {
        const VectorView query = rows.row(order[first + i]);
        of_rows.bind(query);
        search.find(query, of_rows, wanted, best);
        std::erase_if(best, [&](const Candidate& c) { return c.id == first + i; });
        for (std::size_t j = 0; j < std::min<std::size_t>(best.size(), params.n_knn); ++j)
          near[i * params.n_knn + j] = best[j].id;
      }
    });
    writer.append(std::span<const Id>(near));
    if (params.progress) params.progress("neighbours", std::min(first + kPiece, order.size()), order.size());
  }
}

}  // namespace

PostingsEntry write_postings(VectorStream& vectors, const Encoder& encoder, const PostingsParams& params,
                             const WorkFiles& files, FileWriter& writer) {
  StagingFile codes(encoder, files.unnamed());
  SparseStagingFile staged(files);
  read_all(vectors, params.progress, [&](const Batch& batch, std::uint64_t first) {
    codes.append(batch, vectors.name(), first);
    staged.append(batch);
  });
  codes.finish();
  codes.advise(Advice::huge_pages);
  staged.finish();
  const Batch rows = staged.rows(vectors.dim());
  const std::vector<Id> order = order_by_similarity(rows, kBlockRows, params.num_threads, params.progress);
  const ListSpool lists(rows, order, params, files);
  const PostingsEntry entry = lists.write(writer);
  if (params.n_knn != 0)
    write_neighbors(lists.lists(), *encoder.open(codes.sections(), rows.rows), rows, order, params, writer);
  writer.begin(kIdsSection, Tier::hot, order.size() * sizeof(Id));
  writer.append(std::span<const Id>(order));
  write_rows(codes, order, kRowsSection, Tier::hot, false, params.progress, writer);
  return entry;
}

}  // namespace cassata
