#include "engine/codec/product.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "engine/base/parallel.h"
#include "engine/base/sampling.h"
#include "engine/kernels/table_lookup.h"
#include "engine/train/kmeans.h"
#include "engine/train/opq.h"

namespace cassata {
namespace {

using kernels::table_lookup::kCentroids;

/// The subspaces of a vector, and the places of their codebooks in the model, in floats.
struct Subspaces {
  std::size_t dim, count;
  bool rotated;

  explicit Subspaces(const CodesSpec& spec) : dim(spec.dim), count(spec.code.m_pq), rotated(spec.code.rotated) {}

  std::size_t begin(std::size_t s) const noexcept { return s * (dim / count) + std::min(s, dim % count); }
  std::size_t width(std::size_t s) const noexcept { return begin(s + 1) - begin(s); }
  std::size_t rotation_floats() const noexcept { return rotated ? dim * dim : 0; }
  std::size_t codebook_at(std::size_t s) const noexcept { return rotation_floats() + begin(s) * kCentroids; }
  std::size_t model_floats() const noexcept { return codebook_at(count); }
};

class ProductCodec final : public RowCodec {
 public:
  ProductCodec(const RowSections& sections, const CodesSpec& spec)
      : RowCodec(spec.dim, checked(sections.rows, spec).count),
        subspaces(spec),
        section_(sections.model),
        model_(sections.model.as<float>(subspaces.model_floats())) {}

  std::unique_ptr<RowScorer> scorer(Metric metric) const override;

  void verify_model(const Reading& reading) const override {
    reading(section_.bytes);
    const auto place = std::ranges::find_if_not(model_, [](float value) { return std::isfinite(value); });
    if (place == model_.end()) return;
    throw section_.damaged(static_cast<std::uint64_t>(place - model_.begin()) * sizeof(float),
                           "a NaN or an infinity in the model, expected finite numbers");
  }
  void verify_row(const Section&, std::uint64_t, std::uint64_t) const override {}  // any byte is a code

  void decode(const std::byte* row, float* out) const override {
    if (!subspaces.rotated) return decode_rotated(row, out);
    std::vector<float> rotated(dim());
    decode_rotated(row, rotated.data());
    rotate_back(rotation(), dim(), rotated.data(), out);
  }

  /// Decodes without the inverse of the rotation, if there is one.
  void decode_rotated(const std::byte* row, float* out) const noexcept {
    for (std::size_t s = 0; s < subspaces.count; ++s) {
      const float* centroid = codebook(s) + std::to_integer<std::size_t>(row[s]);
      for (std::size_t j = 0; j < subspaces.width(s); ++j) *out++ = centroid[j * kCentroids];
    }
  }

  const float* rotation() const noexcept { return model_.data(); }
  const float* codebook(std::size_t s) const noexcept { return model_.data() + subspaces.codebook_at(s); }

  const Subspaces subspaces;

 private:
  static Subspaces checked(const Section& rows, const CodesSpec& spec) {
    if (spec.code.bits != 0)
      throw Error(Errc::incompatible, std::string(rows.file) + ": product quantization of " +
                                          std::to_string(spec.code.bits) +
                                          " bits, expected none in the manifest: this version knows codes of 8 bits");
    if (spec.dim > kMaxDim)
      throw rows.damaged(
          0, "vectors of dim " + std::to_string(spec.dim) + ", expected at most " + std::to_string(kMaxDim));
    if (spec.code.m_pq == 0 || spec.code.m_pq > spec.dim)
      throw rows.damaged(0, "m_pq is " + std::to_string(spec.code.m_pq) + ", expected 1 to " +
                                std::to_string(spec.dim) + ", the dimension");
    return Subspaces(spec);
  }

  Section section_;
  std::span<const float> model_;
};

class ProductScorer final : public RowScorer {
 public:
  ProductScorer(const ProductCodec& codec, Metric metric)
      : codec_(codec),
        kernels_(kernels::table_lookup::dispatch(metric)),
        query_(codec.dim()),
        tables_(codec.subspaces.count * kCentroids) {}

  void bind(VectorView query) override {
    if (!codec_.subspaces.rotated) return fill(query.values.data());
    rotate(codec_.rotation(), codec_.dim(), query.values.data(), query_.data());
    fill(query_.data());
  }

  void bind(const std::byte* row) override {
    codec_.decode_rotated(row, query_.data());
    fill(query_.data());
  }

  void score(const std::byte* rows, std::span<const Id> places, float* out) noexcept override {
    kernels_.gather(tables_.data(), codec_.subspaces.count, codes(rows), places.data(), places.size(), out);
  }

  void score_range(const std::byte* rows, std::size_t first, std::size_t count, float* out) noexcept override {
    kernels_.range(tables_.data(), codec_.subspaces.count, codes(rows), first, count, out);
  }

 private:
  static const std::uint8_t* codes(const std::byte* rows) noexcept {
    return reinterpret_cast<const std::uint8_t*>(rows);
  }
  /// Fills the lookup tables: entry c of table s is the part of the distance that centroid c of subspace s adds.
  void fill(const float* query) noexcept {
    const Subspaces& subspaces = codec_.subspaces;
    for (std::size_t s = 0; s < subspaces.count; ++s)
      kernels_.fill(query + subspaces.begin(s), subspaces.width(s), codec_.codebook(s),
                    tables_.data() + s * kCentroids);
  }

  const ProductCodec& codec_;
  kernels::table_lookup::Kernels kernels_;
  std::vector<float> query_;  // rotated, if the codec has a rotation
  std::vector<float> tables_;
};

std::unique_ptr<RowScorer> ProductCodec::scorer(Metric metric) const {
  return std::make_unique<ProductScorer>(*this, metric);
}

/// Up to kMaxSamples of the vectors, evenly spread over the collection. Their order jumps through it, so that the first
/// ones are spread as well.
class Samples {
 public:
  static constexpr std::uint64_t kMaxSamples = 256 * kCentroids;

  explicit Samples(const DenseRows& vectors)
      : vectors_(vectors), size_(std::min(vectors.size(), kMaxSamples)), stride_(size_ * 618 / 1000 + 1) {
    while (std::gcd(stride_, size_) != 1) ++stride_;
  }

  std::size_t size() const noexcept { return size_; }
  void decode(std::size_t i, float* out) const {
    vectors_.decode(static_cast<Id>(sampled(i * stride_ % size_, size_, vectors_.size())), out);
  }

 private:
  const DenseRows& vectors_;
  std::uint64_t size_, stride_;
};

class ProductEncoder final : public Encoder {
 public:
  explicit ProductEncoder(const CodesSpec& spec) : spec_(spec), subspaces_(spec) {}

  bool trains() const noexcept override { return true; }
  std::span<const std::byte> model() const noexcept override { return std::as_bytes(std::span(model_)); }
  std::size_t row_bytes() const noexcept override { return subspaces_.count; }

  void train(const DenseRows& vectors, unsigned num_threads, const Progress& progress) override {
    model_.assign(subspaces_.model_floats(), 0);
    if (vectors.size() == 0) return;
    const Samples samples(vectors);
    if (subspaces_.rotated) std::ranges::copy(rotation(samples, num_threads, progress), model_.begin());
    const std::size_t max_floats = std::size_t{1} << 24;  // bound on the samples in memory: 64 MiB
    for (std::size_t first = 0, end; first < subspaces_.count; first = end) {
      for (end = first + 1; end < subspaces_.count &&
                            (subspaces_.begin(end + 1) - subspaces_.begin(first)) * samples.size() <= max_floats;)
        ++end;
      train_codebooks(samples, first, end, num_threads, progress);
    }
  }

  void encode(const Batch& rows, std::string_view, std::uint64_t, EncodedRows& out) const override {
    const std::size_t before = out.bytes.size();
    out.bytes.resize(before + rows.rows * subspaces_.count);
    std::vector<std::uint8_t> codes(rows.rows);
    std::vector<float> rotated(subspaces_.rotated ? rows.rows * subspaces_.dim : 0);
    if (subspaces_.rotated)
      for (std::size_t i = 0; i < rows.rows; ++i)
        rotate(model_.data(), subspaces_.dim, rows.row(i).values.data(), rotated.data() + i * subspaces_.dim);
    const float* values = subspaces_.rotated ? rotated.data() : rows.data;
    for (std::size_t s = 0; s < subspaces_.count; ++s) {
      VectorBlocks parts(rows.rows, subspaces_.width(s));
      for (std::size_t i = 0; i < rows.rows; ++i) parts.set(i, values + i * subspaces_.dim + subspaces_.begin(s));
      parts.nearest(model_.data() + subspaces_.codebook_at(s), codes);
      for (std::size_t i = 0; i < rows.rows; ++i) out.bytes[before + i * subspaces_.count + s] = std::byte{codes[i]};
    }
  }

  std::unique_ptr<RowCodec> codec(const RowSections& sections) const override {
    return std::make_unique<ProductCodec>(sections, spec_);
  }

 private:
  std::vector<float> rotation(const Samples& samples, unsigned num_threads, const Progress& progress) const {
    constexpr std::size_t kMaxSamples = 16384, kMaxFloats = std::size_t{1} << 24;
    const std::size_t count =
        std::min({samples.size(), kMaxSamples, std::max<std::size_t>(kMaxFloats / subspaces_.dim, kCentroids)});
    std::vector<float> rows(count * subspaces_.dim);
    for (std::size_t i = 0; i < count; ++i) samples.decode(i, rows.data() + i * subspaces_.dim);
    std::vector<std::size_t> bounds;
    for (std::size_t s = 0; s <= subspaces_.count; ++s) bounds.push_back(subspaces_.begin(s));
    return learn_rotation(rows, subspaces_.dim, bounds, num_threads, progress);
  }

  /// Trains the codebooks of the subspaces `first` to `end` - 1.
  void train_codebooks(const Samples& samples, std::size_t first, std::size_t end, unsigned num_threads,
                       const Progress& progress) {
    constexpr std::size_t kRows = VectorBlocks::kRows * 2, kRowsPerReport = kRows * 4,
                          kRounds = CodebookTraining::kRounds;
    const auto report = [&](std::size_t rounds) {
      if (progress) progress("learn", first * kRounds + (end - first) * rounds, subspaces_.count * kRounds);
    };
    std::vector<VectorBlocks> parts;  // of the samples, by subspace
    for (std::size_t s = first; s < end; ++s) parts.emplace_back(samples.size(), subspaces_.width(s));
    const auto divide = [&](std::size_t begin, std::size_t stop, unsigned) {
      std::vector<float> row(subspaces_.dim), rotated(subspaces_.dim);
      for (std::size_t i = begin; i < stop; ++i) {
        samples.decode(i, row.data());
        if (subspaces_.rotated) rotate(model_.data(), subspaces_.dim, row.data(), rotated.data());
        const float* values = subspaces_.rotated ? rotated.data() : row.data();
        for (std::size_t s = first; s < end; ++s) parts[s - first].set(i, values + subspaces_.begin(s));
      }
    };
    parallel_for(
        num_threads, samples.size(), kRows, kRowsPerReport, [&](std::size_t) { report(0); }, divide);
    std::vector<CodebookTraining> trainings(parts.begin(), parts.end());
    for (std::size_t round = 0; round < kRounds; ++round) {
      parallel_for(num_threads, trainings.size(), 1, [&](std::size_t begin, std::size_t stop, unsigned) {
        for (std::size_t s = begin; s < stop; ++s) trainings[s].round();
      });
      report(round + 1);
    }
    for (std::size_t s = first; s < end; ++s)
      std::ranges::copy(trainings[s - first].codebook(), model_.begin() + subspaces_.codebook_at(s));
  }

  CodesSpec spec_;
  Subspaces subspaces_;
  std::vector<float> model_;
};

}  // namespace

std::unique_ptr<RowCodec> codec_product(const RowSections& sections, const CodesSpec& spec) {
  return std::make_unique<ProductCodec>(sections, spec);
}

std::unique_ptr<Encoder> encoder_product(const CodesSpec& spec) {
  if (spec.code.m_pq == 0 || spec.code.m_pq > spec.dim)
    invalid_argument("m_pq: " + std::to_string(spec.code.m_pq) + " given, expected 1 to " + std::to_string(spec.dim) +
                     ", the dimension of the vectors");
  if (spec.code.rotated && spec.dim > kMaxRotatedDim)
    invalid_argument("opq: vectors of dim " + std::to_string(spec.dim) + ", expected at most " +
                     std::to_string(kMaxRotatedDim));
  return std::make_unique<ProductEncoder>(spec);
}

}  // namespace cassata
