#include "engine/graph/delta_adjacency.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <string>

namespace cassata {
namespace {

using namespace kernels::delta_lists;

constexpr std::size_t kHead = kGuardBytes;  // bytes before the lists
constexpr std::size_t kTail = kGuardBytes;  // bytes after the lists
constexpr std::size_t kMaxNarrowLength = 255;
static_assert(1 + kOverrun <= Adjacency::kListSlack);
static_assert(kClasses <= kHead);

std::size_t rows_of_record(bool wide) { return kLengthsBytes / (wide ? sizeof(std::uint16_t) : sizeof(std::uint8_t)); }
std::size_t records_bytes(std::size_t size, bool wide) {
  return (size + rows_of_record(wide) - 1) / rows_of_record(wide) * kRecordBytes;
}

/// The class of `delta`. The widths of WidthChooser cover every delta that occurs; a list of a damaged file may need
/// another one, and then verify() finds that the code differs.
std::uint32_t class_of(const DeltaCode& code, std::uint32_t delta) {
  for (std::uint32_t c = 0; c < kClasses; ++c)
    if (delta - code.bases[c] <= code.masks[c]) return c;
  return kSelfClass;
}

/// Inserts `self` into the ascending list and calls call(difference) for each pair of adjacent numbers, in order, and
/// call(0) at the place of `self`.
template <class Call>
void for_each_delta(Id self, std::span<const Id> list, Call call) {
  const auto after = std::lower_bound(list.begin(), list.end(), self);
  for (auto at = list.begin(); at != after; ++at) call((at + 1 == after ? self : at[1]) - at[0]);
  call(Id{0});
  for (auto at = after; at != list.end(); ++at) call(at[0] - (at == after ? self : at[-1]));
}

/// Encodes lists.
class ListWriter {
 public:
  explicit ListWriter(const DeltaCode& code) : code_(code) {}

  /// The bytes of the list of row `self`; valid until the next call.
  std::span<const std::byte> encode(Id self, std::span<const Id> list) {
    classes_.clear();
    deltas_.clear();
    std::size_t bits = 0;
    for_each_delta(self, list, [&](std::uint32_t delta) {
      deltas_.push_back(delta);
      classes_.push_back(delta == 0 ? kSelfClass : class_of(code_, delta));
      bits += kClassBits + code_.widths[classes_.back()];
    });
    bytes_.assign((bits + 7) / 8, std::byte{0});
    std::size_t back = 8 * bytes_.size();
    for (std::size_t i = 0; i < deltas_.size(); ++i) {
      put(kClassBits * i, classes_[i], kClassBits);
      back -= code_.widths[classes_[i]];
      put(back, deltas_[i] - code_.bases[classes_[i]], code_.widths[classes_[i]]);
    }
    if (8 * bytes_.size() - bits >= kClassBits) put(kClassBits * deltas_.size(), kSelfClass, kClassBits);
    return bytes_;
  }

 private:
  void put(std::size_t at, std::uint32_t value, std::size_t width) {
    for (std::size_t bit = 0; bit < width; ++bit)
      bytes_[(at + bit) / 8] |= static_cast<std::byte>((value >> bit & 1) << (at + bit) % 8);
  }

  const DeltaCode& code_;
  std::vector<std::uint32_t> deltas_, classes_;
  std::vector<std::byte> bytes_;
};

/// Counts deltas by bit length, to choose the widths of classes.
class DeltaCounts {
 public:
  void add(std::uint32_t delta) {
    counts_[static_cast<std::size_t>(std::bit_width(delta))] += 1;
    largest_ = std::max(largest_, delta);
  }
  std::uint32_t largest() const { return largest_; }
  /// Estimates the number of deltas up to `delta`: those of one bit length count as evenly distributed.
  double up_to(std::uint64_t delta) const {
    double sum = 0;
    const auto bits = static_cast<std::size_t>(std::bit_width(delta));
    for (std::size_t b = 1; b < std::min(bits, counts_.size()); ++b) sum += counts_[b];
    if (bits == 0 || bits >= counts_.size()) return sum;
    const auto first = static_cast<double>(std::uint64_t{1} << (bits - 1));
    return sum + counts_[bits] * (static_cast<double>(delta) - first + 1) / first;
  }

 private:
  std::array<double, 33> counts_{};
  std::uint32_t largest_ = 0;
};

/// Finds the non-decreasing widths that take the fewest bits in all, by trying every combination.
class WidthChooser {
 public:
  explicit WidthChooser(const DeltaCounts& counts) : counts_(counts) { choose(0, 0, 0, 0); }
  std::array<std::uint8_t, kClasses> best() const { return best_; }

 private:
  /// Tries the widths from `min_width` on for class c, whose deltas begin after `first`, and for the classes after it.
  /// `bits` is the number of bits of the deltas in the classes before it.
  void choose(std::size_t c, unsigned min_width, std::uint64_t first, double bits) {
    if (bits >= best_bits_) return;
    if (first >= counts_.largest()) {
      std::fill(widths_.begin() + static_cast<std::ptrdiff_t>(c), widths_.end(), std::uint8_t{0});
      best_ = widths_;
      best_bits_ = bits;
      return;
    }
    if (c == kClasses) return;
    const auto enough = static_cast<unsigned>(std::bit_width(counts_.largest() - first - 1));
    const double before = counts_.up_to(first);
    for (unsigned width = c + 1 < kClasses ? std::min(min_width, enough) : enough; width <= enough; ++width) {
      const std::uint64_t last = first + (std::uint64_t{1} << width);
      widths_[c] = static_cast<std::uint8_t>(width);
      choose(c + 1, width, last, bits + width * (counts_.up_to(last) - before));
    }
  }

  const DeltaCounts& counts_;
  std::array<std::uint8_t, kClasses> widths_{}, best_{};
  double best_bits_ = std::numeric_limits<double>::infinity();
};

/// Reads the widths of classes. Those of a damaged file are masked to kMaxWidth.
DeltaCode read_code(const Section& edges) {
  if (edges.bytes.size() < kHead + kTail)
    throw edges.damaged(0, "holds " + std::to_string(edges.bytes.size()) + " bytes, expected at least " +
                               std::to_string(kHead + kTail));
  std::array<std::uint8_t, kClasses> widths;
  for (std::size_t c = 0; c < kClasses; ++c) widths[c] = static_cast<std::uint8_t>(edges.bytes[c]) & kMaxWidth;
  return DeltaCode(widths);
}

/// The bytes of section graph.places.
std::vector<std::byte> records(std::span<const std::uint16_t> lengths) {
  const bool wide = std::ranges::any_of(lengths, [](std::uint16_t length) { return length > kMaxNarrowLength; });
  const std::size_t rows = rows_of_record(wide);
  std::vector<std::byte> bytes;
  std::uint64_t begin = kHead;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    if (row % rows == 0) append_bytes(begin, bytes);
    wide ? append_bytes(lengths[row], bytes) : append_bytes(static_cast<std::uint8_t>(lengths[row]), bytes);
    begin += lengths[row];
  }
  bytes.resize(records_bytes(lengths.size(), wide));
  return bytes;
}

void expect_zeros(const Section& section, std::size_t begin, std::size_t end) {
  for (std::size_t at = begin; at < end; ++at)
    if (section.bytes[at] != std::byte{0})
      throw section.damaged(at, "byte " + std::to_string(static_cast<int>(section.bytes[at])) + ", expected 0");
}

}  // namespace

DeltaAdjacency::DeltaAdjacency(const Section& edges, const Section& places, std::size_t size, std::size_t max_degree)
    : Adjacency(size, max_degree),
      edges_(edges),
      places_(places),
      wide_(places.bytes.size() != records_bytes(size, false)),
      code_(read_code(edges)),
      kernels_(dispatch(code_)) {
  if (wide_ && places.bytes.size() != records_bytes(size, true))
    throw places.damaged(0, "holds " + std::to_string(places.bytes.size()) + " bytes, expected " +
                                std::to_string(records_bytes(size, false)) + " or " +
                                std::to_string(records_bytes(size, true)));
}

std::size_t DeltaAdjacency::length(const std::byte* record, std::size_t i) const noexcept {
  const std::byte* const lengths = record + sizeof(std::uint64_t);
  return wide_ ? number_at<std::uint16_t>(lengths + sizeof(std::uint16_t) * i) : number_at<std::uint8_t>(lengths + i);
}

std::span<const std::byte> DeltaAdjacency::list(Id id) const noexcept {
  const std::size_t rows = wide_ ? rows_of_record(true) : rows_of_record(false),
                    number = id % rows;  // by a constant divisor, for speed
  const std::byte* const record = places_.bytes.data() + id / rows * kRecordBytes;
  std::uint64_t begin = number_at<std::uint64_t>(record);
  if (wide_)
    for (std::size_t i = 0; i < number; ++i) begin += length(record, i);
  else
    begin += kernels_.sum(record, number);
  const std::uint64_t count = length(record, number), end = edges_.bytes.size() - kTail;
  if (begin < kHead || begin > end || count > end - begin) return {};
  return edges_.bytes.subspan(begin, count);
}

void DeltaAdjacency::prefetch_location(Id id) const noexcept {
  const std::size_t rows = wide_ ? rows_of_record(true) : rows_of_record(false);
  __builtin_prefetch(places_.bytes.data() + id / rows * kRecordBytes);
}

std::span<const std::byte> DeltaAdjacency::locate(Id id) const noexcept {
  const auto bytes = list(id);
  // Prefetches all bytes that decoding reads, also those beyond the end of a short list, and to the first cache level,
  // since decoding follows soon.
  for (std::size_t at = 0; at < bytes.size() + kGuardBytes - 1; at += kGuardBytes)
    __builtin_prefetch(bytes.data() + at);
  return bytes;
}

std::span<const Id> DeltaAdjacency::read(Id id, std::span<const std::byte> bytes, Id* scratch) const noexcept {
  if (bytes.empty()) return {};
  return {scratch, kernels_.decode(code_, bytes.data(), bytes.size(), id, max_degree() + 1, scratch)};
}

void DeltaAdjacency::verify_places(const Reading& reading) const {
  const std::size_t rows = rows_of_record(wide_);
  std::uint64_t end = kHead;
  for (std::size_t row = 0; row < places_.bytes.size() / kRecordBytes * rows; ++row) {
    const std::size_t at = row / rows * kRecordBytes;
    const std::byte* const record = places_.bytes.data() + at;
    if (row % rows == 0) reading(places_.bytes.subspan(at, kRecordBytes));
    if (row % rows == 0 && number_at<std::uint64_t>(record) != end)
      throw places_.damaged(at, "the list of row " + std::to_string(row) + " begins at byte " +
                                    std::to_string(number_at<std::uint64_t>(record)) + ", expected " +
                                    std::to_string(end));
    const std::size_t bytes = length(record, row % rows);
    if ((bytes == 0) != (row >= size()) || bytes > edges_.bytes.size() - kTail - end)
      throw places_.damaged(at, "a list of " + std::to_string(bytes) + " bytes for row " + std::to_string(row) +
                                    ", expected " +
                                    (row < size() ? "1 to " + std::to_string(edges_.bytes.size() - kTail - end) : "0"));
    end += bytes;
  }
  if (end + kTail != edges_.bytes.size())
    throw edges_.damaged(
        end, "lists end here, expected at byte " + std::to_string(edges_.bytes.size() - kTail) + " of the section");
}

void DeltaAdjacency::verify(const Reading& reading) const {
  verify_places(reading);
  reading(edges_.bytes.first(kHead));
  reading(edges_.bytes.last(kTail));
  for (std::size_t c = 0; c < kClasses; ++c)
    if (edges_.bytes[c] > std::byte{kMaxWidth})
      throw edges_.damaged(c, "differences of " + std::to_string(static_cast<int>(edges_.bytes[c])) +
                                  " bits, expected at most " + std::to_string(kMaxWidth));
  expect_zeros(edges_, kClasses, kHead);
  expect_zeros(edges_, edges_.bytes.size() - kTail, edges_.bytes.size());
  ListWriter writer(code_);
  std::vector<Id> scratch(list_capacity()), ids;
  for (Id row = 0; row < size(); ++row) {
    const auto bytes = list(row);
    reading(bytes);
    const auto decoded = read(row, bytes, scratch.data());
    ids.assign(decoded.begin(), decoded.end());
    const bool has_self = std::erase(ids, kNoId) == 1;
    const bool fits =
        has_self && std::is_sorted(ids.begin(), ids.end(), std::less_equal<>()) && (ids.empty() || ids.back() < size());
    if (!fits || ids.size() > max_degree() || !std::ranges::equal(writer.encode(row, ids), bytes))
      throw edges_.damaged(static_cast<std::size_t>(bytes.data() - edges_.bytes.data()),
                           "the list of row " + std::to_string(row) + ", expected the code of up to " +
                               std::to_string(max_degree()) + " ascending rows below " + std::to_string(size()));
  }
}

std::vector<std::byte> compress(std::size_t size, const std::function<void(Id row, std::vector<Id>& list)>& list_of,
                                const std::function<void(std::span<const std::byte>)>& edges) {
  std::vector<Id> list;
  DeltaCounts counts;
  for (Id row = 0; row < size; ++row) {
    list.clear();
    list_of(row, list);
    for_each_delta(row, list, [&](std::uint32_t delta) { delta == 0 ? void() : counts.add(delta); });
  }
  const auto widths = WidthChooser(counts).best();
  const DeltaCode code{widths};
  ListWriter writer(code);
  std::vector<std::uint16_t> lengths;
  std::vector<std::byte> head;
  head.reserve(kHead);
  for (const std::uint8_t width : widths) head.push_back(static_cast<std::byte>(width));
  head.resize(kHead);
  edges(head);
  for (Id row = 0; row < size; ++row) {
    list.clear();
    list_of(row, list);
    const auto bytes = writer.encode(row, list);
    edges(bytes);
    lengths.push_back(static_cast<std::uint16_t>(bytes.size()));
  }
  edges(std::vector<std::byte>(kTail));
  return records(lengths);
}

}  // namespace cassata
