#include "engine/codec/dense.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "cassata/error.h"
#include "engine/codec/half.h"
#include "engine/codec/row_fetch.h"
#include "engine/kernels/dense_distance.h"
#include "engine/kernels/prefetch.h"

namespace cassata {
namespace {

bool finite(float value) { return std::isfinite(value); }
bool finite(std::uint16_t half) { return finite_half(half); }

struct alignas(64) CacheLine {
  static constexpr std::size_t kFloats = 16;
  float values[kFloats];
};

template <class T>
class DenseCodes final : public Codes {
 public:
  static constexpr ElementType kType = sizeof(T) == 2 ? ElementType::f16 : ElementType::f32;

  DenseCodes(const Section& section, std::uint64_t size, std::size_t dim) : Codes(size, dim), section_(section) {
    if (size > kMaxSize || (dim != 0 && size * sizeof(T) > UINT64_MAX / dim))
      throw section.damaged(0, std::to_string(size) + " vectors are more than a file can hold");
    rows_ = section.as<T>(size * dim);
  }

  std::unique_ptr<Scorer> scorer(Metric metric) const override;

  void verify(const Reading& reading) const override {
    for (std::uint64_t id = 0; id < size(); ++id) {
      reading(bytes(static_cast<Id>(id)));
      for (std::size_t i = id * dim(); i < (id + 1) * dim(); ++i)
        if (!finite(rows_[i]))
          throw section_.damaged(i * sizeof(T),
                                 "row " + std::to_string(id) + " has a NaN or an infinity, expected finite numbers");
    }
  }
  void touch(Id id) const noexcept override { section_.touch(bytes(id)); }

  void decode(Id id, float* out) const override {
    if constexpr (sizeof(T) == sizeof(float)) {
      std::memcpy(out, row(id), dim() * sizeof(float));
    } else {
      kernels::dense::f16_to_f32(row(id), out, dim());
    }
  }

  const T* row(Id id) const noexcept { return rows_.data() + std::size_t{id} * dim(); }
  const T* rows() const { return rows_.data(); }
  std::span<const std::byte> bytes(Id id) const noexcept { return std::as_bytes(std::span(row(id), dim())); }

 private:
  Section section_;
  std::span<const T> rows_;
};

template <class T>
class DenseScorer final : public RowScorer<DenseCodes<T>> {
  using RowScorer<DenseCodes<T>>::codes_;

 public:
  DenseScorer(const DenseCodes<T>& codes, Metric metric)
      : RowScorer<DenseCodes<T>>(codes),
        kernels_(kernels::dense::dispatch(metric, DenseCodes<T>::kType)),
        query_(codes.dim() / CacheLine::kFloats + 1) {}

  void bind(VectorView query) override {
    std::memcpy(query_.data(), query.values.data(), codes_.dim() * sizeof(float));
  }

  void bind(Id id) override { codes_.decode(id, query_.data()->values); }

  void score(std::span<const Id> ids, float* out) noexcept override {
    kernels_.gather(query_.data()->values, codes_.rows(), codes_.dim(), ids.data(), ids.size(), out);
    this->scored();
  }

  void prefetch(std::span<const Id> ids) const noexcept override {
    kernels::prefetch_rows(codes_.rows(), codes_.dim() * sizeof(T), ids);
  }

  void score_range(Id first, std::size_t count, float* out) noexcept override {
    kernels_.range(query_.data()->values, codes_.rows(), codes_.dim(), first, count, out);
  }

 private:
  kernels::dense::Kernels kernels_;
  std::vector<CacheLine>
      query_;  // a copy: loads that cross a line cost 5 to 9 % of a search, and NumPy's arrays lie 16 bytes past one
};

template <class T>
std::unique_ptr<Scorer> DenseCodes<T>::scorer(Metric metric) const {
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

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return std::make_unique<DenseCodes<T>>(sections.rows, size, dim_);
  }

 private:
  std::size_t dim_;
};

}  // namespace

std::unique_ptr<Codes> open_dense_f32(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return std::make_unique<DenseCodes<float>>(sections.rows, size, dim);
}
std::unique_ptr<Codes> open_dense_f16(const RowSections& sections, std::uint64_t size, std::size_t dim) {
  return std::make_unique<DenseCodes<std::uint16_t>>(sections.rows, size, dim);
}
std::unique_ptr<Encoder> encoder_dense_f32(std::size_t dim) { return std::make_unique<DenseEncoder<float>>(dim); }
std::unique_ptr<Encoder> encoder_dense_f16(std::size_t dim) {
  return std::make_unique<DenseEncoder<std::uint16_t>>(dim);
}

}  // namespace cassata
