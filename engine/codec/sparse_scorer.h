// The scorer of all encodings of sparse vectors.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "engine/codec/fetching_scorer.h"
#include "engine/kernels/sparse_dot.h"

namespace cassata {

/// Scatters the query into a table, or merges rows with it if dim is too large for a table.
///
/// `Rows` is a SparseRows that also has: a type `Record`; record(id); kernels(metric), which take records; and
/// each(record, use), which calls use(component, value) for each entry in order.
template <class Rows>
class SparseScorer final : public FetchingScorer<Rows> {
  using FetchingScorer<Rows>::codes_;

 public:
  SparseScorer(const Rows& rows, Metric metric)
      : FetchingScorer<Rows>(rows),
        by_product_(by_product(metric)),
        kernels_(rows.kernels(metric)),
        limit_(static_cast<std::uint32_t>(rows.dim())),
        table_(rows.take_table()) {}
  SparseScorer(const SparseScorer&) = delete;
  SparseScorer& operator=(const SparseScorer&) = delete;
  ~SparseScorer() override {
    clear();
    codes_.give_table(std::move(table_));
  }

  void bind(VectorView query) override {
    components_.assign(query.components.begin(), query.components.end());
    values_.assign(query.values.begin(), query.values.end());
    scatter();
  }

  void bind(Id id) override {
    components_.clear();
    values_.clear();
    codes_.append(id, components_, values_);
    scatter();
  }

  void score(std::span<const Id> ids, float* out) noexcept override {
    constexpr std::size_t kAhead = 16;
    for (const Id id : ids) codes_.prefetch_place(id);
    for (std::size_t i = 0; i < std::min(kAhead, ids.size()); ++i) codes_.prefetch(ids[i]);
    if (kernels_.few_each && kernel_ == kernels_.few && !table_.empty()) {
      score_each(ids, out);
    } else {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i + kAhead < ids.size()) codes_.prefetch(ids[i + kAhead]);
        out[i] = distance(ids[i]);
      }
    }
    this->scored();
  }

  void prefetch(std::span<const Id> ids) const noexcept override {
    for (const Id id : ids) codes_.prefetch_place(id);
    for (const Id id : ids) codes_.prefetch(id);
  }

  void score_range(Id first, std::size_t count, float* out) noexcept override {
    for (std::size_t i = 0; i < count; ++i) out[i] = distance(first + static_cast<Id>(i));
  }

 private:
  using Record = typename Rows::Record;

  /// Scores by the kernel for several rows. That kernel exists for the dot product alone, which needs no norm.
  void score_each(std::span<const Id> ids, float* out) const noexcept {
    constexpr std::size_t kBatch = 16;
    std::array<Record, kBatch> records;
    for (std::size_t begin = 0; begin < ids.size(); begin += kBatch) {
      const auto batch = ids.subspan(begin, std::min(kBatch, ids.size() - begin));
      for (std::size_t i = begin + kBatch; i < std::min(begin + 2 * kBatch, ids.size()); ++i) codes_.prefetch(ids[i]);
      for (std::size_t i = 0; i < batch.size(); ++i) records[i] = codes_.record(batch[i]);
      kernels_.few_each({table_.data(), limit_, filter_.data()}, records.data(), batch.size(), out + begin);
    }
  }

  float distance(Id id) const noexcept {
    const Record r = codes_.record(id);
    const float part = table_.empty() ? merged(r) : kernel_({table_.data(), limit_, filter_.data()}, r);
    return by_product_ ? part : std::max(part + norm_, 0.0F);
  }

  /// The same sum as the kernel's, by a merge of both lists of components.
  float merged(const Record& r) const noexcept {
    float sum = 0;
    std::size_t q = 0;
    codes_.each(r, [&](std::uint32_t component, float value) {
      while (q < components_.size() && components_[q] < component) ++q;
      const float other = q < components_.size() && components_[q] == component ? values_[q] : 0.0F;
      sum += by_product_ ? -value * other : value * (value - 2 * other);
    });
    return sum;
  }

  void clear() noexcept {
    for (const std::uint32_t component : scattered_) table_[component] = 0;
    scattered_.clear();
    filter_.fill(0);
  }

  void scatter() {
    norm_ = 0;
    for (const float value : values_) norm_ += value * value;
    if (table_.empty()) return;
    clear();
    scattered_.reserve(components_.size());
    for (std::size_t i = 0; i < components_.size(); ++i) {
      if (components_[i] >= limit_) continue;  // no row has it
      table_[components_[i]] = values_[i];
      scattered_.push_back(components_[i]);
      if (kernels_.few) filter_[components_[i] / 32 % kernels_.filter_words] |= 1u << components_[i] % 32;
    }
    kernel_ = kernels_.few && passes_few() ? kernels_.few : kernels_.all;
  }

  /// True if the filter rejects at least half of all components.
  bool passes_few() const noexcept {
    std::size_t ones = 0;
    for (const std::uint32_t word : filter_) ones += static_cast<std::size_t>(std::popcount(word));
    return ones <= kernels_.filter_words * 16;
  }

  bool by_product_;
  kernels::sparse::Kernels<Record> kernels_;
  float (*kernel_)(const kernels::sparse::SparseQuery&, const Record&) = nullptr;
  std::uint32_t limit_;
  std::vector<float> table_;
  std::vector<std::uint32_t> scattered_;  // places of the table that may differ from 0
  std::array<std::uint32_t, kernels::sparse::kMaxFilterWords> filter_ = {};
  std::vector<std::uint32_t> components_;
  std::vector<float> values_;
  float norm_ = 0;  // squared length of the query
};

}  // namespace cassata
