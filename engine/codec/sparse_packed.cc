#include "engine/codec/sparse_packed.h"

#include <cmath>
#include <vector>

#include "engine/codec/fixed_point.h"
#include "engine/codec/sparse_rows.h"
#include "engine/codec/sparse_scorer.h"
#include "engine/kernels/sparse_dot.h"

namespace cassata {
namespace {

/// Layout of the rows of one dimension.
struct Layout {
  std::size_t low_bytes;  ///< bytes of a component below the top one
  std::size_t rises;      ///< number of 0 bits of a row: the largest top byte

  explicit Layout(std::size_t dim)
      : low_bytes(dim <= std::size_t{1} << 16   ? 1
                  : dim <= std::size_t{1} << 24 ? 2
                                                : 3),
        rises((dim - 1) >> (8 * low_bytes)) {}

  std::size_t bit_bytes(std::size_t count) const noexcept { return (count + rises + 7) / 8; }
  std::size_t row_bytes(std::size_t count) const noexcept {
    return sizeof(float) + bit_bytes(count) + (low_bytes + 1) * count;
  }
  /// Number of entries of a row of `bytes`; if no row has that length, of the longest shorter one.
  std::size_t count(std::size_t bytes) const noexcept {
    const std::size_t bits = bytes < sizeof(float) ? 0 : 8 * (bytes - sizeof(float));
    if (bits < rises) return 0;
    switch (low_bytes) {  // constant divisors: others are slow
      case 1: return (bits - rises) / 17;
      case 2: return (bits - rises) / 25;
      default: return (bits - rises) / 33;
    }
  }
};

class PackedCodes final : public SparseRows {
 public:
  using Record = kernels::sparse::PackedRow;

  PackedCodes(const RowSections& sections, std::uint64_t size, std::size_t dim)
      : SparseRows(sections, size, dim), layout_(dim) {}

  std::unique_ptr<Scorer> scorer(Metric metric) const override {
    return std::make_unique<SparseScorer<PackedCodes>>(*this, metric);
  }
  kernels::sparse::Kernels<Record> kernels(Metric metric) const {
    if (metric != Metric::dot_product) unsupported(metric);
    return kernels::sparse::dispatch_packed(layout_.low_bytes);
  }
  void append(Id id, std::vector<std::uint32_t>& components, std::vector<float>& values) const override {
    append_entries(*this, id, components, values);
  }

  Record record(Id id) const noexcept {
    const auto row = bytes(id);
    const std::size_t count = layout_.count(row.size());
    if (row.size() < layout_.row_bytes(count)) return {};
    const auto* const tops = reinterpret_cast<const std::uint8_t*>(row.data()) + sizeof(float);
    const std::uint8_t* const low = tops + layout_.bit_bytes(count);
    return {.tops = tops,
            .tops_bytes = layout_.bit_bytes(count),
            .low = low,
            .values = low + layout_.low_bytes * count,
            .count = count,
            .scale = number_at<float>(row.data())};
  }

  template <class Use>
  void each(const Record& r, Use use) const {
    std::size_t bit = 0, i = 0;
    for (; i < r.count && bit < 8 * r.tops_bytes; ++bit)
      if (is_one(r, bit)) {
        use(component(r, i, bit - i), fixed_value(r.scale, r.values[i]));
        ++i;
      }
    for (; i < r.count; ++i)
      use(component(r, i, 0 - i), fixed_value(r.scale, r.values[i]));  // a damaged row, read as the kernels read it
  }

  void verify(const Reading& reading) const override {
    verify_rows(reading, [&](Id id) {
      const Record r = record(id);
      if (bytes(id).size() != layout_.row_bytes(r.count)) throw wrong_length(id);
      if (!std::isfinite(r.scale)) throw wrong_scale(id, r.scale);
      verify_bits(id, r);
      std::size_t i = 0;
      std::uint32_t before = 0;
      each(r, [&](std::uint32_t component, float value) {
        if (component >= dim() || (i != 0 && component <= before) || !std::isfinite(value))
          throw wrong_entry(id, i, component, value);
        before = component;
        ++i;
      });
    });
  }

 private:
  void verify_bits(Id id, const Record& r) const {
    std::size_t ones = 0, after = 0;  // 1 bits of the row, and in the padding
    for (std::size_t bit = 0; bit < 8 * r.tops_bytes; ++bit)
      (bit < r.count + layout_.rises ? ones : after) += is_one(r, bit);
    if (ones != r.count || after != 0)
      throw wrong_row(id, std::to_string(ones) + " ones and " + std::to_string(after) + " in the padding, expected " +
                              std::to_string(r.count) + " and 0");
  }
  static bool is_one(const Record& r, std::size_t bit) noexcept { return r.tops[bit / 8] >> bit % 8 & 1; }
  std::uint32_t component(const Record& r, std::size_t i, std::size_t top) const noexcept {
    std::uint32_t component = static_cast<std::uint8_t>(top);
    for (std::size_t plane = layout_.low_bytes; plane-- > 0;) component = component << 8 | r.low[plane * r.count + i];
    return component;
  }

  Layout layout_;
};

class PackedEncoder final : public Encoder {
 public:
  explicit PackedEncoder(std::size_t dim) : dim_(dim), layout_(dim) {}

  std::size_t row_bytes() const noexcept override { return 0; }
  std::size_t entry_bytes() const noexcept override { return layout_.low_bytes + 1; }

  void encode(const Batch& rows, std::string_view, std::uint64_t, EncodedRows& out) const override {
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const VectorView row = rows.row(i);
      const FixedPoint<std::uint8_t> fixed(row.values);
      append_bytes(fixed.scale, out.bytes);
      append_tops(row.components, out.bytes);
      for (std::size_t plane = 0; plane < layout_.low_bytes; ++plane)
        for (const std::uint32_t c : row.components) out.bytes.push_back(static_cast<std::byte>(c >> (8 * plane)));
      for (const std::uint8_t number : fixed.numbers) out.bytes.push_back(static_cast<std::byte>(number));
      out.ends.push_back(out.bytes.size());
    }
  }

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return std::make_unique<PackedCodes>(sections, size, dim_);
  }

 private:
  void append_tops(std::span<const std::uint32_t> components, std::vector<std::byte>& out) const {
    const std::size_t begin = out.size();
    out.resize(begin + layout_.bit_bytes(components.size()));
    for (std::size_t i = 0; i < components.size(); ++i) {
      const std::size_t bit = (components[i] >> (8 * layout_.low_bytes)) + i;
      out[begin + bit / 8] |= std::byte{1} << bit % 8;
    }
  }

  std::size_t dim_;
  Layout layout_;
};

}  // namespace

std::unique_ptr<Codes> open_sparse_packed(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return std::make_unique<PackedCodes>(sections, size, dim);
}
std::unique_ptr<Encoder> encoder_sparse_packed(std::size_t dim) { return std::make_unique<PackedEncoder>(dim); }

}  // namespace cassata
