#include "engine/codec/pruned.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cassata/error.h"

namespace cassata {
namespace {

/// Rows that were taken from others.
struct Rows {
  std::vector<std::uint32_t> components;
  std::vector<float> values;
  std::vector<std::uint64_t> offsets = {0};

  void add(const VectorView& from, std::size_t i) {
    components.push_back(from.components[i]);
    values.push_back(from.values[i]);
  }
  Batch batch(std::size_t dim) const {
    return {values.data(), offsets.size() - 1, dim, components.data(), offsets.data()};
  }
};

class PartEncoder final : public Encoder {
 public:
  PartEncoder(std::unique_ptr<Encoder> whole, double percentage, Part part)
      : whole_(std::move(whole)), percentage_(percentage), part_(part) {}

  std::size_t row_bytes() const noexcept override { return whole_->row_bytes(); }

  void check(const Batch& rows, std::string_view source, std::uint64_t first) const override {
    whole_->check(rows, source, first);
  }

  void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const override {
    Rows parts;
    for (std::size_t i = 0; i < rows.rows; ++i) append_part(rows.row(i), parts);
    try {
      whole_->encode(parts.batch(rows.dim), source, first, out);
    } catch (const Error&) {
      EncodedRows none;
      whole_->encode(rows, source, first, none);  // tells the same of the entry's number in the whole vector
      throw;
    }
  }

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return whole_->open(sections, size);
  }

 private:
  void append_part(const VectorView& row, Rows& out) const {
    const std::vector<std::size_t> kept = kept_entries(row.values, percentage_);
    auto next = kept.begin();
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const bool is_kept = next != kept.end() && *next == i;
      if (is_kept) ++next;
      if (is_kept == (part_ == Part::kept)) out.add(row, i);
    }
    out.offsets.push_back(out.values.size());
  }

  std::unique_ptr<Encoder> whole_;
  double percentage_;
  Part part_;
};

}  // namespace

std::vector<std::size_t> kept_entries(std::span<const float> values, double percentage) {
  const auto weight = [&](std::size_t i) { return std::abs(static_cast<double>(values[i])); };
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(
      order, [&](std::size_t a, std::size_t b) { return weight(a) != weight(b) ? weight(a) > weight(b) : a < b; });
  double all = 0, kept = 0;
  for (const std::size_t i : order) all += weight(i);
  const double share = all * percentage / 100;
  std::size_t count = 0;
  const auto counts = [&](std::size_t i) { return weight(order[i]) > 0 && (i == 0 || kept < share); };
  while (count < order.size() && counts(count)) kept += weight(order[count++]);
  order.resize(count);
  std::ranges::sort(order);
  return order;
}

std::unique_ptr<Encoder> part_encoder(std::unique_ptr<Encoder> whole, double percentage, Part part) {
  return std::make_unique<PartEncoder>(std::move(whole), percentage, part);
}

}  // namespace cassata
