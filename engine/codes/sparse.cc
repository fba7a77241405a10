#include "engine/codes/sparse.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "engine/codes/half.h"
#include "engine/kernels/dense.h"
#include "engine/kernels/sparse.h"
#include "format/error.h"

namespace cassata {
namespace {

constexpr std::size_t kShortDim = 65536;                 // components fit u16
constexpr std::size_t kMaxTable = std::size_t{1} << 22;  // a query is scattered over a table as long as dim up to here

std::size_t component_bytes(std::size_t dim) { return dim <= kShortDim ? sizeof(std::uint16_t) : sizeof(std::uint32_t); }

/// One stored row, borrowed.
struct Record {
  const std::byte* components;
  const std::byte* values;
  std::size_t count;
};

template <class T>
class SparseCodes final : public Codes {
 public:
  static constexpr ElementType kType = sizeof(T) == 2 ? ElementType::f16 : ElementType::f32;

  SparseCodes(const RowSections& sections, std::uint64_t size, std::size_t dim)
      : Codes(size, dim), sections_(sections), offsets_(sections.offsets.as<std::uint64_t>(size + 1)), component_bytes_(component_bytes(dim)) {}

  std::unique_ptr<Scorer> scorer(Metric metric) const override;

  /// Whatever the offsets of a damaged file say, the record lies in the section.
  Record record(Id id) const noexcept {
    const std::uint64_t end = std::min<std::uint64_t>(offsets_[id + 1], sections_.rows.bytes.size()), begin = std::min(offsets_[id], end);
    const std::size_t count = (end - begin) / (component_bytes_ + sizeof(T));
    const std::byte* bytes = sections_.rows.bytes.data() + begin;
    return {bytes, bytes + count * component_bytes_, count};
  }
  std::uint32_t component(const Record& r, std::size_t i) const noexcept {
    std::uint16_t narrow = 0;
    std::uint32_t wide = 0;
    if (component_bytes_ == sizeof wide)
      std::memcpy(&wide, r.components + i * sizeof wide, sizeof wide);
    else
      std::memcpy(&narrow, r.components + i * sizeof narrow, sizeof narrow);
    return component_bytes_ == sizeof wide ? wide : narrow;
  }
  float value(const Record& r, std::size_t i) const noexcept {
    float value;
    if constexpr (sizeof(T) == 2)
      kernels::f16_to_f32(r.values + i * sizeof(T), &value, 1);
    else
      std::memcpy(&value, r.values + i * sizeof(T), sizeof value);
    return value;
  }
  void prefetch_place(Id id) const noexcept { __builtin_prefetch(&offsets_[id]); }
  void prefetch(Id id) const noexcept {
    constexpr std::size_t kLine = 64, kMost = 1024;
    const Record r = record(id);
    const std::size_t bytes = std::min(r.count * (component_bytes_ + sizeof(T)), kMost);
    for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(r.components + at, 0, 2);
  }
  std::size_t width() const noexcept { return component_bytes_; }

  void verify() const override {
    for (std::size_t i = 0; i < size(); ++i) verify_row(static_cast<Id>(i));
    if (offsets_.front() != 0 || offsets_.back() != sections_.rows.bytes.size())
      throw sections_.offsets.damaged(0, "rows from byte " + std::to_string(offsets_.front()) + " to " + std::to_string(offsets_.back()) +
                                             ", expected 0 to " + std::to_string(sections_.rows.bytes.size()));
  }

 private:
  void verify_row(Id id) const {
    if (offsets_[id] > offsets_[id + 1] || (offsets_[id + 1] - offsets_[id]) % (component_bytes_ + sizeof(T)) != 0)
      throw sections_.offsets.damaged(id * sizeof(std::uint64_t), "row " + std::to_string(id) + " from byte " + std::to_string(offsets_[id]) +
                                                                      " to " + std::to_string(offsets_[id + 1]) + ", expected whole entries");
    const Record r = record(id);
    for (std::size_t i = 0; i < r.count; ++i)
      if (component(r, i) >= dim() || (i != 0 && component(r, i) <= component(r, i - 1)) || !std::isfinite(value(r, i)))
        throw sections_.rows.damaged(offsets_[id], "row " + std::to_string(id) + ", entry " + std::to_string(i) + ": component " +
                                                       std::to_string(component(r, i)) + ", value " + std::to_string(value(r, i)) +
                                                       ", expected rising components below " + std::to_string(dim()) + " and finite values");
  }

  RowSections sections_;
  std::span<const std::uint64_t> offsets_;
  std::size_t component_bytes_;
};

/// The query stands scattered in a table; where dim is too large for one, rows are merged with it.
template <class T>
class SparseScorer final : public Scorer {
 public:
  SparseScorer(const SparseCodes<T>& codes, Metric metric)
      : codes_(codes),
        metric_(metric),
        kernel_(kernels::sparse_kernel(metric, codes.width(), SparseCodes<T>::kType)),
        limit_(static_cast<std::uint32_t>(codes.dim())) {
    if (codes.dim() <= kMaxTable) table_.resize(std::max(codes.dim(), kShortDim) + 1);
  }

  void bind(VectorView query) override {
    components_.assign(query.components.begin(), query.components.end());
    values_.assign(query.values.begin(), query.values.end());
    scatter();
  }

  void bind(Id id) override {
    const Record r = codes_.record(id);
    components_.clear();
    values_.clear();
    for (std::size_t i = 0; i < r.count; ++i) {
      components_.push_back(codes_.component(r, i));
      values_.push_back(codes_.value(r, i));
    }
    scatter();
  }

  void score(std::span<const Id> ids, float* out) noexcept override {
    constexpr std::size_t kAhead = 8;
    for (const Id id : ids) codes_.prefetch_place(id);
    for (std::size_t i = 0; i < std::min(kAhead, ids.size()); ++i) codes_.prefetch(ids[i]);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + kAhead < ids.size()) codes_.prefetch(ids[i + kAhead]);
      out[i] = distance(ids[i]);
    }
  }

  void score_range(Id first, std::size_t count, float* out) noexcept override {
    for (std::size_t i = 0; i < count; ++i) out[i] = distance(first + static_cast<Id>(i));
  }

 private:
  float distance(Id id) const noexcept {
    const Record r = codes_.record(id);
    const float part = table_.empty() ? merged(r) : kernel_(table_.data(), limit_, r.components, r.values, r.count);
    return metric_ == Metric::euclidean ? std::max(part + norm_, 0.0F) : part;
  }

  /// What the kernel computes, by walking over both lists of components.
  float merged(const Record& r) const noexcept {
    float sum = 0;
    std::size_t q = 0;
    for (std::size_t i = 0; i < r.count; ++i) {
      const std::uint32_t component = codes_.component(r, i);
      const float value = codes_.value(r, i);
      while (q < components_.size() && components_[q] < component) ++q;
      const float other = q < components_.size() && components_[q] == component ? values_[q] : 0.0F;
      sum += metric_ == Metric::euclidean ? value * (value - 2 * other) : -value * other;
    }
    return sum;
  }

  void scatter() {
    norm_ = 0;
    for (const float value : values_) norm_ += value * value;
    if (table_.empty()) return;
    for (const std::uint32_t component : scattered_) table_[component] = 0;
    scattered_.clear();
    for (std::size_t i = 0; i < components_.size(); ++i) {
      if (components_[i] >= limit_) continue;  // no row has it
      table_[components_[i]] = values_[i];
      scattered_.push_back(components_[i]);
    }
  }

  const SparseCodes<T>& codes_;
  Metric metric_;
  kernels::SparseKernel kernel_;
  std::uint32_t limit_;
  std::vector<float> table_;
  std::vector<std::uint32_t> scattered_;  // places of the table that are not 0
  std::vector<std::uint32_t> components_;
  std::vector<float> values_;
  float norm_ = 0;  // squared
};

template <class T>
std::unique_ptr<Scorer> SparseCodes<T>::scorer(Metric metric) const {
  return std::make_unique<SparseScorer<T>>(*this, metric);
}

template <class T>
class SparseEncoder final : public Encoder {
 public:
  explicit SparseEncoder(std::size_t dim) : dim_(dim) {}

  std::size_t row_bytes() const noexcept override { return 0; }

  void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const override {
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const VectorView row = rows.row(i);
      append_components(row.components, out.bytes);
      append_values(row.values, source, first + i, out.bytes);
      out.ends.push_back(out.bytes.size());
    }
  }

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return std::make_unique<SparseCodes<T>>(sections, size, dim_);
  }

 private:
  template <class Number>
  static void append(Number number, std::vector<std::byte>& out) {
    const auto bytes = std::as_bytes(std::span(&number, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }

  void append_components(std::span<const std::uint32_t> components, std::vector<std::byte>& out) const {
    for (const std::uint32_t c : components) component_bytes(dim_) == 2 ? append(static_cast<std::uint16_t>(c), out) : append(c, out);
  }

  void append_values(std::span<const float> values, std::string_view source, std::uint64_t row, std::vector<std::byte>& out) const {
    if constexpr (sizeof(T) == sizeof(float)) {
      const auto bytes = std::as_bytes(values);
      out.insert(out.end(), bytes.begin(), bytes.end());
    } else {
      std::vector<std::uint16_t> halves(values.size());
      kernels::f32_to_f16(values.data(), halves.data(), values.size());
      for (std::size_t i = 0; i < values.size(); ++i)
        if (!finite_half(halves[i])) refuse_beyond_half(source, row, "entry " + std::to_string(i), values[i]);
      const auto bytes = std::as_bytes(std::span(halves));
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
  }

  std::size_t dim_;
};

}  // namespace

std::unique_ptr<Codes> open_sparse_f16(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return std::make_unique<SparseCodes<std::uint16_t>>(sections, size, dim);
}
std::unique_ptr<Codes> open_sparse_f32(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return std::make_unique<SparseCodes<float>>(sections, size, dim);
}
std::unique_ptr<Encoder> encoder_sparse_f16(std::size_t dim) { return std::make_unique<SparseEncoder<std::uint16_t>>(dim); }
std::unique_ptr<Encoder> encoder_sparse_f32(std::size_t dim) { return std::make_unique<SparseEncoder<float>>(dim); }

}  // namespace cassata
