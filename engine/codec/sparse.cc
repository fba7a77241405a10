#include "engine/codec/sparse.h"

#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "cassata/error.h"
#include "engine/codec/fixed_point.h"
#include "engine/codec/half.h"
#include "engine/codec/sparse_rows.h"
#include "engine/codec/sparse_scorer.h"
#include "engine/kernels/dense_distance.h"
#include "engine/kernels/sparse_dot.h"

namespace cassata {
namespace {

std::size_t component_bytes(std::size_t dim) {
  return dim <= SparseRows::kShortDim ? sizeof(std::uint16_t) : sizeof(std::uint32_t);
}

// Formats of the values of a row: numbers of type Stored, and kHeadBytes before the row's components (the scale of
// fixed-point values).

struct SingleValues {
  using Stored = float;
  static constexpr kernels::sparse::SparseValues kKind = kernels::sparse::SparseValues::f32;
  static constexpr std::size_t kHeadBytes = 0;
  static float value(float, float stored) noexcept { return stored; }
  static std::vector<float> store(std::span<const float> values, std::string_view, std::uint64_t,
                                  std::vector<std::byte>&) {
    return {values.begin(), values.end()};
  }
};

struct HalfValues {
  using Stored = std::uint16_t;
  static constexpr kernels::sparse::SparseValues kKind = kernels::sparse::SparseValues::f16;
  static constexpr std::size_t kHeadBytes = 0;
  static float value(float, std::uint16_t stored) noexcept {
    float value;
    kernels::dense::f16_to_f32(&stored, &value, 1);
    return value;
  }
  static std::vector<std::uint16_t> store(std::span<const float> values, std::string_view source, std::uint64_t row,
                                          std::vector<std::byte>&) {
    std::vector<std::uint16_t> halves(values.size());
    kernels::dense::f32_to_f16(values.data(), halves.data(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!finite_half(halves[i])) refuse_beyond_half(source, row, "entry " + std::to_string(i), values[i]);
    return halves;
  }
};

template <class Number>
struct FixedValues {
  using Stored = Number;
  static constexpr kernels::sparse::SparseValues kKind =
      sizeof(Number) == 1 ? kernels::sparse::SparseValues::fixed8 : kernels::sparse::SparseValues::fixed16;
  static constexpr std::size_t kHeadBytes = sizeof(float);
  static float value(float scale, Number stored) noexcept { return fixed_value(scale, stored); }
  static std::vector<Number> store(std::span<const float> values, std::string_view, std::uint64_t,
                                   std::vector<std::byte>& head) {
    FixedPoint<Number> fixed(values);
    append_bytes(fixed.scale, head);
    return std::move(fixed.numbers);
  }
};

template <class Values>
class SparseCodes final : public SparseRows {
 public:
  using Record = kernels::sparse::SparseRow;
  using Stored = typename Values::Stored;

  SparseCodes(const RowSections& sections, std::uint64_t size, std::size_t dim)
      : SparseRows(sections, size, dim), component_bytes_(component_bytes(dim)) {}

  std::unique_ptr<Scorer> scorer(Metric metric) const override {
    return std::make_unique<SparseScorer<SparseCodes>>(*this, metric);
  }
  kernels::sparse::Kernels<Record> kernels(Metric metric) const {
    return kernels::sparse::dispatch(metric, component_bytes_, Values::kKind);
  }
  void append(Id id, std::vector<std::uint32_t>& components, std::vector<float>& values) const override {
    append_entries(*this, id, components, values);
  }

  Record record(Id id) const noexcept {
    const auto row = bytes(id);
    if (row.size() < Values::kHeadBytes) return {};
    const std::byte* const components = row.data() + Values::kHeadBytes;
    const std::size_t count = (row.size() - Values::kHeadBytes) / entry_bytes();
    return {
        .components = components, .values = components + count * component_bytes_, .count = count, .scale = scale(row)};
  }

  template <class Use>
  void each(const Record& r, Use use) const {
    for (std::size_t i = 0; i < r.count; ++i) use(component(r, i), value(r, i));
  }

  void verify(const Reading& reading) const override {
    verify_rows(reading, [&](Id id) {
      const auto row = bytes(id);
      if (row.size() < Values::kHeadBytes || (row.size() - Values::kHeadBytes) % entry_bytes() != 0)
        throw wrong_length(id);
      const Record r = record(id);
      if (!std::isfinite(r.scale)) throw wrong_scale(id, r.scale);
      for (std::size_t i = 0; i < r.count; ++i)
        if (component(r, i) >= dim() || (i != 0 && component(r, i) <= component(r, i - 1)) ||
            !std::isfinite(value(r, i)))
          throw wrong_entry(id, i, component(r, i), value(r, i));
    });
  }

 private:
  std::size_t entry_bytes() const noexcept { return component_bytes_ + sizeof(Stored); }
  static float scale(std::span<const std::byte> row) noexcept {
    if constexpr (Values::kHeadBytes == 0) return 0;
    return number_at<float>(row.data());
  }
  std::uint32_t component(const Record& r, std::size_t i) const noexcept {
    const auto* const from = static_cast<const std::byte*>(r.components) + i * component_bytes_;
    return component_bytes_ == sizeof(std::uint32_t) ? number_at<std::uint32_t>(from) : number_at<std::uint16_t>(from);
  }
  static float value(const Record& r, std::size_t i) noexcept {
    return Values::value(r.scale, number_at<Stored>(static_cast<const std::byte*>(r.values) + i * sizeof(Stored)));
  }

  std::size_t component_bytes_;
};

template <class Values>
class SparseEncoder final : public Encoder {
 public:
  explicit SparseEncoder(std::size_t dim) : dim_(dim) {}

  std::size_t row_bytes() const noexcept override { return 0; }
  std::size_t entry_bytes() const noexcept override { return component_bytes(dim_) + sizeof(typename Values::Stored); }

  void check(const Batch& rows, std::string_view source, std::uint64_t first) const override {
    if constexpr (std::is_same_v<Values, HalfValues>)
      for (std::size_t i = 0; i < rows.rows; ++i) {
        check_halves(
            rows.row(i).values, [&] { return std::string(source) + ": row " + std::to_string(first + i); },
            [](std::size_t entry) { return "entry " + std::to_string(entry); });
      }
  }

  void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const override {
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const VectorView row = rows.row(i);
      const auto stored = Values::store(row.values, source, first + i, out.bytes);
      for (const std::uint32_t c : row.components)
        component_bytes(dim_) == sizeof(std::uint16_t) ? append_bytes(static_cast<std::uint16_t>(c), out.bytes)
                                                       : append_bytes(c, out.bytes);
      const auto bytes = std::as_bytes(std::span(stored));
      out.bytes.insert(out.bytes.end(), bytes.begin(), bytes.end());
      out.ends.push_back(out.bytes.size());
    }
  }

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return std::make_unique<SparseCodes<Values>>(sections, size, dim_);
  }

 private:
  std::size_t dim_;
};

template <class Values>
std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return std::make_unique<SparseCodes<Values>>(sections, size, dim);
}

}  // namespace

std::unique_ptr<Codes> open_sparse_f16(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return open<HalfValues>(sections, size, dim);
}
std::unique_ptr<Codes> open_sparse_f32(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return open<SingleValues>(sections, size, dim);
}
std::unique_ptr<Codes> open_sparse_fixed8(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return open<FixedValues<std::uint8_t>>(sections, size, dim);
}
std::unique_ptr<Codes> open_sparse_fixed16(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return open<FixedValues<std::uint16_t>>(sections, size, dim);
}
std::unique_ptr<Encoder> encoder_sparse_f16(std::size_t dim) {
  return std::make_unique<SparseEncoder<HalfValues>>(dim);
}
std::unique_ptr<Encoder> encoder_sparse_f32(std::size_t dim) {
  return std::make_unique<SparseEncoder<SingleValues>>(dim);
}
std::unique_ptr<Encoder> encoder_sparse_fixed8(std::size_t dim) {
  return std::make_unique<SparseEncoder<FixedValues<std::uint8_t>>>(dim);
}
std::unique_ptr<Encoder> encoder_sparse_fixed16(std::size_t dim) {
  return std::make_unique<SparseEncoder<FixedValues<std::uint16_t>>>(dim);
}

}  // namespace cassata
