#include "engine/codec/tokens.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "cassata/error.h"
#include "engine/codec/fetching_scorer.h"
#include "engine/codec/half.h"
#include "engine/codec/row_offsets.h"
#include "engine/kernels/dense_distance.h"
#include "engine/kernels/maxsim.h"
#include "engine/kernels/prefetch.h"
#include "engine/kernels/table_lookup.h"
#include "format/os/mapping.h"

namespace cassata {
namespace {

using kernels::table_lookup::kCentroids;

/// Documents of tokens with `token_bytes` bytes each.
class TokenCodes : public Codes {
 public:
  /// The document's bytes. Offsets of a damaged file are clamped to the section.
  std::span<const std::byte> bytes(Id id) const noexcept { return offsets_.part(rows_.bytes, id); }
  std::span<const std::byte> place_bytes(Id id) const noexcept { return offsets_.bytes(id); }
  RowReads* reads() const noexcept { return rows_.reads; }
  void prefetch_place(Id id) const noexcept { offsets_.prefetch(id); }
  /// Number of whole tokens of a document. It takes the document's bytes, not its id: offsets in the file may change at
  /// any time, so that a caller reads them once.
  std::size_t count(std::span<const std::byte> document) const noexcept { return document.size() / token_bytes_; }
  void touch(Id id) const noexcept override {
    offsets_.touch(id);
    rows_.touch(bytes(id));
  }

 protected:
  TokenCodes(const RowSections& sections, std::uint64_t size, std::size_t dim, std::size_t token_bytes)
      : Codes(size, dim),
        rows_(sections.rows),
        offsets_(sections.offsets, checked(sections.offsets, size)),
        token_bytes_(token_bytes) {}

  /// Checks the offsets, and calls check(id, bytes) for each document. Throws Error(corrupt).
  template <class Check>
  void verify_documents(const Reading& reading, Check check) const {
    for (std::size_t i = 0; i < size(); ++i) {
      reading(offsets_.bytes(i));
      const std::uint64_t begin = offsets_[i], end = offsets_[i + 1];
      if (begin > end || end > rows_.bytes.size() || (end - begin) % token_bytes_ != 0)
        throw offsets_.damaged(i, "document " + std::to_string(i) + " from byte " + std::to_string(begin) + " to " +
                                      std::to_string(end) + ", expected whole tokens of " +
                                      std::to_string(token_bytes_) + " bytes within " +
                                      std::to_string(rows_.bytes.size()));
      const auto document = bytes(static_cast<Id>(i));
      reading(document);
      check(static_cast<Id>(i), document);
    }
    offsets_.check_ends(size(), rows_.bytes.size());
  }
  /// The error for `token` at byte `at` of document `id`.
  Error wrong_token(Id id, std::size_t token, std::size_t at, const std::string& found) const {
    return rows_.damaged(offsets_[id] + at,
                         "document " + std::to_string(id) + ", token " + std::to_string(token) + ": " + found);
  }

 private:
  static std::uint64_t checked(const Section& offsets, std::uint64_t size) {
    if (size > kMaxSize)
      throw offsets.damaged(0, std::to_string(size) + " documents, expected at most " + std::to_string(kMaxSize));
    return size;
  }

  Section rows_;
  RowOffsets offsets_;
  std::size_t token_bytes_;
};

std::size_t checked_dim(const RowSections& sections, const CodesSpec& spec) {
  if (spec.dim == 0 || spec.dim > kMaxDim)
    throw sections.rows.damaged(
        0, "tokens of dim " + std::to_string(spec.dim) + ", expected 1 to " + std::to_string(kMaxDim));
  return spec.dim;
}

/// The base of the scorers of token codes.
class TokenScorer : public FetchingScorer<TokenCodes> {
 public:
  using FetchingScorer::FetchingScorer;

  void bind(VectorView query) override {
    query_.pack(query.tokens.data(), query.tokens.size() / codes_.dim(), codes_.dim());
    bound();
  }
  void bind(Id) override { assert(false && "documents cannot be bound as queries"); }

  void score(std::span<const Id> ids, float* out) noexcept override {
    for (const Id id : ids) codes_.prefetch_place(id);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i % kGroup == 0) prepare(ids.subspan(i, std::min(kGroup, ids.size() - i)));
      if (i + 1 < ids.size()) prefetch_document(ids[i + 1]);
      out[i] = distance(ids[i]);
    }
    scored();
  }
  void prefetch(std::span<const Id> ids) const noexcept override {
    if (!ids.empty()) prefetch_document(ids.front());
  }
  void score_range(Id first, std::size_t count, float* out) noexcept override {
    for (std::size_t i = 0; i < count; ++i) out[i] = distance(first + static_cast<Id>(i));
  }

 protected:
  const kernels::maxsim::Packed& query() const noexcept { return query_.parts(); }
  const kernels::maxsim::Kernels kernels_ = kernels::maxsim::dispatch();

 private:
  static constexpr std::size_t kGroup = 16;

  /// Called after another query has been bound.
  virtual void bound() {}
  /// Called before a group of at most kGroup documents is scored.
  virtual void prepare(std::span<const Id>) noexcept {}
  /// Raises the query's largest dot products to those with the `count` >= 1 tokens of a document.
  virtual void raise(std::span<const std::byte> document, std::size_t count) noexcept = 0;

  float distance(Id id) noexcept {
    if (query().count == 0) return 0;
    const auto document = codes_.bytes(id);
    const std::size_t count = codes_.count(document);
    if (count == 0) return std::numeric_limits<float>::infinity();
    kernels_.forget(query());
    raise(document, count);
    return -kernels_.sum(query());
  }
  /// Prefetches the document's first cache lines; the kernel prefetches the others.
  void prefetch_document(Id id) const noexcept {
    constexpr std::size_t kMaxBytes = 4096;
    const auto document = codes_.bytes(id);
    if (!document.empty()) kernels::prefetch(document.data(), std::min(document.size(), kMaxBytes));
  }

  kernels::maxsim::PackedVectors query_;
};

class HalfTokens final : public TokenCodes {
 public:
  HalfTokens(const RowSections& sections, std::uint64_t size, const CodesSpec& spec)
      : TokenCodes(sections, size, checked_dim(sections, spec), checked_dim(sections, spec) * sizeof(std::uint16_t)) {}

  std::unique_ptr<Scorer> scorer(Metric metric) const override;

  void verify(const Reading& reading) const override {
    verify_documents(reading, [&](Id id, std::span<const std::byte> document) {
      for (std::size_t at = 0; at + sizeof(std::uint16_t) <= document.size(); at += sizeof(std::uint16_t))
        if (!finite_half(number_at<std::uint16_t>(document.data() + at)))
          throw wrong_token(id, at / sizeof(std::uint16_t) / dim(), at,
                            "a NaN or an infinity, expected finite numbers");
    });
  }
};

class HalfTokenScorer final : public TokenScorer {
 public:
  using TokenScorer::TokenScorer;

 private:
  void raise(std::span<const std::byte> document, std::size_t count) noexcept override {
    kernels_.raise_f16(query(), document.data(), count);
  }
};

std::unique_ptr<Scorer> HalfTokens::scorer(Metric metric) const {
  if (metric != Metric::dot_product) unsupported(metric);
  return std::make_unique<HalfTokenScorer>(*this);
}

class HalfTokenEncoder final : public Encoder {
 public:
  explicit HalfTokenEncoder(const CodesSpec& spec) : spec_(spec) {}

  std::size_t row_bytes() const noexcept override { return 0; }

  void check(const Batch& rows, std::string_view source, std::uint64_t first) const override {
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const auto tokens = rows.tokens.row(i);
      for (std::size_t at = 0; at < tokens.size(); at += spec_.dim)
        check_halves(
            tokens.subspan(at, spec_.dim), [&] { return std::string(source) + ": row " + std::to_string(first + i); },
            [&](std::size_t column) {
              return "token " + std::to_string(at / spec_.dim) + ", column " + std::to_string(column);
            });
    }
  }

  void encode(const Batch& rows, std::string_view source, std::uint64_t first, EncodedRows& out) const override {
    std::vector<std::uint16_t> halves;
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const auto tokens = rows.tokens.row(i);
      halves.resize(tokens.size());
      kernels::dense::f32_to_f16(tokens.data(), halves.data(), tokens.size());
      for (std::size_t j = 0; j < tokens.size(); ++j)
        if (!finite_half(halves[j]))
          refuse_beyond_half(source, first + i,
                             "token " + std::to_string(j / spec_.dim) + ", column " + std::to_string(j % spec_.dim),
                             tokens[j]);
      const auto bytes = std::as_bytes(std::span(halves));
      out.bytes.insert(out.bytes.end(), bytes.begin(), bytes.end());
      out.ends.push_back(out.bytes.size());
    }
  }

  std::unique_ptr<Codes> open(const RowSections& sections, std::uint64_t size) const override {
    return open_tokens_f16(sections, size, spec_);
  }

 private:
  CodesSpec spec_;
};

/// Bytes of a centroid number, if there are `n` centroids.
std::size_t number_bytes(std::size_t n) {
  return n <= std::size_t{1} << 16 ? sizeof(std::uint16_t) : sizeof(std::uint32_t);
}

class TwoLevelTokens final : public TokenCodes {
 public:
  TwoLevelTokens(const RowSections& sections, std::uint64_t size, const CodesSpec& spec, bool with_norms)
      : TokenCodes(sections, size, checked_dim(sections, spec),
                   number_bytes(centroid_count(sections, spec)) + (with_norms ? kNormBytes : 0) + spec.code.m_pq),
        subspaces(spec.code.m_pq),
        n_centroids(centroid_count(sections, spec)),
        has_norms(with_norms),
        model_section_(sections.model) {
    model_ = sections.model.as<float>((kCentroids + n_centroids) * dim());
  }

  std::unique_ptr<Scorer> scorer(Metric metric) const override;

  void verify(const Reading& reading) const override {
    reading(model_section_.bytes);
    const auto place = std::ranges::find_if_not(model_, [](float value) { return std::isfinite(value); });
    if (place != model_.end())
      throw model_section_.damaged(static_cast<std::uint64_t>(place - model_.begin()) * sizeof(float),
                                   "a NaN or an infinity among centroids, expected finite numbers");
    verify_documents(reading, [&](Id id, std::span<const std::byte> document) {
      for (std::size_t t = 0; t < count(document); ++t)
        if (const std::uint32_t number = stored_number(document, t); number >= n_centroids)
          throw wrong_token(
              id, t, t * number_bytes(n_centroids),
              "centroid " + std::to_string(number) + ", expected less than " + std::to_string(n_centroids));
      for (std::size_t t = 0; has_norms && t < count(document); ++t) {
        const std::size_t at = count(document) * number_bytes(n_centroids) + t * kNormBytes;
        if (const auto norm = number_at<std::uint16_t>(document.data() + at); !finite_half(norm) || norm > kMinusZero)
          throw wrong_token(id, t, at, "a norm that is negative or not finite, expected a finite number of at least 0");
      }
    });
  }

  /// The number of the centroid of token `t`. Numbers of a damaged file are clamped to the last centroid.
  std::uint32_t number(std::span<const std::byte> document, std::size_t t) const noexcept {
    return std::min(stored_number(document, t), static_cast<std::uint32_t>(n_centroids - 1));
  }
  /// The norms of the residuals of `count` tokens, f16 without alignment. Requires has_norms.
  const std::byte* norms(std::span<const std::byte> document, std::size_t count) const noexcept {
    return document.data() + count * number_bytes(n_centroids);
  }
  /// The codes of the residuals of `count` tokens.
  const std::uint8_t* codes(std::span<const std::byte> document, std::size_t count) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(norms(document, count) + (has_norms ? count * kNormBytes : 0));
  }
  const float* codebooks() const noexcept { return model_.data(); }
  const float* centroids() const noexcept { return model_.data() + kCentroids * dim(); }

  const std::size_t subspaces, n_centroids;
  const bool has_norms;

  static constexpr std::size_t kNormBytes = sizeof(std::uint16_t);

 private:
  static constexpr std::uint16_t kMinusZero = 0x8000;  // f16 beyond it are negative

  static std::size_t centroid_count(const RowSections& sections, const CodesSpec& spec) {
    const std::size_t dim = checked_dim(sections, spec), m_pq = spec.code.m_pq, row = dim * sizeof(float);
    if (m_pq == 0 || dim % m_pq != 0)
      throw sections.rows.damaged(0, "m_pq is " + std::to_string(m_pq) + ", expected a divisor of " +
                                         std::to_string(dim) + ", the dimension of tokens");
    const std::size_t length = sections.model.bytes.size();
    if (length % row != 0 || length / row < kCentroids ||
        length / row - kCentroids > std::numeric_limits<std::uint32_t>::max())
      throw sections.model.damaged(0, "holds " + std::to_string(length) + " bytes, expected " +
                                          std::to_string(kCentroids * row) + " of codebooks and a multiple of " +
                                          std::to_string(row) + " of centroids");
    const std::size_t n = length / row - kCentroids;
    if (n == 0 && !sections.rows.bytes.empty())
      throw sections.model.damaged(0, "no centroids for tokens, expected at least one");
    return n;
  }
  std::uint32_t stored_number(std::span<const std::byte> document, std::size_t t) const noexcept {
    return number_bytes(n_centroids) == sizeof(std::uint16_t)
               ? number_at<std::uint16_t>(document.data() + t * sizeof(std::uint16_t))
               : number_at<std::uint32_t>(document.data() + t * sizeof(std::uint32_t));
  }

  Section model_section_;
  std::span<const float> model_;
};

/// Computes the query's dot products with the entries of all codebooks once for a query, and those with a centroid when
/// a token first needs it. The dot products with a token are then a sum of m_pq + 1 table rows. For queries so long
/// that the tables would not fit into the cache, tokens are decoded and multiplied
/// (docs/decisions/two-level-tokens-by-tables-or-products.md).
class TwoLevelScorer final : public TokenScorer {
 public:
  explicit TwoLevelScorer(const TwoLevelTokens& codes)
      : TokenScorer(codes), codes_(codes), place_of_(codes.n_centroids) {}

 private:
  /// Tokens of a document that are scored at once.
  static constexpr std::size_t kStep = 256;
  /// Largest table, 1 MiB of f32, and most products with centroids, 16 MiB. Tables beyond 1 MiB leave the second level
  /// of the cache; decoded tokens are then multiplied faster than looked up.
  static constexpr std::size_t kTableFloats = std::size_t{1} << 18, kProductFloats = std::size_t{1} << 22;

  void bound() override {
    const std::size_t lanes = query().lanes, table_floats = codes_.subspaces * kCentroids * lanes;
    looks_up_ = table_floats <= kTableFloats;
    if (!looks_up_) return prepare_rows();
    tables_.reserve(table_floats);
    max_known_ = std::min(codes_.n_centroids, kProductFloats / std::max<std::size_t>(lanes, 1));
    products_.reserve(max_known_ * lanes);
    number_at_.resize(max_known_);
    known_ = 0;
    kernels_.fill_tables(query(), codes_.codebooks(), codes_.subspaces, codes_.dim() / codes_.subspaces,
                         tables_.data());
  }

  void raise(std::span<const std::byte> document, std::size_t count) noexcept override {
    const std::uint8_t* codes = codes_.codes(document, count);
    for (std::size_t first = 0; first < count; first += kStep, codes += kStep * codes_.subspaces) {
      const std::size_t n = std::min(kStep, count - first);
      for (std::size_t i = 0; i < n; ++i) numbers_[i] = codes_.number(document, first + i);
      if (codes_.has_norms)
        kernels::dense::f16_to_f32(codes_.norms(document, count) + first * TwoLevelTokens::kNormBytes, norms_, n);
      looks_up_ ? look_up(n, codes) : multiply(n, codes);
    }
  }

  /// Computes the products with the centroids of all these documents at once, so that the kernel can prefetch
  /// centroids, which are scattered over memory.
  void prepare(std::span<const Id> ids) noexcept override {
    if (!looks_up_ || query().count == 0) return;
    const std::size_t before = known_;
    for (const Id id : ids) {
      const auto document = codes_.bytes(id);
      const std::size_t count = codes_.count(document);
      for (std::size_t t = 0; t < count && known_ < max_known_; ++t) place(codes_.number(document, t));
    }
    multiply_centroids(before);
  }
  void look_up(std::size_t n, const std::uint8_t* codes) noexcept {
    if (max_known_ < codes_.n_centroids && known_ + n > max_known_) known_ = 0;
    const std::size_t before = known_;
    std::uint32_t places[kStep];
    for (std::size_t i = 0; i < n; ++i) places[i] = place(numbers_[i]);
    multiply_centroids(before);
    kernels_.raise_coded(query(), {.count = n,
                                   .subspaces = codes_.subspaces,
                                   .places = places,
                                   .codes = codes,
                                   .products = products_.data(),
                                   .tables = tables_.data(),
                                   .norms = codes_.has_norms ? norms_ : nullptr});
  }
  /// Computes the products with the centroids that place() added after the first `before`.
  void multiply_centroids(std::size_t before) noexcept {
    kernels_.products(query(), codes_.centroids(), number_at_.data() + before, known_ - before,
                      products_.data() + before * query().lanes);
  }
  /// The row of products_ for the centroid; adds it if it is new. place_of_ and number_at_ are a sparse set (Briggs and
  /// Torczon, An efficient representation for sparse sets, 1993): place_of_ may hold anything for centroids that are
  /// not in it, so that a new query clears nothing.
  std::uint32_t place(std::uint32_t number) noexcept {
    std::uint32_t& place = place_of_[number];
    if (place < known_ && number_at_[place] == number) return place;
    place = static_cast<std::uint32_t>(known_++);
    number_at_[place] = number;
    return place;
  }

  void multiply(std::size_t n, const std::uint8_t* codes) noexcept {
    const std::size_t dim = codes_.dim(), width = dim / codes_.subspaces;
    for (std::size_t first = 0; first < n; first += kernels::maxsim::kTileRows) {
      const std::size_t rows = std::min(kernels::maxsim::kTileRows, n - first);
      float* to = tokens_.data();
      for (std::size_t i = first; i < first + rows; ++i) {
        const float* centroid = codes_.centroids() + std::size_t{numbers_[i]} * dim;
        const float norm = codes_.has_norms ? norms_[i] : 1;
        for (const float* codebook = codebooks_.data(); codebook != codebooks_.data() + codebooks_.size();
             codebook += kCentroids * width) {
          const float* residual = codebook + *codes++ * width;
          for (std::size_t w = 0; w < width; ++w) *to++ = *centroid++ + norm * residual[w];
        }
      }
      kernels_.raise_f32(query(), tokens_.data(), rows);
    }
  }
  /// Copies the codebooks to codebooks_, row-major: one centroid after another.
  void prepare_rows() {
    const std::size_t dim = codes_.dim(), width = dim / codes_.subspaces;
    tokens_.resize(kernels::maxsim::kTileRows * dim);
    if (!codebooks_.empty()) return;
    codebooks_.resize(kCentroids * dim);
    for (std::size_t j = 0; j < dim; ++j)
      for (std::size_t c = 0; c < kCentroids; ++c)
        codebooks_[(j / width * kCentroids + c) * width + j % width] = codes_.codebooks()[j * kCentroids + c];
  }

  const TwoLevelTokens& codes_;
  bool looks_up_ = true;
  kernels::maxsim::AlignedFloats tables_, products_;
  std::vector<std::uint32_t> place_of_;    // by centroid: its row of products_
  std::vector<std::uint32_t> number_at_;   // by row of products_: its centroid
  std::size_t known_ = 0, max_known_ = 0;  // rows of products_, and the most of them
  std::uint32_t numbers_[kStep];
  float norms_[kStep];
  std::vector<float> codebooks_, tokens_;  // row-major; decoded tokens
};

std::unique_ptr<Scorer> TwoLevelTokens::scorer(Metric metric) const {
  if (metric != Metric::dot_product) unsupported(metric);
  return std::make_unique<TwoLevelScorer>(*this);
}

}  // namespace

std::unique_ptr<Codes> open_tokens_f16(const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
  return std::make_unique<HalfTokens>(sections, size, spec);
}
std::unique_ptr<Codes> open_tokens_two_level(const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
  return std::make_unique<TwoLevelTokens>(sections, size, spec, false);
}
std::unique_ptr<Codes> open_tokens_two_level_norms(const RowSections& sections, std::uint64_t size,
                                                   const CodesSpec& spec) {
  return std::make_unique<TwoLevelTokens>(sections, size, spec, true);
}
std::unique_ptr<Encoder> encoder_tokens_f16(const CodesSpec& spec) { return std::make_unique<HalfTokenEncoder>(spec); }

void append_two_level(std::span<const std::uint32_t> centroids, std::span<const std::uint16_t> norms,
                      std::span<const std::uint8_t> residuals, std::size_t n_centroids, std::vector<std::byte>& out) {
  for (const std::uint32_t number : centroids)
    number_bytes(n_centroids) == sizeof(std::uint16_t) ? append_bytes(static_cast<std::uint16_t>(number), out)
                                                       : append_bytes(number, out);
  for (const auto part : {std::as_bytes(norms), std::as_bytes(residuals)})
    out.insert(out.end(), part.begin(), part.end());
}

std::vector<std::byte> two_level_model(std::span<const float> centroids, std::span<const float> pq_centroids,
                                       std::size_t m_pq) {
  const std::size_t dim = pq_centroids.size() / kCentroids, width = dim / m_pq;
  std::vector<std::byte> model;
  model.reserve((pq_centroids.size() + centroids.size()) * sizeof(float));
  for (std::size_t j = 0; j < dim; ++j)
    for (std::size_t c = 0; c < kCentroids; ++c)
      append_bytes(pq_centroids[(j / width * kCentroids + c) * width + j % width], model);
  const auto rest = std::as_bytes(centroids);
  model.insert(model.end(), rest.begin(), rest.end());
  return model;
}

}  // namespace cassata
