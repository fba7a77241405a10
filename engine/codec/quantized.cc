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
#include "engine/codec/row_fetch.h"
#include "engine/kernels/dense_distance.h"
#include "engine/kernels/prefetch.h"
#include "engine/kernels/quantized_distance.h"
#include "engine/train/center.h"

namespace cassata {
namespace {

using kernels::quantized::QuantizedHead;
using kernels::quantized::QuantizedLayout;

/// How values become codes.
enum class QuantizerKind { range, direction };

struct QuantizerConfig {
  QuantizerKind kind;
  unsigned bits;
  bool rotated() const { return kind == QuantizerKind::direction; }
};

std::size_t model_bytes(const QuantizerConfig& config, std::size_t dim) {
  return dim * sizeof(float) + (config.rotated() ? Rotation::kRounds * dim : 0);
}

constexpr float kLargest = std::numeric_limits<float>::max();

/// Within -most and most; a NaN is -most.
float bounded(float value, float most) { return std::min(most, std::max(-most, value)); }

/// What was learned of the vectors, and the way from a vector to the one that is coded, and back.
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
  /// How many times the mean has the length that a vector, given by its product with the mean, has in that direction; 0
  /// if the mean is so short that products with it say little.
  float share_of_mean(float product) const {
    constexpr double kLeast = 1e-30;
    return mean_squares_ > kLeast ? bounded(static_cast<float>(static_cast<double>(product) / mean_squares_), kLargest)
                                  : 0;
  }
  /// Less `share` times the mean.
  void enter(const float* from, float* to, float share = 1) const {
    constexpr float kMost = 1e30F;  // so that no sum of a rotation is infinite
    for (std::size_t i = 0; i < mean_.size(); ++i) to[i] = bounded(from[i] - share * mean_[i], kMost);
    if (rotated_) rotation_.apply(to);
  }
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
  return -kernels::dense::dispatch(Metric::dot_product, ElementType::f32).one(a.data(), b.data(), a.size());
}

class QuantizedCodes final : public Codes {
 public:
  QuantizedCodes(const QuantizerConfig& config, const RowSections& sections, std::uint64_t size, const CodesSpec& spec)
      : Codes(size, spec.dim),
        rows_(sections.rows),
        model_(sections.model),
        layout_(spec.dim, config.bits),
        preprocessor_(config, model(config), spec.dim) {
    if (size > kMaxSize || rows_.bytes.size() != size * layout_.row_bytes)
      throw rows_.damaged(0, std::to_string(rows_.bytes.size()) + " bytes, expected " + std::to_string(size) +
                                 " rows of " + std::to_string(layout_.row_bytes));
  }

  std::unique_ptr<Scorer> scorer(Metric metric) const override;

  void verify(const Reading& reading) const override {
    reading(model_.bytes);
    for (std::size_t i = 0; i < dim(); ++i)
      if (!std::isfinite(preprocessor_.mean()[i]))
        throw model_.damaged(i * sizeof(float), "a mean that is no finite number");
    for (std::size_t i = dim() * sizeof(float); i < model_.bytes.size(); ++i)
      if (model_.bytes[i] != std::byte{1} && model_.bytes[i] != std::byte{0xFF})
        throw model_.damaged(i, "a sign that is neither 1 nor -1");
    for (std::uint64_t id = 0; id < size(); ++id) {
      reading(bytes(static_cast<Id>(id)));
      verify_row(rows_, id * layout_.row_bytes, id);
    }
  }
  void touch(Id id) const noexcept override { rows_.touch(bytes(id)); }

  std::size_t row_bytes() const noexcept override { return layout_.row_bytes; }

  void verify_row(const Section& section, std::uint64_t at, std::uint64_t row) const override {
    QuantizedHead h;
    std::memcpy(&h, section.bytes.data() + at, sizeof h);
    if (!std::isfinite(h.scale) || !std::isfinite(h.bias) || !std::isfinite(h.rest))
      throw section.damaged(at, "row " + std::to_string(row) + " has a NaN or an infinity, expected finite numbers");
  }

  void decode(Id id, float* out) const override {
    const QuantizedHead h = head(id);
    std::fill_n(out, dim(), 0.0F);
    for (std::size_t p = 0; p < layout_.count; ++p) {
      const QuantizedLayout::Part& part = layout_.parts[p];
      const unsigned mask = (1U << part.width) - 1, runs = 8 / part.width;
      const std::byte* const codes = row(id) + part.row;
      for (std::size_t i = 0; i < dim(); ++i)
        out[i] += static_cast<float>((std::to_integer<unsigned>(codes[i / runs]) >> (i % runs * part.width) & mask)
                                     << part.shift);
    }
    for (std::size_t i = 0; i < dim(); ++i) out[i] = h.bias + h.scale * out[i];
    preprocessor_.leave(out);
  }

  const QuantizedLayout& layout() const { return layout_; }
  const Preprocessor& preprocessor() const { return preprocessor_; }
  const std::byte* rows() const noexcept { return rows_.bytes.data(); }
  std::span<const std::byte> bytes(Id id) const noexcept { return {row(id), layout_.row_bytes}; }

 private:
  const std::byte* row(Id id) const noexcept { return rows() + std::size_t{id} * layout_.row_bytes; }
  std::span<const std::byte> model(const QuantizerConfig& config) const {
    if (model_.bytes.size() != model_bytes(config, dim()))
      throw model_.damaged(
          0, std::to_string(model_.bytes.size()) + " bytes, expected " + std::to_string(model_bytes(config, dim())));
    return model_.bytes;
  }
  QuantizedHead head(Id id) const {
    QuantizedHead h;
    std::memcpy(&h, row(id), sizeof h);
    return h;
  }

  Section rows_, model_;
  QuantizedLayout layout_;
  Preprocessor preprocessor_;
};

class QuantizedScorer final : public RowScorer<QuantizedCodes> {
 public:
  QuantizedScorer(const QuantizedCodes& codes, Metric metric)
      : RowScorer(codes), metric_(metric), values_(codes.dim()), decoded_(codes.dim()) {}

  void bind(VectorView query) override {
    const Preprocessor& preprocessor = codes_.preprocessor();
    const bool by_product = metric_ == Metric::dot_product;
    const float product = by_product ? bounded(dot(query.values, preprocessor.mean()), kLargest) : 0;
    const float share = by_product ? preprocessor.share_of_mean(product) : 1;
    preprocessor.enter(query.values.data(), values_.data(), share);
    kernels::quantized::quantize(values_.data(), codes_.layout(), query_);
    query_.base = by_product ? -product : dot(values_, values_);
    query_.rest_factor = share;
    query_.factor = by_product ? 1 : 2;
  }

  void bind(Id id) override {
    if (!codes_.preprocessor()
             .rotated()) {  // then nothing is lost if the row is not decoded, and a build is faster by a third
      const float rest = kernels::quantized::quantize_row(codes_.rows() + std::size_t{id} * codes_.layout().row_bytes,
                                                          codes_.layout(), query_);
      const bool by_product = metric_ == Metric::dot_product;
      query_.base = by_product ? rest - codes_.preprocessor().mean_squares() : rest;
      query_.rest_factor = 1;
      query_.factor = by_product ? 1 : 2;
      return;
    }
    codes_.decode(id, decoded_.data());
    bind(VectorView{.values = decoded_});
  }

  void score(std::span<const Id> ids, float* out) noexcept override {
    kernels::quantized::gather(query_, codes_.layout(), codes_.rows(), ids.data(), ids.size(), out);
    scored();
  }

  void prefetch(std::span<const Id> ids) const noexcept override {
    kernels::prefetch_rows(codes_.rows(), codes_.layout().row_bytes, ids);
  }

  void score_at(const std::byte* rows, std::span<const Id> places, float* out) noexcept override {
    kernels::quantized::gather(query_, codes_.layout(), rows, places.data(), places.size(), out);
  }

  void score_range(Id first, std::size_t count, float* out) noexcept override {
    kernels::quantized::range(query_, codes_.layout(), codes_.rows(), first, count, out);
  }

 private:
  Metric metric_;
  kernels::quantized::QuantizedQuery query_;
  std::vector<float> values_;   // of the query, in the preprocessor of the codes
  std::vector<float> decoded_;  // a stored vector that is the query
};

std::unique_ptr<Scorer> QuantizedCodes::scorer(Metric metric) const {
  return std::make_unique<QuantizedScorer>(*this, metric);
}

/// A vector's codes, and what they mean.
struct Quantized {
  std::vector<std::uint8_t> codes;
  float scale = 0, bias = 0;
};

/// Values and steps below this are taken for 0: their inverse might be infinite.
constexpr float kSmallest = 1e-35F;

/// The codes 0 to `last` spread evenly from the smallest value to the largest.
void quantize_range(std::span<const float> values, float last, Quantized& out) {
  const auto [low, high] = std::ranges::minmax(values);
  out.bias = low;
  out.scale = static_cast<float>((static_cast<double>(high) - low) / last);
  if (out.scale < kSmallest) out.scale = 0;
  const float inverse = out.scale > 0 ? 1 / out.scale : 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    out.codes[i] = static_cast<std::uint8_t>(std::clamp((values[i] - low) * inverse + 0.5F, 0.0F, last));
}

/// Codes whose distances from the middle lie in the direction of `values`. The finer they are, the more values beyond
/// the last code are cut off: the best of some steps.
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
  const auto match = [&](float step) {  // product and squared length of the codes' distances from the middle
    float product = 0, squares = 0;
    for (const float v : values) {
      const float distance = code(v, step) - middle;
      product += v / largest * distance;
      squares += distance * distance;
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
      : config_(config), spec_(spec), layout_(spec.dim, config.bits) {}

  bool trains() const noexcept override { return true; }

  void train(const Codes& vectors, unsigned, const Progress& progress) override {
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

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return std::make_unique<QuantizedCodes>(config_, sections, size, spec_);
  }

 private:
  /// What a distance to the vector is besides the query's own part and the product with the codes.
  float rest(std::span<const float> given, std::span<const float> values, const Quantized& quantized,
             const Preprocessor& preprocessor) const {
    std::vector<float> decoded(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      decoded[i] = quantized.bias + quantized.scale * static_cast<float>(quantized.codes[i]);
    if (spec_.metric == Metric::euclidean)
      return config_.kind == QuantizerKind::range ? dot(decoded, decoded) : dot(values, values);
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
  QuantizedLayout layout_;
  std::vector<std::byte> model_;
};

/// What is wrong with codes of these many bits and dimensions; empty: nothing.
std::string fault(const QuantizerConfig& config, const CodesSpec& spec) {
  if (config.bits == 0 || config.bits > kMaxRabitqBits)
    return "bits: " + std::to_string(config.bits) + " given, expected 1 to " + std::to_string(kMaxRabitqBits);
  if (spec.dim > kMaxQuantizedDim)
    return "dim: " + std::to_string(spec.dim) + " given, expected at most " + std::to_string(kMaxQuantizedDim) +
           " for int8, int4 and rabitq codes";
  return {};
}

std::unique_ptr<Codes> open(const QuantizerConfig& config, const RowSections& sections, std::uint64_t size,
                            const CodesSpec& spec) {
  if (const std::string what = fault(config, spec); !what.empty()) throw sections.rows.damaged(0, what);
  return std::make_unique<QuantizedCodes>(config, sections, size, spec);
}

std::unique_ptr<Encoder> encoder(const QuantizerConfig& config, const CodesSpec& spec) {
  if (const std::string what = fault(config, spec); !what.empty()) invalid_argument(what);
  return std::make_unique<QuantizedEncoder>(config, spec);
}

constexpr QuantizerConfig kInt8{QuantizerKind::range, 8}, kInt4{QuantizerKind::range, 4};
QuantizerConfig rabitq(const CodesSpec& spec) { return {QuantizerKind::direction, spec.code.bits}; }

}  // namespace

std::unique_ptr<Codes> open_dense_int8(const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
  return open(kInt8, sections, size, spec);
}
std::unique_ptr<Codes> open_dense_int4(const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
  return open(kInt4, sections, size, spec);
}
std::unique_ptr<Codes> open_rabitq(const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
  return open(rabitq(spec), sections, size, spec);
}
std::unique_ptr<Encoder> encoder_dense_int8(const CodesSpec& spec) { return encoder(kInt8, spec); }
std::unique_ptr<Encoder> encoder_dense_int4(const CodesSpec& spec) { return encoder(kInt4, spec); }
std::unique_ptr<Encoder> encoder_rabitq(const CodesSpec& spec) { return encoder(rabitq(spec), spec); }

}  // namespace cassata
