#include "engine/codec/residual.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace cassata {
namespace {

/// Computes the residuals of dense rows.
class Residuals {
 public:
  /// Requires a trained `first`.
  explicit Residuals(const Encoder& first)
      : first_(first),
        codec_(first.codec({.rows = {.file = "memory", .name = "rows"},
                            .offsets = {},
                            .model = {.file = "memory", .name = "model", .offset = 0, .bytes = first.model()}})) {}

  /// The rows minus their decoded codes: rows x dim values, clamped to finite ones.
  std::vector<float> of(const Batch& rows) const {
    EncodedRows encoded;
    first_.encode(rows, "", 0, encoded);
    std::vector<float> out(rows.rows * rows.dim);
    for (std::size_t i = 0; i < rows.rows; ++i)
      codec_->decode(encoded.bytes.data() + i * codec_->row_bytes(), out.data() + i * rows.dim);
    constexpr float kMax = std::numeric_limits<float>::max();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::clamp(rows.data[i] - out[i], -kMax, kMax);
    return out;
  }

 private:
  const Encoder& first_;
  std::unique_ptr<RowCodec> codec_;
};

/// The residuals of stored vectors, from which the encoder of residuals learns.
class ResidualRows final : public DenseRows {
 public:
  ResidualRows(const Residuals& residuals, const DenseRows& vectors) : residuals_(residuals), vectors_(vectors) {}
  std::uint64_t size() const noexcept override { return vectors_.size(); }
  std::size_t dim() const noexcept override { return vectors_.dim(); }
  void decode(Id id, float* out) const override {
    vectors_.decode(id, out);
    std::ranges::copy(residuals_.of({.data = out, .rows = 1, .dim = dim()}), out);
  }

 private:
  const Residuals& residuals_;
  const DenseRows& vectors_;
};

class ResidualEncoder final : public Encoder {
 public:
  ResidualEncoder(const Encoder& first, std::unique_ptr<Encoder> rest) : first_(first), rest_(std::move(rest)) {}

  bool trains() const noexcept override { return true; }
  void train(const DenseRows& vectors, unsigned num_threads, const Progress& progress) override {
    if (rest_->trains()) rest_->train(ResidualRows(Residuals(first_), vectors), num_threads, progress);
  }
  std::span<const std::byte> model() const noexcept override { return rest_->model(); }
  std::size_t row_bytes() const noexcept override { return rest_->row_bytes(); }
  void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const override {
    const std::vector<float> rest = Residuals(first_).of(rows);
    rest_->encode({.data = rest.data(), .rows = rows.rows, .dim = rows.dim}, source, first, out);
  }
  std::unique_ptr<RowCodec> codec(const RowSections& sections) const override { return rest_->codec(sections); }

 private:
  const Encoder& first_;
  std::unique_ptr<Encoder> rest_;
};

}  // namespace

std::unique_ptr<Encoder> residual_encoder(const Encoder& first, std::unique_ptr<Encoder> rest) {
  return std::make_unique<ResidualEncoder>(first, std::move(rest));
}

}  // namespace cassata
