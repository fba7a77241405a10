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
#include "engine/codec/row_fetch.h"
#include "engine/kernels/prefetch.h"
#include "engine/kernels/table_lookup.h"
#include "engine/train/kmeans.h"
#include "engine/train/opq.h"

namespace cassata {
namespace {

using kernels::table_lookup::kCentroids;

/// How vectors are cut, and where in the model what was learned of each piece lies.
struct Subspaces {
  std::size_t dim, count;
  bool rotated;

  explicit Subspaces(const CodesSpec& spec) : dim(spec.dim), count(spec.code.m_pq), rotated(spec.code.rotated) {}

  std::size_t begin(std::size_t s) const noexcept { return s * (dim / count) + std::min(s, dim % count); }
  std::size_t width(std::size_t s) const noexcept { return begin(s + 1) - begin(s); }
  std::size_t rotation_floats() const noexcept { return rotated ? dim * dim : 0; }
  std::size_t codebook_place(std::size_t s) const noexcept { return rotation_floats() + begin(s) * kCentroids; }
  std::size_t model_floats() const noexcept { return codebook_place(count); }
};

class ProductCodes final : public Codes {
 public:
  ProductCodes(const RowSections& sections, std::uint64_t size, const CodesSpec& spec)
      : Codes(size, spec.dim),
        cut(checked(sections.rows, size, spec)),
        section_(sections.rows),
        model_section_(sections.model) {
    rows_ = sections.rows.as<std::uint8_t>(size * cut.count);
    model_ = sections.model.as<float>(cut.model_floats());
  }

  std::unique_ptr<Scorer> scorer(Metric metric) const override;

  void verify(const Reading& reading) const override {
    reading(model_section_.bytes);
    const auto place = std::ranges::find_if_not(model_, [](float value) { return std::isfinite(value); });
    if (place == model_.end()) return;
    throw model_section_.damaged(static_cast<std::uint64_t>(place - model_.begin()) * sizeof(float),
                                 "a NaN or an infinity among what was learned, expected finite numbers");
  }

  void touch(Id id) const noexcept override { section_.touch(bytes(id)); }

  void decode(Id id, float* out) const override {
    if (!cut.rotated) return decode_pieces(id, out);
    std::vector<float> pieces(dim());
    decode_pieces(id, pieces.data());
    rotate_back(rotation(), dim(), pieces.data(), out);
  }

  /// The stored vector, rotated if it was cut so.
  void decode_pieces(Id id, float* out) const noexcept {
    const std::uint8_t* row = rows_.data() + std::size_t{id} * cut.count;
    for (std::size_t s = 0; s < cut.count; ++s) {
      const float* centroid = codebook(s) + row[s];
      for (std::size_t j = 0; j < cut.width(s); ++j) *out++ = centroid[j * kCentroids];
    }
  }

  const std::uint8_t* rows() const noexcept { return rows_.data(); }
  std::span<const std::byte> bytes(Id id) const noexcept {
    return std::as_bytes(rows_.subspan(std::size_t{id} * cut.count, cut.count));
  }
  const float* rotation() const noexcept { return model_.data(); }
  const float* codebook(std::size_t s) const noexcept { return model_.data() + cut.codebook_place(s); }

  const Subspaces cut;

 private:
  static Subspaces checked(const Section& rows, std::uint64_t size, const CodesSpec& spec) {
    if (spec.code.bits != 0)
      throw Error(Errc::incompatible, std::string(rows.file) + ": product quantization of " +
                                          std::to_string(spec.code.bits) + " bits, which this version does not know");
    if (size > kMaxSize || spec.dim > kMaxDim)
      throw rows.damaged(
          0, std::to_string(size) + " vectors of dim " + std::to_string(spec.dim) + " are more than a file can hold");
    if (spec.code.m_pq == 0 || spec.code.m_pq > spec.dim)
      throw rows.damaged(0, "m_pq is " + std::to_string(spec.code.m_pq) + ", expected 1 to " +
                                std::to_string(spec.dim) + ", the dimension");
    return Subspaces(spec);
  }

  Section section_, model_section_;
  std::span<const std::uint8_t> rows_;
  std::span<const float> model_;
};

class ProductScorer final : public RowScorer<ProductCodes> {
 public:
  ProductScorer(const ProductCodes& codes, Metric metric)
      : RowScorer(codes),
        kernels_(kernels::table_lookup::dispatch(metric)),
        pieces_(codes.dim()),
        tables_(codes.cut.count * kCentroids) {}

  void bind(VectorView query) override {
    if (!codes_.cut.rotated) return fill(query.values.data());
    rotate(codes_.rotation(), codes_.dim(), query.values.data(), pieces_.data());
    fill(pieces_.data());
  }

  void bind(Id id) override {
    codes_.decode_pieces(id, pieces_.data());
    fill(pieces_.data());
  }

  void score(std::span<const Id> ids, float* out) noexcept override {
    kernels_.gather(tables_.data(), codes_.cut.count, codes_.rows(), ids.data(), ids.size(), out);
    scored();
  }

  void prefetch(std::span<const Id> ids) const noexcept override {
    kernels::prefetch_rows(codes_.rows(), codes_.cut.count, ids);
  }

  void score_range(Id first, std::size_t count, float* out) noexcept override {
    kernels_.range(tables_.data(), codes_.cut.count, codes_.rows(), first, count, out);
  }

 private:
  void fill(const float* pieces) noexcept {
    const Subspaces& cut = codes_.cut;
    for (std::size_t s = 0; s < cut.count; ++s)
      kernels_.fill(pieces + cut.begin(s), cut.width(s), codes_.codebook(s), tables_.data() + s * kCentroids);
  }

  kernels::table_lookup::Kernels kernels_;
  std::vector<float> pieces_, tables_;
};

std::unique_ptr<Scorer> ProductCodes::scorer(Metric metric) const {
  return std::make_unique<ProductScorer>(*this, metric);
}

/// Up to kMost of the vectors, evenly spread over the collection, in an order that jumps through it: the first ones are
/// spread as well.
class Samples {
 public:
  static constexpr std::uint64_t kMost = 256 * kCentroids;

  explicit Samples(const Codes& vectors)
      : vectors_(vectors), size_(std::min(vectors.size(), kMost)), stride_(size_ * 618 / 1000 + 1) {
    while (std::gcd(stride_, size_) != 1) ++stride_;
  }

  std::size_t size() const noexcept { return size_; }
  void decode(std::size_t i, float* out) const {
    vectors_.decode(static_cast<Id>(sampled(i * stride_ % size_, size_, vectors_.size())), out);
  }

 private:
  const Codes& vectors_;
  std::uint64_t size_, stride_;
};

class ProductEncoder final : public Encoder {
 public:
  explicit ProductEncoder(const CodesSpec& spec) : spec_(spec), cut_(spec) {}

  bool trains() const noexcept override { return true; }
  std::span<const std::byte> model() const noexcept override { return std::as_bytes(std::span(model_)); }
  std::size_t row_bytes() const noexcept override { return cut_.count; }

  void train(const Codes& vectors, unsigned num_threads, const Progress& progress) override {
    model_.assign(cut_.model_floats(), 0);
    if (vectors.size() == 0) return;
    const Samples samples(vectors);
    if (cut_.rotated) std::ranges::copy(rotation(samples, num_threads, progress), model_.begin());
    const std::size_t most_floats = std::size_t{1} << 24;  // of samples in memory
    for (std::size_t first = 0, end; first < cut_.count; first = end) {
      for (end = first + 1;
           end < cut_.count && (cut_.begin(end + 1) - cut_.begin(first)) * samples.size() <= most_floats;)
        ++end;
      train_codebooks(samples, first, end, num_threads, progress);
    }
  }

  void encode(const Batch& rows, std::string_view, std::uint64_t, EncodedRows& out) const override {
    const std::size_t before = out.bytes.size();
    out.bytes.resize(before + rows.rows * cut_.count);
    std::vector<std::uint8_t> codes(rows.rows);
    std::vector<float> rotated(cut_.rotated ? rows.rows * cut_.dim : 0);
    if (cut_.rotated)
      for (std::size_t i = 0; i < rows.rows; ++i)
        rotate(model_.data(), cut_.dim, rows.row(i).values.data(), rotated.data() + i * cut_.dim);
    const float* values = cut_.rotated ? rotated.data() : rows.data;
    for (std::size_t s = 0; s < cut_.count; ++s) {
      VectorBlocks pieces(rows.rows, cut_.width(s));
      for (std::size_t i = 0; i < rows.rows; ++i) pieces.set(i, values + i * cut_.dim + cut_.begin(s));
      pieces.nearest(model_.data() + cut_.codebook_place(s), codes);
      for (std::size_t i = 0; i < rows.rows; ++i) out.bytes[before + i * cut_.count + s] = std::byte{codes[i]};
    }
  }

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return std::make_unique<ProductCodes>(sections, size, spec_);
  }

 private:
  std::vector<float> rotation(const Samples& samples, unsigned num_threads, const Progress& progress) const {
    constexpr std::size_t kMostSamples = 16384, kMostFloats = std::size_t{1} << 24;
    const std::size_t count =
        std::min({samples.size(), kMostSamples, std::max<std::size_t>(kMostFloats / cut_.dim, kCentroids)});
    std::vector<float> rows(count * cut_.dim);
    for (std::size_t i = 0; i < count; ++i) samples.decode(i, rows.data() + i * cut_.dim);
    std::vector<std::size_t> bounds;
    for (std::size_t s = 0; s <= cut_.count; ++s) bounds.push_back(cut_.begin(s));
    return learn_rotation(rows, cut_.dim, bounds, num_threads, progress);
  }

  /// Of subspaces `first` to `end` - 1.
  void train_codebooks(const Samples& samples, std::size_t first, std::size_t end, unsigned num_threads,
                       const Progress& progress) {
    constexpr std::size_t kRows = VectorBlocks::kRows * 2, kRowsATurn = kRows * 4, kRounds = CodebookTraining::kRounds;
    const auto report = [&](std::size_t rounds) {
      if (progress) progress("learn", first * kRounds + (end - first) * rounds, cut_.count * kRounds);
    };
    std::vector<VectorBlocks> pieces;
    for (std::size_t s = first; s < end; ++s) pieces.emplace_back(samples.size(), cut_.width(s));
    const auto cut = [&](std::size_t begin, std::size_t stop, unsigned) {
      std::vector<float> row(cut_.dim), rotated(cut_.dim);
      for (std::size_t i = begin; i < stop; ++i) {
        samples.decode(i, row.data());
        if (cut_.rotated) rotate(model_.data(), cut_.dim, row.data(), rotated.data());
        const float* values = cut_.rotated ? rotated.data() : row.data();
        for (std::size_t s = first; s < end; ++s) pieces[s - first].set(i, values + cut_.begin(s));
      }
    };
    parallel_for(
        num_threads, samples.size(), kRows, kRowsATurn, [&](std::size_t) { report(0); }, cut);
    std::vector<CodebookTraining> trainings(pieces.begin(), pieces.end());
    for (std::size_t round = 0; round < kRounds; ++round) {
      parallel_for(num_threads, trainings.size(), 1, [&](std::size_t begin, std::size_t stop, unsigned) {
        for (std::size_t p = begin; p < stop; ++p) trainings[p].round();
      });
      report(round + 1);
    }
    for (std::size_t s = first; s < end; ++s)
      std::ranges::copy(trainings[s - first].codebook(), model_.begin() + cut_.codebook_place(s));
  }

  CodesSpec spec_;
  Subspaces cut_;
  std::vector<float> model_;
};

}  // namespace

std::unique_ptr<Codes> open_product(const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
  return std::make_unique<ProductCodes>(sections, size, spec);
}

std::unique_ptr<Encoder> encoder_product(const CodesSpec& spec) {
  if (spec.code.m_pq == 0 || spec.code.m_pq > spec.dim)
    invalid_argument("m_pq: " + std::to_string(spec.code.m_pq) + " given, expected 1 to " + std::to_string(spec.dim) +
                     ", the dimension of the vectors");
  if (spec.code.rotated && spec.dim > kMaxRotatedDim)
    invalid_argument("opq: given for vectors of dim " + std::to_string(spec.dim) + ", expected at most " +
                     std::to_string(kMaxRotatedDim));
  return std::make_unique<ProductEncoder>(spec);
}

}  // namespace cassata
