#include "engine/codec/dense.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "cassata/error.h"
#include "engine/codec/half.h"
#include "engine/kernels/dense_distance.h"

namespace cassata {
namespace {

bool finite(float value) { return std::isfinite(value); }
bool finite(std::uint16_t half) { return finite_half(half); }

struct alignas(64) CacheLine {
  static constexpr std::size_t kFloats = 16;
  float values[kFloats];
};

template <class T>
class DenseCodec final : public RowCodec {
 public:
  static constexpr ElementType kType = sizeof(T) == 2 ? ElementType::f16 : ElementType::f32;

  explicit DenseCodec(std::size_t dim) : RowCodec(dim, dim * sizeof(T)) {}

  std::unique_ptr<RowScorer> scorer(Metric metric) const override;

  void decode(const std::byte* row, float* out) const override {
    if constexpr (sizeof(T) == sizeof(float))
      std::memcpy(out, row, row_bytes());
    else
      kernels::dense::f16_to_f32(row, out, dim());
  }

  void verify_row(const Section& section, std::uint64_t at, std::uint64_t row) const override {
    for (std::size_t i = 0; i < row_bytes(); i += sizeof(T))
      if (!finite(number_at<T>(section.bytes.data() + at + i)))
        throw section.damaged(at + i,
                              "row " + std::to_string(row) + " has a NaN or an infinity, expected finite numbers");
  }
};

template <class T>
class DenseScorer final : public RowScorer {
 public:
  DenseScorer(const DenseCodec<T>& codec, Metric metric)
      : codec_(codec),
        kernels_(kernels::dense::dispatch(metric, DenseCodec<T>::kType)),
        query_(codec.dim() / CacheLine::kFloats + 1) {}

  void bind(VectorView query) override {
    std::memcpy(query_.data(), query.values.data(), codec_.dim() * sizeof(float));
  }

  void bind(const std::byte* row) override { codec_.decode(row, query_.data()->values); }

  void score(const std::byte* rows, std::span<const Id> places, float* out) noexcept override {
    kernels_.gather(query_.data()->values, rows, codec_.dim(), places.data(), places.size(), out);
  }

  void score_range(const std::byte* rows, std::size_t first, std::size_t count, float* out) noexcept override {
    kernels_.range(query_.data()->values, rows, codec_.dim(), first, count, out);
  }

 private:
  const DenseCodec<T>& codec_;
  kernels::dense::Kernels kernels_;
  /// A copy on its own cache lines: loads that cross a line cost 5 to 9 % of a search, and NumPy's arrays begin 16
  /// bytes past one.
  std::vector<CacheLine> query_;
};

template <class T>
std::unique_ptr<RowScorer> DenseCodec<T>::scorer(Metric metric) const {
  return std::make_unique<DenseScorer<T>>(*this, metric);
}

template <class T>
class DenseEncoder final : public Encoder {
 public:
  explicit DenseEncoder(std::size_t dim) : dim_(dim) {}

  std::size_t row_bytes() const noexcept override { return dim_ * sizeof(T); }

  void check(const Batch& rows, std::string_view source, std::uint64_t first) const override {
    if constexpr (sizeof(T) != sizeof(float))
      for (std::size_t i = 0; i < rows.rows; ++i) {
        check_halves(
            rows.row(i).values, [&] { return std::string(source) + ": row " + std::to_string(first + i); },
            [](std::size_t column) { return "column " + std::to_string(column); });
      }
  }

  void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const override {
    const std::size_t count = rows.rows * dim_;
    if constexpr (sizeof(T) == sizeof(float)) {
      const auto bytes = std::as_bytes(std::span(rows.data, count));
      out.bytes.insert(out.bytes.end(), bytes.begin(), bytes.end());
    } else {
      std::vector<std::uint16_t> halves(count);
      kernels::dense::f32_to_f16(rows.data, halves.data(), count);
      for (std::size_t i = 0; i < count; ++i)
        if (!finite_half(halves[i]))
          refuse_beyond_half(source, first + i / dim_, "column " + std::to_string(i % dim_), rows.data[i]);
      const auto bytes = std::as_bytes(std::span(halves));
      out.bytes.insert(out.bytes.end(), bytes.begin(), bytes.end());
    }
  }

  std::unique_ptr<RowCodec> codec(const RowSections&) const override { return std::make_unique<DenseCodec<T>>(dim_); }

 private:
  std::size_t dim_;
};

}  // namespace

std::unique_ptr<RowCodec> codec_dense_f32(const RowSections&, const CodesSpec& spec) {
  return std::make_unique<DenseCodec<float>>(spec.dim);
}
std::unique_ptr<RowCodec> codec_dense_f16(const RowSections&, const CodesSpec& spec) {
  return std::make_unique<DenseCodec<std::uint16_t>>(spec.dim);
}
std::unique_ptr<Encoder> encoder_dense_f32(std::size_t dim) { return std::make_unique<DenseEncoder<float>>(dim); }
std::unique_ptr<Encoder> encoder_dense_f16(std::size_t dim) {
  return std::make_unique<DenseEncoder<std::uint16_t>>(dim);
}

}  // namespace cassata
