#include "engine/codec/quantized.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "engine/codec/rotation.h"
#include "engine/kernels/dense_distance.h"
#include "engine/kernels/quantized_distance.h"
#include "engine/train/center.h"

namespace cassata {
namespace {

using kernels::quantized::QuantizedHead;
using kernels::quantized::QuantizedLayout;

enum class QuantizerKind {
  range,     ///< scalar quantization between the smallest and the largest value
  direction  ///< RaBitQ: codes with the smallest angle to the rotated vector
};

struct QuantizerConfig {
  QuantizerKind kind;
  unsigned bits;
  bool rotated() const { return kind == QuantizerKind::direction; }
};

std::size_t model_bytes(const QuantizerConfig& config, std::size_t dim) {
  return dim * sizeof(float) + (config.rotated() ? Rotation::kRounds * dim : 0);
}

constexpr float kLargest = std::numeric_limits<float>::max();

/// `value` clamped to -max and max; -max for a NaN, by the order of the comparisons.
float bounded(float value, float max) { return std::min(max, std::max(-max, value)); }

/// Transforms a vector into the one that is quantized, by the center and the rotation of the model, and back.
class Preprocessor {
 public:
  Preprocessor(const QuantizerConfig& config, std::span<const std::byte> model, std::size_t dim)
      : mean_(reinterpret_cast<const float*>(model.data()), dim),
        rotation_(std::span(reinterpret_cast<const std::int8_t*>(model.data() + mean_.size_bytes()),
                            model.size() - mean_.size_bytes()),
                  dim),
        rotated_(config.rotated()) {
    for (const float value : mean_) mean_squares_ += static_cast<double>(value) * static_cast<double>(value);
  }

  std::span<const float> mean() const { return mean_; }
  bool rotated() const { return rotated_; }
  float mean_squares() const { return static_cast<float>(mean_squares_); }
  /// The factor `a` of quantized.h for a vector whose dot product with the mean is `product`: product / |mean|^2. 0 if
  /// the mean is so short that the quotient is unreliable.
  float share_of_mean(float product) const {
    constexpr double kMinSquares = 1e-30;
    return mean_squares_ > kMinSquares
               ? bounded(static_cast<float>(static_cast<double>(product) / mean_squares_), kLargest)
               : 0;
  }
  /// to = rotation(from - share x mean), from and to of dim values.
  void enter(const float* from, float* to, float share = 1) const {
    constexpr float kMax = 1e30F;  // no sum of the rotation is infinite
    for (std::size_t i = 0; i < mean_.size(); ++i) to[i] = bounded(from[i] - share * mean_[i], kMax);
    if (rotated_) rotation_.apply(to);
  }
  /// In place, the inverse of enter() with share 1.
  void leave(float* values) const {
    if (rotated_) rotation_.undo(values);
    for (std::size_t i = 0; i < mean_.size(); ++i) values[i] += mean_[i];
  }

 private:
  std::span<const float> mean_;
  double mean_squares_ = 0;
  Rotation rotation_;
  bool rotated_;
};

float dot(std::span<const float> a, std::span<const float> b) {
  float distance = 0;
  kernels::dense::dispatch(Metric::dot_product, ElementType::f32).range(a.data(), b.data(), a.size(), 0, 1, &distance);
  return -distance;
}

class QuantizedCodec final : public RowCodec {
 public:
  QuantizedCodec(const QuantizerConfig& config, const Section& model, std::size_t dim)
      : RowCodec(dim, QuantizedLayout(dim, config.bits).row_bytes),
        model_(checked(model, config, dim)),
        layout_(dim, config.bits),
        preprocessor_(config, model_.bytes, dim) {}

  std::unique_ptr<RowScorer> scorer(Metric metric) const override;

  void verify_model(const Reading& reading) const override {
    reading(model_.bytes);
    for (std::size_t i = 0; i < dim(); ++i)
      if (!std::isfinite(preprocessor_.mean()[i]))
        throw model_.damaged(i * sizeof(float), "a NaN or an infinity in the mean, expected finite numbers");
    for (std::size_t i = dim() * sizeof(float); i < model_.bytes.size(); ++i)
      if (model_.bytes[i] != std::byte{1} && model_.bytes[i] != std::byte{0xFF})
        throw model_.damaged(i, "byte " + std::to_string(std::to_integer<int>(model_.bytes[i])) +
                                    " as a sign of the rotation, expected 1 or 255");
  }

  void verify_row(const Section& section, std::uint64_t at, std::uint64_t row) const override {
    const auto h = number_at<QuantizedHead>(section.bytes.data() + at);
    if (!std::isfinite(h.scale) || !std::isfinite(h.bias) || !std::isfinite(h.rest))
      throw section.damaged(at, "row " + std::to_string(row) + " has a NaN or an infinity, expected finite numbers");
  }

  void decode(const std::byte* row, float* out) const override {
    const auto h = number_at<QuantizedHead>(row);
    std::fill_n(out, dim(), 0.0F);
    for (std::size_t p = 0; p < layout_.count; ++p) {
      const QuantizedLayout::Part& part = layout_.parts[p];
      const unsigned mask = (1U << part.width) - 1, runs = 8 / part.width;
      const std::byte* const codes = row + part.row;
      for (std::size_t i = 0; i < dim(); ++i)
        out[i] += static_cast<float>((std::to_integer<unsigned>(codes[i / runs]) >> (i % runs * part.width) & mask)
                                     << part.shift);
    }
    for (std::size_t i = 0; i < dim(); ++i) out[i] = h.bias + h.scale * out[i];
    preprocessor_.leave(out);
  }

  const QuantizedLayout& layout() const { return layout_; }
  const Preprocessor& preprocessor() const { return preprocessor_; }

 private:
  static const Section& checked(const Section& model, const QuantizerConfig& config, std::size_t dim) {
    if (const std::size_t expected = model_bytes(config, dim); model.bytes.size() != expected)
      throw model.damaged(0, std::to_string(model.bytes.size()) + " bytes, expected " + std::to_string(expected));
    return model;
  }

  Section model_;
  QuantizedLayout layout_;
  Preprocessor preprocessor_;
};

class QuantizedScorer final : public RowScorer {
 public:
  QuantizedScorer(const QuantizedCodec& codec, Metric metric)
      : codec_(codec), by_product_(by_product(metric)), values_(codec.dim()), decoded_(codec.dim()) {}

  void bind(VectorView query) override {
    const Preprocessor& preprocessor = codec_.preprocessor();
    const float product = by_product_ ? bounded(dot(query.values, preprocessor.mean()), kLargest) : 0;
    const float share = by_product_ ? preprocessor.share_of_mean(product) : 1;
    preprocessor.enter(query.values.data(), values_.data(), share);
    kernels::quantized::quantize(values_.data(), codec_.layout(), query_);
    query_.base = by_product_ ? -product : dot(values_, values_);
    query_.rest_factor = share;
    query_.factor = by_product_ ? 1 : 2;
  }

  void bind(const std::byte* row) override {
    // Without a rotation the codes themselves serve as the query: nothing is lost, and a build is a third faster than
    // with decoded rows.
    if (!codec_.preprocessor().rotated()) {
      const float rest = kernels::quantized::quantize_row(row, codec_.layout(), query_);
      query_.base = by_product_ ? rest - codec_.preprocessor().mean_squares() : rest;
      query_.rest_factor = 1;
      query_.factor = by_product_ ? 1 : 2;
      return;
    }
    codec_.decode(row, decoded_.data());
    bind(VectorView{.values = decoded_});
  }

  void score(const std::byte* rows, std::span<const Id> places, float* out) noexcept override {
    kernels::quantized::gather(query_, codec_.layout(), rows, places.data(), places.size(), out);
  }

  void score_range(const std::byte* rows, std::size_t first, std::size_t count, float* out) noexcept override {
    kernels::quantized::range(query_, codec_.layout(), rows, first, count, out);
  }

 private:
  const QuantizedCodec& codec_;
  bool by_product_;
  kernels::quantized::QuantizedQuery query_;
  std::vector<float> values_;   // the preprocessed query
  std::vector<float> decoded_;  // a stored vector that is bound as the query
};

std::unique_ptr<RowScorer> QuantizedCodec::scorer(Metric metric) const {
  return std::make_unique<QuantizedScorer>(*this, metric);
}

/// The codes of a vector. Each stands for the value bias + scale x code.
struct Quantized {
  std::vector<std::uint8_t> codes;
  float scale = 0, bias = 0;
};

/// Values and steps below this count as 0: their inverse could be infinite.
constexpr float kSmallest = 1e-35F;

/// Scalar quantization: the codes 0 to `last`, evenly spaced from the smallest value to the largest.
void quantize_range(std::span<const float> values, float last, Quantized& out) {
  const auto [low, high] = std::ranges::minmax(values);
  out.bias = low;
  out.scale = static_cast<float>((static_cast<double>(high) - low) / last);
  if (out.scale < kSmallest) out.scale = 0;
  const float inverse = out.scale > 0 ? 1 / out.scale : 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    out.codes[i] = static_cast<std::uint8_t>(std::clamp((values[i] - low) * inverse + 0.5F, 0.0F, last));
}

/// RaBitQ: the codes, as offsets from the middle one, approximate the direction of `values`. Smaller steps round values
/// less but clip more of the largest ones; of kSteps step sizes, the one with the smallest angle is taken.
void quantize_direction(std::span<const float> values, float last, Quantized& out) {
  constexpr unsigned kSteps = 24;
  const float middle = last / 2;
  float largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(v));
  if (largest < kSmallest) {
    std::fill(out.codes.begin(), out.codes.end(), 0);
    out.scale = out.bias = 0;
    return;
  }
  const auto code = [&](float value, float step) {
    return std::clamp(std::floor(value * step + middle + 0.5F), 0.0F, last);
  };
  // Dot product of the values and the codes' offsets from the middle, and the squared length of these offsets.
  const auto match = [&](float step) {
    float product = 0, squares = 0;
    for (const float v : values) {
      const float offset = code(v, step) - middle;
      product += v / largest * offset;
      squares += offset * offset;
    }
    return std::pair(product, squares);
  };
  float best_step = 0, best = -1;
  for (unsigned i = 0; i < (last > 1 ? kSteps : 1); ++i) {
    const float step = (middle + 0.5F) / largest * (1 + 0.1F * static_cast<float>(i));
    const auto [product, squares] = match(step);
    if (const float cosine = product / std::sqrt(squares); cosine > best) best = cosine, best_step = step;
  }
  float squares = 0;
  for (const float v : values) squares += v / largest * (v / largest);
  out.scale = largest * squares / match(best_step).first;
  out.bias = -out.scale * middle;
  for (std::size_t i = 0; i < values.size(); ++i) out.codes[i] = static_cast<std::uint8_t>(code(values[i], best_step));
}

class QuantizedEncoder final : public Encoder {
 public:
  QuantizedEncoder(const QuantizerConfig& config, const CodesSpec& spec)
      : config_(config), spec_(spec), by_product_(by_product(spec.metric)), layout_(spec.dim, config.bits) {}

  bool trains() const noexcept override { return true; }

  void train(const DenseRows& vectors, unsigned, const Progress& progress) override {
    const std::vector<float> mean = robust_mean(vectors, progress);
    const std::vector<std::int8_t> signs =
        config_.rotated() ? Rotation::random_signs(spec_.dim) : std::vector<std::int8_t>();
    const auto means = std::as_bytes(std::span(mean)), flips = std::as_bytes(std::span(signs));
    model_.assign(means.begin(), means.end());
    model_.insert(model_.end(), flips.begin(), flips.end());
  }

  std::span<const std::byte> model() const noexcept override { return model_; }
  std::size_t row_bytes() const noexcept override { return layout_.row_bytes; }

  void encode(const Batch& rows, std::string_view, std::uint64_t, EncodedRows& out) const override {
    const Preprocessor preprocessor(config_, model_, spec_.dim);
    std::vector<float> values(spec_.dim);
    Quantized quantized{.codes = std::vector<std::uint8_t>(spec_.dim)};
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const std::span<const float> given = rows.row(i).values;
      preprocessor.enter(given.data(), values.data());
      const auto last = static_cast<float>((1U << config_.bits) - 1);
      config_.kind == QuantizerKind::range ? quantize_range(values, last, quantized)
                                           : quantize_direction(values, last, quantized);
      append_row(quantized, bounded(rest(given, values, quantized, preprocessor), kLargest), out.bytes);
    }
  }

  std::unique_ptr<RowCodec> codec(const RowSections& sections) const override {
    return std::make_unique<QuantizedCodec>(config_, sections.model, spec_.dim);
  }

 private:
  /// The `rest` of quantized.h for the vector `given`, which is `values` after the preprocessor. Computed from the
  /// decoded vector if distances must be exactly those to it: for int8 and int4 by Euclidean distance, and if
  /// spec_.linear.
  float rest(std::span<const float> given, std::span<const float> values, const Quantized& quantized,
             const Preprocessor& preprocessor) const {
    std::vector<float> decoded(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      decoded[i] = quantized.bias + quantized.scale * static_cast<float>(quantized.codes[i]);
    if (!by_product_) return config_.kind == QuantizerKind::range ? dot(decoded, decoded) : dot(values, values);
    if (!spec_.linear) return dot(preprocessor.mean(), preprocessor.mean()) - dot(preprocessor.mean(), given);
    preprocessor.leave(decoded.data());
    return dot(preprocessor.mean(), preprocessor.mean()) - dot(preprocessor.mean(), decoded);
  }

  void append_row(const Quantized& quantized, float rest, std::vector<std::byte>& out) const {
    const std::size_t begin = out.size();
    out.resize(begin + layout_.row_bytes);
    const QuantizedHead head{.scale = quantized.scale, .bias = quantized.bias, .rest = rest};
    std::memcpy(out.data() + begin, &head, sizeof head);
    for (std::size_t p = 0; p < layout_.count; ++p) {
      const QuantizedLayout::Part& part = layout_.parts[p];
      const unsigned mask = (1U << part.width) - 1, runs = 8 / part.width;
      for (std::size_t i = 0; i < spec_.dim; ++i)
        out[begin + part.row + i / runs] |=
            static_cast<std::byte>((quantized.codes[i] >> part.shift & mask) << (i % runs * part.width));
    }
  }

  QuantizerConfig config_;
  CodesSpec spec_;
  bool by_product_;
  QuantizedLayout layout_;
  std::vector<std::byte> model_;
};

/// The error message for bits or a dimension out of range; empty if there is none.
std::string fault(const QuantizerConfig& config, const CodesSpec& spec) {
  if (config.bits == 0 || config.bits > CodeParams::kMaxBits)
    return "bits: " + std::to_string(config.bits) + " given, expected 1 to " + std::to_string(CodeParams::kMaxBits);
  if (spec.dim > kMaxQuantizedDim)
    return "dim: " + std::to_string(spec.dim) + " given, expected at most " + std::to_string(kMaxQuantizedDim) +
           " for int8, int4 and rabitq codes";
  return {};
}

std::unique_ptr<RowCodec> codec(const QuantizerConfig& config, const RowSections& sections, const CodesSpec& spec) {
  if (const std::string what = fault(config, spec); !what.empty()) throw sections.rows.damaged(0, what);
  return std::make_unique<QuantizedCodec>(config, sections.model, spec.dim);
}

std::unique_ptr<Encoder> encoder(const QuantizerConfig& config, const CodesSpec& spec) {
  if (const std::string what = fault(config, spec); !what.empty()) invalid_argument(what);
  return std::make_unique<QuantizedEncoder>(config, spec);
}

constexpr QuantizerConfig kInt8{QuantizerKind::range, 8}, kInt4{QuantizerKind::range, 4};
QuantizerConfig rabitq(const CodesSpec& spec) { return {QuantizerKind::direction, spec.code.bits}; }

}  // namespace

std::unique_ptr<RowCodec> codec_dense_int8(const RowSections& sections, const CodesSpec& spec) {
  return codec(kInt8, sections, spec);
}
std::unique_ptr<RowCodec> codec_dense_int4(const RowSections& sections, const CodesSpec& spec) {
  return codec(kInt4, sections, spec);
}
std::unique_ptr<RowCodec> codec_rabitq(const RowSections& sections, const CodesSpec& spec) {
  return codec(rabitq(spec), sections, spec);
}
std::unique_ptr<Encoder> encoder_dense_int8(const CodesSpec& spec) { return encoder(kInt8, spec); }
std::unique_ptr<Encoder> encoder_dense_int4(const CodesSpec& spec) { return encoder(kInt4, spec); }
std::unique_ptr<Encoder> encoder_rabitq(const CodesSpec& spec) { return encoder(rabitq(spec), spec); }

}  // namespace cassata
