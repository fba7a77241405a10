#include "engine/codec/residual.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace cassata {
namespace {

/// Dense rows as `first` leaves them out, batch by batch.
std::vector<float> left_out(const Encoder& first, const Batch& rows) {
  EncodedRows encoded;
  first.encode(rows, "", 0, encoded);
  const auto codes = first.open({.rows = {.file = "memory", .name = "rows", .offset = 0, .bytes = encoded.bytes},
                                 .offsets = {},
                                 .model = {.file = "memory", .name = "model", .offset = 0, .bytes = first.model()}},
                                rows.rows);
  std::vector<float> out(rows.rows * rows.dim);
  for (std::size_t i = 0; i < rows.rows; ++i) codes->decode(static_cast<Id>(i), out.data() + i * rows.dim);
  constexpr float kMost = std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::clamp(rows.data[i] - out[i], -kMost, kMost);
  return out;
}

/// Vectors without what `first` keeps of them: what an encoder of the rest learns from.
class LeftOut final : public Codes {
 public:
  LeftOut(const Encoder& first, const Codes& vectors)
      : Codes(vectors.size(), vectors.dim()), first_(first), vectors_(vectors) {}
  std::unique_ptr<Scorer> scorer(Metric) const override { return nullptr; }
  void verify(const Reading&) const override {}
  void decode(Id id, float* out) const override {
    vectors_.decode(id, out);
    const std::vector<float> rest = left_out(first_, {.data = out, .rows = 1, .dim = dim()});
    std::copy(rest.begin(), rest.end(), out);
  }

 private:
  const Encoder& first_;
  const Codes& vectors_;
};

class ResidualEncoder final : public Encoder {
 public:
  ResidualEncoder(const Encoder& first, std::unique_ptr<Encoder> rest) : first_(first), rest_(std::move(rest)) {}

  bool trains() const noexcept override { return true; }
  void train(const Codes& vectors, unsigned num_threads, const Progress& progress) override {
    if (rest_->trains()) rest_->train(LeftOut(first_, vectors), num_threads, progress);
  }
  std::span<const std::byte> model() const noexcept override { return rest_->model(); }
  std::size_t row_bytes() const noexcept override { return rest_->row_bytes(); }
  void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const override {
    const std::vector<float> rest = left_out(first_, rows);
    rest_->encode({.data = rest.data(), .rows = rows.rows, .dim = rows.dim}, source, first, out);
  }
  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return rest_->open(sections, size);
  }

 private:
  const Encoder& first_;
  std::unique_ptr<Encoder> rest_;
};

}  // namespace

std::unique_ptr<Encoder> residual_encoder(const Encoder& first, std::unique_ptr<Encoder> rest) {
  return std::make_unique<ResidualEncoder>(first, std::move(rest));
}

}  // namespace cassata
