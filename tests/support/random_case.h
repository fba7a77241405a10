// Collections of vectors from a seed, plain and as the engine stores them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "engine/codec/codes.h"
#include "engine/codec/dense.h"
#include "tests/support/random.h"

namespace cassata::test {

struct Vectors {
  std::size_t dim = 1;
  std::vector<float> values;

  std::size_t size() const { return values.size() / dim; }
  const float* row(std::size_t i) const { return values.data() + i * dim; }
  VectorView view(std::size_t i) const { return {.values = {row(i), dim}}; }
  Batch matrix() const { return {values.data(), size(), dim}; }
  Vectors part(std::size_t first, std::size_t count) const { return {dim, {row(first), row(first) + count * dim}}; }
};

/// Whole numbers from -4 to 4: every distance is exact in f32, from f16 rows too, and many are equal.
inline Vectors whole_vectors(Random& random, std::size_t n, std::size_t dim) {
  Vectors out{dim, std::vector<float>(n * dim)};
  for (float& v : out.values) v = static_cast<float>(below(random, 9)) - 4;
  return out;
}

inline Vectors normal_vectors(Random& random, std::size_t n, std::size_t dim, float deviation = 1) {
  Vectors out{dim, std::vector<float>(n * dim)};
  std::normal_distribution<float> normal(0, deviation);
  for (float& v : out.values) v = normal(random);
  return out;
}

/// Clouds around `clusters` random centres, in random order.
inline Vectors clustered_vectors(Random& random, std::size_t n, std::size_t dim, std::size_t clusters) {
  const Vectors centres = normal_vectors(random, clusters, dim);
  Vectors out = normal_vectors(random, n, dim, 0.3F);
  for (std::size_t i = 0; i < n; ++i) {
    const float* centre = centres.row(below(random, clusters));
    for (std::size_t j = 0; j < dim; ++j) out.values[i * dim + j] += centre[j];
  }
  return out;
}

/// Makes about `percent` of the rows copies of others.
inline void duplicate_rows(Random& random, Vectors& vectors, std::size_t percent) {
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    if (below(random, 100) >= percent) continue;
    const std::size_t from = below(random, vectors.size());
    for (std::size_t j = 0; j < vectors.dim; ++j)
      vectors.values[i * vectors.dim + j] = vectors.values[from * vectors.dim + j];
  }
}

/// Sparse vectors, as compressed rows.
struct SparseVectors {
  std::vector<std::uint32_t> components;
  std::vector<float> values;
  std::vector<std::uint64_t> offsets = {0};

  std::size_t size() const { return offsets.size() - 1; }
  Batch batch(std::size_t dim) const { return {values.data(), size(), dim, components.data(), offsets.data()}; }
  VectorView view(std::size_t i) const { return batch(0).row(i); }
  void end_row() { offsets.push_back(values.size()); }
  void add(std::uint32_t component, float value) {
    components.push_back(component);
    values.push_back(value);
  }
};

/// The same vectors as sparse ones. Zeros are left out, but a row of nothing else keeps one: a query without entries
/// finds nothing.
inline SparseVectors sparse_of(const Vectors& vectors) {
  SparseVectors out;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    for (std::size_t j = 0; j < vectors.dim; ++j)
      if (vectors.row(i)[j] != 0) out.add(static_cast<std::uint32_t>(j), vectors.row(i)[j]);
    if (out.offsets.back() == out.values.size()) out.add(0, 0);
    out.end_row();
  }
  return out;
}

/// Rows of random length, some of them empty, with components below `dim`, of which the first row has the last.
inline SparseVectors random_sparse(Random& random, std::size_t n, std::size_t dim, std::size_t longest) {
  SparseVectors out;
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < n; ++i) {
    std::set<std::uint32_t> components;
    for (std::size_t count = below(random, longest + 1); count > 0; --count)
      components.insert(static_cast<std::uint32_t>(below(random, dim)));
    if (i == 0) components.insert(static_cast<std::uint32_t>(dim - 1));
    for (const std::uint32_t component : components) out.add(component, normal(random));
    out.end_row();
  }
  return out;
}

/// Vectors in an encoding, as in the sections of a file.
class StoredVectors {
 public:
  StoredVectors(std::unique_ptr<Encoder> encoder, const Vectors& vectors)
      : StoredVectors(std::move(encoder), vectors.matrix()) {}
  StoredVectors(std::unique_ptr<Encoder> encoder, const Batch& batch) : encoder_(std::move(encoder)) {
    if (encoder_->trains()) {
      const StoredVectors plain(encoder_dense_f32(batch.dim), batch);
      encoder_->train(plain.codes(), 1, {});
    }
    encoder_->encode(batch, "vectors", 0, rows_);
    offsets_.insert(offsets_.end(), rows_.ends.begin(), rows_.ends.end());
    codes_ = encoder_->open(sections(), batch.rows);
  }
  const Codes& codes() const { return *codes_; }
  RowSections sections() const {
    return {.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = rows_.bytes},
            .offsets = {.file = "file", .name = "offsets", .offset = 8192, .bytes = std::as_bytes(std::span(offsets_))},
            .model = {.file = "file", .name = "model", .offset = 12288, .bytes = encoder_->model()}};
  }
  std::vector<std::byte>& bytes() { return rows_.bytes; }
  std::vector<std::uint64_t>& offsets() { return offsets_; }

 private:
  std::unique_ptr<Encoder> encoder_;
  EncodedRows rows_;
  std::vector<std::uint64_t> offsets_ = {0};
  std::unique_ptr<Codes> codes_;
};

}  // namespace cassata::test
